"""What workers tell the process that started them, and what it tells them."""

import pickle
import time
from typing import Any


def news(*arguments: Any) -> bytes:
    """The arguments of what is told, with the time by this process's monotonic clock; pickled."""
    return pickle.dumps((time.monotonic(), arguments))


class Board:
    """Runs as an actor of its own, so that what was told outlives who told it.

    It keeps news pickled, since it would have to import torch to hold some of them, beside workers that want the cores.
    """

    def __init__(self) -> None:
        self._news: list[tuple[str, bytes]] = []
        self._asked: int | None = None
        self._end: tuple[str, Any] | None = None

    def tell(self, name: str, arguments: bytes) -> int | None:
        """Leave news: a method of the recorder, and what `news` makes of its arguments.

        Returns:
            The signal that asks the workers to stop; None while they are to go on.
        """
        self._news.append((name, arguments))
        return self._asked

    def take(self) -> tuple[list[tuple[str, bytes]], bool]:
        """The news since it was last taken, and whether the training has ended."""
        taken, self._news = self._news, []
        return taken, self.has_ended()

    def ask_to_stop(self, number: int) -> None:
        """Have the workers stop where the run can be gone on with."""
        self._asked = number

    def finish(self, how: str, what: Any) -> None:
        """Say how the training ended; what is said first counts, since one worker's end tears the others away."""
        self._end = self._end or (how, what)

    def end(self) -> tuple[str, Any] | None:
        """How the training ended; None while it goes on."""
        return self._end

    def has_ended(self) -> bool:
        """Whether there is nothing left to do for a worker that is started now."""
        return self._end is not None
