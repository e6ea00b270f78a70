"""The part of the sandbox that runs in the child process, outside this package.

A worker starts an interpreter without site packages, puts this folder on the path for one moment and calls
`launch.main`. Nothing here may import from `evals`, and little from the standard library: each import is paid for by
every worker.
"""
