"""What the tests do to their standard streams, and to the seed of `random`, holds for the program too.

Tests that catch what is printed, or that put something in place of standard input or of `input`, do so in their own
process. Before each request and after each answer, the program's process is made to follow.
"""

import builtins
import random
import sys
from io import StringIO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from evals.sandbox.child.peer import Peer


class Followed:
    """The tests' side: notices what has changed, and tells."""

    def __init__(self, talk: "Peer") -> None:
        """Begin with the streams as they are now."""
        self._talk = talk
        self._usual_output = sys.stdout
        self._input_told: Any = sys.stdin
        self._prompt_told: Any = builtins.input
        self._usual = sys.stdin, builtins.input
        self._catches = False
        self._busy = False
        talk.before_request, talk.after_answer = self._before, self._after
        self._seed_here = random.seed
        random.seed = self._seed

    def _seed(self, *seed: "Any", **named: "Any") -> None:
        self._seed_here(*seed, **named)
        self._talk.ask("seed", seed, named)

    def _before(self) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            if (sys.stdout is not self._usual_output) is not self._catches:
                self._catches = not self._catches
                self._talk.ask("printed" if self._catches else "shown")
            if sys.stdin is not self._input_told:
                self._input_told = sys.stdin
                self._talk.ask("stdin", None if sys.stdin is self._usual[0] else sys.stdin)
            if builtins.input is not self._prompt_told:
                self._prompt_told = builtins.input
                self._talk.ask("input", None if builtins.input is self._usual[1] else builtins.input)
        finally:
            self._busy = False

    def _after(self) -> None:
        if self._busy or not self._catches:
            return
        self._busy = True
        try:
            text = self._talk.ask("printed")
            if type(text) is str:
                sys.stdout.write(text)
        finally:
            self._busy = False


def operations() -> "dict[str, Callable[..., Any]]":
    """Return what the program's process does when it is told."""
    usual: dict[str, Any] = {"output": sys.stdout, "input": sys.stdin, "prompt": builtins.input}
    caught = StringIO()

    def printed() -> str:
        nonlocal caught
        text, caught = caught.getvalue(), StringIO()
        sys.stdout = caught
        return text

    def shown() -> None:
        sys.stdout = usual["output"]

    def read_from(stream: "Any") -> None:
        sys.stdin = usual["input"] if stream is None else stream

    def ask_by(function: "Any") -> None:
        builtins.input = usual["prompt"] if function is None else function

    def seed(arguments: "tuple[Any, ...]", named: "dict[str, Any]") -> None:
        random.seed(*arguments, **named)

    return {"printed": printed, "shown": shown, "stdin": read_from, "input": ask_by, "seed": seed}
