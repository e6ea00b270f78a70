"""What is raised for a user's mistake: one clear sentence, shown without a traceback, exit code 2."""


class KitError(Exception):
    """What is wrong, where, and what to do about it."""


class NotAtHandError(KitError):
    """Something that is on the Hub and not in its cache, while the Hub can't be reached."""
