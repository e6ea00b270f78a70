"""The kinds of check: what a row asks of an answer, and the verdict on it.

A row is checked by the first of these that it has:

- `tests`: assert lines against functions and classes;
- `cases` with `entry_point`: arguments and expected values of a function;
- `stdout`, with or without `stdin`: a whole program, judged by what it prints;
- doctests in its `instruction` or `input`;
- none of them: the ladder of `evals.ladder`, which needs only the reference.
"""

from __future__ import annotations

import doctest
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from evals.comparison import assertion, in_words, preamble
from evals.errors import EvalError
from evals.literals import literal
from evals.parsing import parse_python

if TYPE_CHECKING:
    from evals.sandbox import Completed, Job, Verdict

Kind = Literal["asserts", "cases", "program", "doctest", "ladder"]
_ENTRY_POINT = re.compile(r"[A-Za-z_]\w*(?:\(\))?(?:\.[A-Za-z_]\w*(?:\(\))?)*")
_CASE_KEYS = {"args", "kwargs", "expected"}
_MAX_SHOWN = 60


@dataclass(frozen=True)
class AssertTests:
    """Assert lines that run after the program.

    Attributes:
        tests: The lines.
    """

    kind: ClassVar[Kind] = "asserts"
    tests: str


@dataclass(frozen=True)
class Case:
    """One call and what it must give.

    Attributes:
        args: The positional arguments.
        kwargs: The named ones.
        expected: The value to give.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    expected: Any


@dataclass(frozen=True)
class Cases:
    """Input/output pairs of a function.

    Numbers compare as Python's `==` does, so that 2 meets 2.0; True meets only True, and 1 does not. Lists, texts
    and the rest must be of the expected type, except that a tuple meets an expected list: JSON has no tuples.

    Attributes:
        entry_point: The function: `name`, `Class.name` or `Class().name`.
        cases: The pairs.
        tolerance: How far numbers may be apart; 0 for not at all.
    """

    kind: ClassVar[Kind] = "cases"
    entry_point: str
    cases: tuple[Case, ...]
    tolerance: float = 0.0

    @property
    def tests(self) -> str:
        """The pairs as assert lines, with the comparison they need in front."""
        source, entry_point = preamble(self.entry_point)
        lines = [source]
        for case in self.cases:
            arguments = [*map(literal, case.args), *(f"{name}={literal(value)}" for name, value in case.kwargs.items())]
            call = f"{entry_point}({', '.join(arguments)})"
            lines.append(assertion(call, literal(case.expected), self.tolerance))
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Program:
    """A whole program, judged by the bytes it prints.

    Trailing white space of each line and blank lines at the end are forgiven. An uncaught exception or an exit
    code other than 0 fails, whatever was printed; the exit code alone never passes.

    Attributes:
        pairs: What it reads and what it must print.
    """

    kind: ClassVar[Kind] = "program"
    pairs: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Doctests:
    """Examples with `>>>` in the instruction.

    Attributes:
        tests: The examples, as doctest reads them.
        examples: How many of them show a result.
    """

    kind: ClassVar[Kind] = "doctest"
    tests: str
    examples: int


@dataclass(frozen=True)
class NoTests:
    """Nothing to check against but the reference: the row climbs the ladder."""

    kind: ClassVar[Kind] = "ladder"


Check = AssertTests | Cases | Program | Doctests | NoTests


class SandboxLike(Protocol):
    """What is used of `evals.sandbox.Sandbox`."""

    def check_many(
        self, jobs: Sequence[Job | tuple[str, str]], progress: Callable[[int, int], None] | None = None
    ) -> list[Verdict]:
        """Run programs with their tests."""

    def run_many(
        self, programs: Sequence[tuple[str, bytes]], progress: Callable[[int, int], None] | None = None
    ) -> list[Completed]:
        """Run whole programs."""


def check_of(row: Mapping[str, Any], where: str = "") -> Check:
    """Read what a row asks of an answer.

    Args:
        row: A row with any of the keys `tests`, `cases`, `entry_point`, `tolerance`, `stdin`, `stdout`,
            `instruction` and `input`. Keys that are missing, None or empty count as absent.
        where: Names the row in errors, such as `rows.jsonl:7`; its `row_id` if empty.

    Returns:
        The check.

    Raises:
        EvalError: If a key holds what it may not hold, or the row asks for two kinds at once.

    Examples:
        >>> check_of({"row_id": 1, "entry_point": "add", "cases": [{"args": [1, 2], "expected": 3}]}).kind
        'cases'
    """
    where = where or f"row {row.get('row_id', '?')!r}"
    asked = [key for key in ("tests", "cases", "stdout") if not _absent(row.get(key))]
    if len(asked) > 1:
        raise EvalError(f"{where}: it has {' and '.join(map(repr, asked))}; a row has one kind of check, keep one.")
    for key, needs in (("entry_point", "cases"), ("tolerance", "cases"), ("stdin", "stdout")):
        # `entry_point` beside `tests` is common in files of others, and harmless.
        if not _absent(row.get(key)) and needs not in asked and not (key == "entry_point" and asked in ([], ["tests"])):
            raise EvalError(f"{where}: {key!r} needs {needs!r}; add {needs!r} or take {key!r} away.")
    if asked == ["tests"]:
        return _assert_tests(row["tests"], where)
    if asked == ["cases"]:
        return _cases(row, where)
    if asked == ["stdout"]:
        return _program(row, where)
    return (
        doctests_in(*(text for key in ("instruction", "input") if isinstance(text := row.get(key), str))) or NoTests()
    )


def doctests_in(*texts: str) -> Doctests | None:
    """Find the examples with `>>>` in texts, as the standard library's parser reads them.

    The closing quotes of a docstring and the fences of a block end an example's result.

    Args:
        *texts: An instruction, an input.

    Returns:
        The examples; None if none shows a result, or the texts are no well-formed doctests.

    Examples:
        >>> doctests_in("Add.\\n>>> add(1, 2)\\n3\\n").examples
        1
    """
    parts, shown = [], 0
    for text in texts:
        if ">>>" not in text:
            continue
        ended = re.sub(r"(?m)^[ \t]*(?:\"\"\"|'''|```|~~~).*$", "", text)
        # Inline prompts, as in "`>>> f(1)`", are no examples: the parser wants them at the start of a line.
        try:
            examples = doctest.DocTestParser().get_examples(ended)
        except ValueError:
            continue
        for example in examples:
            lines = example.source.rstrip("\n").split("\n")
            parts.append("\n".join([f">>> {lines[0]}", *(f"... {line}".rstrip() for line in lines[1:])]))
            if example.want:
                parts.append(example.want.rstrip("\n"))
                shown += 1
        parts.append("")
    return Doctests("\n".join(parts), shown) if shown else None


def judge_many(
    items: Sequence[tuple[Check, str]], sandbox: SandboxLike, progress: Callable[[int, int], None] | None = None
) -> list[Verdict]:
    """Judge programs by their checks.

    Args:
        items: A check and a program each; `NoTests` is not among them.
        sandbox: A `Sandbox`.
        progress: Called with the number of runs done and the number in all.

    Returns:
        A verdict for each item, in order. A program with several pairs of input and output gets the verdict of the
        first that fails, the sum of the times and the most memory.

    Raises:
        EvalError: If an item has no tests, or the sandbox cannot run here.
    """
    from evals.sandbox import Job

    jobs: list[tuple[int, Job | tuple[str, str]]] = []
    runs: list[tuple[int, tuple[str, bytes]]] = []
    for index, (check, code) in enumerate(items):
        if isinstance(check, Program):
            runs += [(index, (code, given)) for given, _ in check.pairs]
        elif isinstance(check, Doctests):
            jobs.append((index, Job(code, check.tests, kind="doctest")))
        elif isinstance(check, AssertTests | Cases):
            jobs.append((index, (code, check.tests)))
        else:
            raise EvalError(f"Item {index} has no tests; such rows climb the ladder: use `evals.ladder.climb`.")
    total = len(jobs) + len(runs)
    verdicts: dict[int, Verdict] = {}
    if jobs:
        answers = sandbox.check_many([job for _, job in jobs], _part(progress, 0, total))
        for (index, _), answer in zip(jobs, answers, strict=True):
            is_case = isinstance(items[index][0], Cases)
            verdicts[index] = replace(answer, detail=in_words(answer.detail)) if is_case else answer
    if runs:
        completed: dict[int, list[Completed]] = {}
        answers_of_runs = sandbox.run_many([run for _, run in runs], _part(progress, len(jobs), total))
        for (index, _), one in zip(runs, answers_of_runs, strict=True):
            completed.setdefault(index, []).append(one)
        for index, several in completed.items():
            check = items[index][0]
            assert isinstance(check, Program)
            verdicts[index] = verdict_on_output(check, several)
    return [verdicts[index] for index in range(len(items))]


def verdict_on_output(check: Program, completed: Sequence[Completed]) -> Verdict:
    """Judge a whole program by what came of its runs.

    Args:
        check: What it reads and must print.
        completed: One run for each pair, in order.

    Returns:
        The verdict.
    """
    from evals.sandbox import Verdict

    status, detail = "passed", ""
    for number, ((given, expected), one) in enumerate(zip(check.pairs, completed, strict=True), start=1):
        status, detail = _judged_run(given, expected, one)
        if status != "passed":
            detail = f"pair {number} of {len(check.pairs)}: {detail}" if len(check.pairs) > 1 else detail
            break
    verdict = Verdict(status, detail[:500])  # type: ignore[arg-type]
    return replace(
        verdict,
        cpu_seconds=sum(one.cpu_seconds for one in completed),
        wall_seconds=sum(one.wall_seconds for one in completed),
        memory_bytes=max((one.memory_bytes for one in completed), default=0),
        output_truncated=any(one.output_truncated for one in completed),
        tier=completed[0].tier if completed else "",
    )


def _judged_run(given: bytes, expected: bytes, one: Completed) -> tuple[str, str]:
    if one.status != "exited":
        last = one.stderr.decode("utf-8", "replace").strip().splitlines()
        return one.status, one.detail or (last[-1] if last else "")
    if one.exit_code != 0:
        return "exception", f"it ended with exit code {one.exit_code}"
    actual, wanted = _forgiven(one.stdout), _forgiven(expected)
    if actual == wanted:
        return "passed", ""
    if one.output_truncated:
        return "output_limit", "it printed more than is kept"
    for number, line in enumerate(wanted):
        if number >= len(actual):
            return "wrong_answer", f"line {number + 1} is missing: {_shown(line)}"
        if actual[number] != line:
            return "wrong_answer", f"line {number + 1} is {_shown(actual[number])}, not {_shown(line)}"
    return "wrong_answer", f"line {len(wanted) + 1} is too many: {_shown(actual[len(wanted)])}"


def _forgiven(output: bytes) -> list[bytes]:
    lines = [line.rstrip() for line in output.split(b"\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _shown(line: bytes) -> str:
    text = repr(line.decode("utf-8", "replace"))
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def _part(progress: Callable[[int, int], None] | None, before: int, total: int) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, _: progress(before + done, total)


def _absent(value: Any) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not value)


def _assert_tests(tests: Any, where: str) -> Check:
    if not isinstance(tests, str):
        raise EvalError(f"{where}: 'tests' holds {_type(tests)}; it must hold a string of assert lines.")
    if not tests.strip():
        return NoTests()
    tree, reason = parse_python(tests)
    if tree is None:
        raise EvalError(f"{where}: 'tests' is not Python ({reason}); correct it.")
    return AssertTests(tests)


def _cases(row: Mapping[str, Any], where: str) -> Cases:
    entry_point, tolerance = row.get("entry_point"), row.get("tolerance")
    if not isinstance(entry_point, str) or not _ENTRY_POINT.fullmatch(entry_point):
        raise EvalError(
            f"{where}: 'entry_point' is {entry_point!r}; beside 'cases' it must name the function to call, such as "
            "'add', 'Stack.size' or 'Solution().add'."
        )
    if tolerance is None:
        tolerance = 0.0
    if type(tolerance) not in (int, float) or not 0 <= tolerance < 1:
        raise EvalError(f"{where}: 'tolerance' is {tolerance!r}; it must be a number from 0 to below 1.")
    cases = row["cases"]
    if not isinstance(cases, list | tuple):
        raise EvalError(f"{where}: 'cases' holds {_type(cases)}; it must hold a list of objects.")
    return Cases(entry_point, tuple(_case(case, f"{where}: 'cases'[{at}]") for at, case in enumerate(cases)), tolerance)


def _case(case: Any, where: str) -> Case:
    if not isinstance(case, Mapping):
        raise EvalError(f"{where} holds {_type(case)}; write an object with 'args' and 'expected'.")
    unknown = sorted(set(case) - _CASE_KEYS, key=str)
    if unknown:
        raise EvalError(f"{where} has the unknown key {unknown[0]!r}; the keys are 'args', 'kwargs' and 'expected'.")
    if "expected" not in case:
        raise EvalError(f"{where} has no 'expected'; add the value that the call must give.")
    args, kwargs = case.get("args", []), case.get("kwargs", {})
    if not isinstance(args, list | tuple):
        raise EvalError(f"{where}: 'args' holds {_type(args)}; it must hold a list, one item an argument.")
    if not isinstance(kwargs, Mapping) or not all(isinstance(name, str) and name.isidentifier() for name in kwargs):
        raise EvalError(f"{where}: 'kwargs' must hold an object whose keys are names of parameters.")
    for key, value in (("args", list(args)), ("kwargs", dict(kwargs)), ("expected", case["expected"])):
        try:
            literal(value)
        except TypeError as error:
            raise EvalError(f"{where}: {key!r} cannot be written as a literal ({error}); use 'tests'.") from error
    return Case(tuple(args), dict(kwargs), case["expected"])


def _program(row: Mapping[str, Any], where: str) -> Program:
    given, expected = row.get("stdin"), row["stdout"]
    if isinstance(expected, str):
        expected, given = [expected], [given if given is not None else ""]
    elif given is None and isinstance(expected, list | tuple):
        given = [""] * len(expected)
    for key, value in (("stdout", expected), ("stdin", given)):
        if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
            raise EvalError(f"{where}: {key!r} must hold a string, or a list of strings where 'stdout' holds one.")
    assert given is not None
    if len(given) != len(expected):
        raise EvalError(f"{where}: 'stdin' holds {len(given)} texts and 'stdout' {len(expected)}; give one for each.")
    encoded = []
    for pair in zip(given, expected, strict=True):
        try:
            encoded.append((pair[0].encode(), pair[1].encode()))
        except UnicodeEncodeError as error:
            raise EvalError(f"{where}: 'stdin' or 'stdout' holds a lone surrogate, which is no text.") from error
    if not any(_forgiven(wanted) for _, wanted in encoded):
        raise EvalError(f"{where}: 'stdout' is blank throughout, which a program that does nothing meets; give output.")
    return Program(tuple(encoded))


def _type(value: Any) -> str:
    return "null" if value is None else f"a {type(value).__name__}"
