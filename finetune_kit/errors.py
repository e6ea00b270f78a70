"""What is raised for a user's mistake: one clear sentence, shown without a traceback, exit code 2."""

import signal


class KitError(Exception):
    """What is wrong, where, and what to do about it."""


class NotAtHandError(KitError):
    """Something that is on the Hub and not in its cache, while the Hub can't be reached."""


class TrainingInterrupted(KeyboardInterrupt):
    """A run that stopped because it was asked to, with its state saved.

    Args:
        number: The signal that asked for it.
        step: Steps that were done.
        steps: Of so many.
    """

    def __init__(self, number: signal.Signals, step: int, steps: int) -> None:
        self.signal = number
        self.arguments = number, step, steps
        super().__init__(f"Stopped after step {step} of {steps}, which is saved. The same command goes on from there.")
