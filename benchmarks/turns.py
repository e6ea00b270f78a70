"""Sides that take turns: each in a process of its own, one working while the others wait."""

import multiprocessing
import os
import re
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


class Turn:
    """A side's view: it works between `wait` and `done`.

    Args:
        pipe: To the process that deals the turns.
    """

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe
        self.begun = 0.0

    def wait(self) -> None:
        """Wait for the next turn; ends the process where there is none."""
        self.pipe.send(None)
        if not self.pipe.recv():
            self.pipe.send(peak_memory())
            self.pipe.close()
            os._exit(0)
        self.begun = time.perf_counter()

    def done(self, **figures: Any) -> None:
        """Report a turn: its seconds, and what the side adds."""
        self.pipe.send({"seconds": time.perf_counter() - self.begun, **figures})


def peak_memory() -> int:
    """Bytes of resident memory that this process has had at most."""
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def _child(side: Callable[..., Any], pipe: Connection, log: str, arguments: dict[str, Any]) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    side(Turn(pipe), **arguments)


class Side:
    """A side's process.

    Args:
        name: How it is shown.
        work: Runs in the process; takes a `Turn` and `arguments`. It never returns but by `Turn.wait`.
        logs: Folder for what it prints.
        arguments: More of its arguments.
    """

    def __init__(self, name: str, work: Callable[..., Any], logs: Path, **arguments: Any) -> None:
        self.name = name
        self.turns: list[dict[str, Any]] = []
        log = str(logs / f"{re.sub(r'[^a-z0-9]+', '-', name.lower())}.log")
        self.peak_memory = 0
        context = multiprocessing.get_context("spawn")
        self.pipe, child = context.Pipe()
        self.process = context.Process(target=_child, args=(work, child, log, arguments), daemon=True)
        self.process.start()
        child.close()
        self._ready()

    def _ready(self) -> None:
        try:
            assert self.pipe.recv() is None
        except EOFError:
            raise SystemExit(f"The side {self.name!r} ended by itself; see its log.") from None

    def turn(self, count: bool = True) -> dict[str, Any]:
        """Let it work once."""
        self.pipe.send(True)
        try:
            figures: dict[str, Any] = self.pipe.recv()
        except EOFError:
            raise SystemExit(f"The side {self.name!r} ended by itself; see its log.") from None
        self._ready()
        if count:
            self.turns.append(figures)
        return figures

    def end(self) -> None:
        """End the process, and learn its peak memory."""
        self.pipe.send(False)
        self.peak_memory = self.pipe.recv()
        self.process.join()
