"""The one exception that callers of this package need to catch."""


class EvalError(Exception):
    """What was asked for cannot be done; the message says why, where, and what to do about it."""
