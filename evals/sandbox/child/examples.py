"""Runs the examples of an interactive session, as doctest does, against a program in another process."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from doctest import Example
    from typing import Any

    from evals.sandbox.child.peer import Peer

FILE = "tests.py"


def parsed(text: str) -> "list[Example]":
    """Return the examples in a text.

    Raises:
        ValueError: If they are not well formed.
        SyntaxError: If one of them does not compile.
    """
    from doctest import DocTestParser

    examples = DocTestParser().get_examples(text, FILE)
    for example in examples:
        compile(example.source, FILE, "single", dont_inherit=True)
    return examples


def first_failure(examples: "list[Example]", scope: "dict[str, Any]", talk: "Peer") -> "tuple[int, str] | None":
    """Run examples until one prints something else than it should.

    Returns:
        The line of the first that fails and what it gave; None if all are as expected.

    Raises:
        BaseException: What one raised that should not; its `__notes__` are not changed. The number of its line is in
            the traceback.
    """
    import doctest
    from io import StringIO

    checker, wrote = doctest.OutputChecker(), StringIO()

    usual, sys.displayhook = (sys.stdout, sys.displayhook), sys.__displayhook__
    sys.stdout = wrote
    try:
        for example in examples:
            wrote.seek(0)
            wrote.truncate()
            raised = ""
            try:
                source = "\n" * example.lineno + example.source
                exec(compile(source, FILE, "single", dont_inherit=True), scope)
            except Exception as error:
                if talk.failure is not None or example.exc_msg is None:
                    raise
                raised = _shown(error)
            got = raised or wrote.getvalue()
            if example.exc_msg is not None and not raised:
                wanted, agrees = example.exc_msg, False
            elif example.exc_msg is not None:
                wanted, agrees = example.exc_msg, _agree(checker, example, raised)
            else:
                wanted, agrees = example.want, checker.check_output(example.want, got, _flags(example))
            if not agrees:
                told = f"expected {wanted.strip()!r}, got {got.strip()!r}"
                return example.lineno + 1, told
    finally:
        sys.stdout, sys.displayhook = usual
    return None


def _flags(example: "Example") -> int:
    return sum(flag for flag, on in example.options.items() if on)


def _shown(error: Exception) -> str:
    from traceback import format_exception_only

    line = format_exception_only(error)[-1]
    return line.removeprefix("solution.")


def _agree(checker: "Any", example: "Example", raised: str) -> bool:
    """Say whether an exception is the one expected, by its last part of the name and its text."""
    import doctest

    flags = _flags(example)
    wanted = example.exc_msg or ""
    if checker.check_output(wanted, raised, flags):
        return True
    if flags & doctest.IGNORE_EXCEPTION_DETAIL:
        return (
            wanted.partition(":")[0].rpartition(".")[2].strip() == raised.partition(":")[0].rpartition(".")[2].strip()
        )
    return False
