"""How a family of exercises is declared, and how a family becomes rows.

A family is one idea ("count a given letter") written as a function that receives a `random.Random` and
returns one instance of the idea, a `Function` or a `Class`; `@seen` or `@unseen` turns it into a `Family`:

    @seen
    def count_letter(rng: Random) -> Function:
        letter = rng.choice("aeiou")
        return Function(
            name=rng.choice([f"count_{letter}", f"{letter}_count"]),
            params="text",
            ask=f'returns how many times "{letter}" occurs in `text`',
            body=f'return text.count("{letter}")',
            calls=["banana", "apple", "kiwi", "melon"],
            expect=lambda text: sum(c == letter for c in text),
        )

Every row has a generator of its own, seeded by the family's name and the row's number, so a new family leaves
the rows of the others as they are. An instance whose reference was drawn before, or whose tests say too
little, is drawn again.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from finetune_kit.exercises.draws import lit

ROWS_PER_FAMILY = 16
MAX_TESTS = 6
MAX_ATTEMPTS = 400

FUNCTION_FRAMES = (
    "Write a Python function `{}` that {}.",
    "Create a Python function `{}` that {}.",
    "Define a Python function `{}` that {}.",
    "Implement a Python function `{}` that {}.",
    "Write a function `{}` that {}.",
)
CLASS_FRAMES = (
    "Write a Python class `{}` {}.",
    "Create a Python class `{}` {}.",
    "Define a class `{}` {}.",
    "Implement a Python class `{}` {}.",
)


@dataclass(frozen=True)
class Draft:
    """An instance in words and code: what a row says apart from its family."""

    instruction: str
    input: str
    output: str
    tests: str


@dataclass(frozen=True, kw_only=True)
class Function:
    """An instance that asks for one function.

    Attributes:
        name: The function's name.
        params: Its parameters, as they stand between the parentheses.
        ask: What it does, a clause after "a function that": "returns the sum of `numbers`".
        body: The reference's body, indented as is convenient.
        calls: 4 to 7 sets of arguments: a tuple holds the arguments, anything else is the only one. The last
            is kept out of the tests and may be shown as an example.
        expect: The expected result by another route than `body`; without it the reference is run.
        wrap: The tested expression around the call, such as `list({})` for a generator.
        imports: Import lines above the function.
        given: Data without which the task cannot be solved, shown as `input`.
        buggy: A wrong body; some rows then ask to mend it.
    """

    name: str
    params: str
    ask: str
    body: str
    calls: Sequence[object]
    expect: Callable[..., object] | None = None
    wrap: str = "{}"
    imports: str = ""
    given: str = ""
    buggy: str = ""

    def draft(self, rng: Random) -> Draft | None:
        """Puts the instance into words, or returns None where its tests would say too little.

        Args:
            rng: Decides the wording and what `input` shows.
        """
        output = self._code(self.body)
        calls = {self._call(call): call for call in self.calls}
        results = self._expected(output, list(calls), list(calls.values()))
        tested = list(calls)[:-1][:MAX_TESTS]
        expected = results[: len(tested)]
        unchanged = sum(call == result for call, result in zip(calls.values(), expected, strict=False))
        if not telling(expected) or 2 * unchanged > len(expected):
            return None
        asserts = [f"assert {call} == {lit(result)}" for call, result in zip(tested, expected, strict=True)]
        tests = "\n".join(asserts)
        instruction, shown = self._words(rng, list(calls)[-1], lit(results[-1]), tests)
        return Draft(instruction, shown, output, tests)

    def _words(self, rng: Random, call: str, result: str, tests: str) -> tuple[str, str]:
        signature = f"{self.name}({self.params})"
        frame, shown = rng.choice(FUNCTION_FRAMES), self.given
        share = rng.random()
        if not shown and share < 0.16:
            shown = rng.choice([f"Example: {call} returns {result}", f">>> {call}\n{result}"])
        elif not shown and share < 0.24:
            frame, shown = "Complete the function `{}` so that it {}.", f"def {signature}:\n    pass"
        elif not shown and self.buggy and share < 0.48 and fails(self._code(self.buggy), tests):
            frame = "Fix the Python function `{}` so that it {}."
            shown = self._code(self.buggy)
        return frame.format(signature, self.ask), shown

    def _code(self, body: str) -> str:
        head = f"{self.imports}\n\n\n" if self.imports else ""
        return f"{head}def {self.name}({self.params}):\n{textwrap.indent(dedent(body), '    ')}"

    def _call(self, call: object) -> str:
        arguments = call if isinstance(call, tuple) else (call,)
        return self.wrap.format(f"{self.name}({', '.join(map(lit, arguments))})")

    def _expected(self, code: str, expressions: list[str], calls: list[object]) -> list[object]:
        if self.expect is None:
            results: list[object] = eval(f"[{', '.join(expressions)}]", run(code))
            return results
        return [self.expect(*(call if isinstance(call, tuple) else (call,))) for call in calls]


@dataclass(frozen=True, kw_only=True)
class Class:
    """An instance that asks for one class.

    Attributes:
        name: The class's name.
        ask: What it has, a clause after "a class `Name`": "with a method `area()` that ...".
        body: The reference's body, indented as is convenient.
        script: The test, one statement a line; a line `? expression` becomes an assert on the value that the
            reference gives there.
        imports: Import and decorator lines directly above the class.
    """

    name: str
    ask: str
    body: str
    script: str
    imports: str = ""

    def draft(self, rng: Random) -> Draft | None:
        """Puts the instance into words, or returns None where its tests would say too little.

        Args:
            rng: Decides the wording and what `input` shows.
        """
        body = textwrap.indent(dedent(self.body), "    ")
        output = f"{self.imports}class {self.name}:\n{body}"
        namespace = run(output)
        tests: list[str] = []
        example: list[str] = []
        values: list[object] = []
        for line in dedent(self.script).splitlines():
            expression = line.removeprefix("? ")
            if not values:
                example.append(f">>> {expression}")
            if expression == line:
                exec(line, namespace)
                tests.append(line)
                continue
            value = eval(expression, namespace)
            if not values:
                example.append(lit(value))
            values.append(value)
            tests.append(f"assert {expression} == {lit(value)}")
        if not telling(values):
            return None
        shown = "\n".join(example) if rng.random() < 0.3 else ""
        instruction = rng.choice(CLASS_FRAMES).format(self.name, self.ask)
        return Draft(instruction, shown, output, "\n".join(tests))


@dataclass(frozen=True)
class Family:
    """One idea for an exercise.

    Attributes:
        name: The idea's name, unique in the data set.
        topic: The module it stands in.
        group: `seen` (its rows are split between training and test) or `unseen` (kept out of training).
        draw: Makes one instance.
    """

    name: str
    topic: str
    group: str
    draw: Callable[[Random], Function | Class]

    def rows(self, count: int = ROWS_PER_FAMILY) -> list[dict[str, str]]:
        """Makes rows whose references all differ.

        Args:
            count: How many rows.

        Returns:
            Rows with `instruction`, `input`, `output`, `tests`, `family` and `group`.

        Raises:
            ValueError: If the family does not vary enough for that many.
        """
        drafts: dict[str, Draft] = {}
        for index in range(count):
            for attempt in range(MAX_ATTEMPTS):
                rng = Random(f"{self.name}:{index}:{attempt}")
                draft = self.draw(rng).draft(rng)
                if draft and draft.output not in drafts:
                    drafts[draft.output] = draft
                    break
            else:
                raise ValueError(
                    f"The family {self.name!r} gave no new instance for row {index} in {MAX_ATTEMPTS} "
                    f"attempts; "
                    "give it more names or parameters, or tests with more than one result."
                )
        return [vars(draft) | {"family": self.name, "group": self.group} for draft in drafts.values()]


def seen(draw: Callable[[Random], Function | Class]) -> Family:
    """Declares a family whose rows are for training and test."""
    return Family(draw.__name__, draw.__module__.rpartition(".")[2], "seen", draw)


def unseen(draw: Callable[[Random], Function | Class]) -> Family:
    """Declares a family that is kept out of training."""
    return Family(draw.__name__, draw.__module__.rpartition(".")[2], "unseen", draw)


def run(code: str) -> dict[str, Any]:
    """Runs our own reference code and returns its namespace."""
    namespace: dict[str, Any] = {"__name__": "exercise"}
    exec(compile(code, "<reference>", "exec", dont_inherit=True), namespace)
    return namespace


def fails(code: str, tests: str) -> bool:
    """Whether code of ours that is wrong on purpose is caught by the tests."""
    try:
        exec(tests, run(code))
    except Exception:
        return True
    return False


def dedent(block: str) -> str:
    """Takes the common indentation off, and the lines without text at both ends."""
    return textwrap.dedent(block).strip()


def telling(results: Sequence[object]) -> bool:
    """Whether expected results tell a right answer from a constant one.

    Args:
        results: The expected value of every test.

    Returns:
        True for 3 to 6 results of which at most two thirds are the same; yes-or-no results must hold each
        answer twice.
    """
    counts = [results.count(result) for result in results]
    if not 3 <= len(results) <= MAX_TESTS or 3 * max(counts) > 2 * len(results):
        return False
    return min(counts) > 1 if all(isinstance(result, bool) for result in results) else True
