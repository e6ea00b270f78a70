"""What is raised for a user's mistake: one clear sentence, shown without a traceback, exit code 2."""


class KitError(Exception):
    """What is wrong, where, and what to do about it."""
