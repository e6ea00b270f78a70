"""Ctrl-C and SIGTERM: the first asks a run to stop where it can be gone on with, the second stops it at once."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class StopRequest:
    """Whether a run was asked to stop.

    Args:
        tell: Is told of it.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell = tell
        self.signal: signal.Signals | None = None
        """What asked for it; None while nothing did."""

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear of both signals while a block runs; only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number in before:
            signal.signal(number, self.receive)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def receive(self, number: int, frame: Any = None) -> None:
        """Take a signal."""
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = signal.Signals(number)
        self.tell("Stopping: this step is finished and a checkpoint saved. Once more stops at once, without that.")
