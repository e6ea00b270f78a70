"""Measurements against other ways to do the same: `nox -s bench`, or `python -m benchmarks.training`."""
