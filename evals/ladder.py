"""How far an answer comes where its row has no tests: the ladder.

| rung | reached by an answer that |
|---|---|
| 0 | does not parse |
| 1 | parses |
| 2 | compiles |
| 3 | runs without an error, with nothing on its stdin |
| 4 | behaves like the reference on inputs made for it |

Rung 4 is there where the reference defines a function that can be called, answers on enough inputs, the same in two
runs with different hash seeds, and not the same to all of them. What the reference gives is learnt in the sandbox
first; an answer is then held against it by assert lines, or, for a function that prints or changes its arguments
and gives None, by what it prints and how it leaves them.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from evals.checks import SandboxLike
from evals.comparison import assertion, in_words, preamble
from evals.errors import EvalError
from evals.figures import UNJUDGED
from evals.inputs import MAX_INPUTS, Alternative, alternatives
from evals.languages import detect_language
from evals.literals import is_literal
from evals.parsing import parse_python

if TYPE_CHECKING:
    from evals.sandbox import Completed, Verdict

_TOLERANCE = 1e-9
_SECONDS_A_CALL = 0.1
_FEWEST = 3
_HASH_SEEDS = (0, 1)
NOT_EXECUTED = "not_executed"
CLIMBED = "climbed"


@dataclass(frozen=True)
class Ladder:
    """How far one answer came.

    Attributes:
        rung: 0 to 4; None if it was not run: another language than Python, or the sandbox could not judge it.
        reason: What kept it from the next rung, or what the highest one rests on.
        inputs: How many inputs it was compared with the reference on; 0 below rung 3.
        highest: The highest rung this row offers: 4, or 3 where there is nothing to compare, or less where the
            reference itself does not come so far. None where the reference is not Python, or the sandbox failed.
        language: What the answer is written in.
        status: `climbed`, `not_executed`, or `harness_error`.
        cpu_seconds: CPU time of its runs.
        wall_seconds: Time on the clock of its runs.
        memory_bytes: The most resident memory of its runs.
        tier: The protections it ran under; empty if it was not run.
    """

    rung: int | None
    reason: str
    inputs: int = 0
    highest: int | None = None
    language: str = "python"
    status: str = CLIMBED
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    memory_bytes: int = 0
    tier: str = ""


@dataclass(frozen=True)
class Behaviour:
    """What a reference showed in the sandbox.

    Attributes:
        highest: The highest rung its row offers; None where the sandbox could not say.
        reason: Why that is not 4; empty if it is.
        function: The function that was called.
        only: Whether it is the only function of the reference.
        calls: The inputs that tell something, each as source of a pair `((1, 2), {})`.
        expected: What the function gave on each, as literals; or, if `by_effect`, what it printed and how it left
            its arguments.
        by_effect: Whether it gives None and acts by printing or by changing its arguments.
    """

    highest: int | None
    reason: str = ""
    function: str = ""
    only: bool = False
    calls: tuple[str, ...] = ()
    expected: tuple[Any, ...] = ()
    by_effect: bool = False


@dataclass
class _Seen:
    """The lines of one run of the driver."""

    failed: str = "it told nothing"
    uncompiled: bool = False
    gave: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    formless: dict[int, str] = field(default_factory=dict)
    raised: dict[int, str] = field(default_factory=dict)


def climb(
    rows: Sequence[Mapping[str, Any]],
    sandbox: SandboxLike,
    progress: Callable[[int, int], None] | None = None,
) -> list[Ladder]:
    """Let answers climb the ladder, each held against its row's reference.

    The sandbox is called at most four times: for all references, for all answers, and for the two ways to compare.
    A reference that several rows share, and an answer that several rows have, run once.

    Args:
        rows: Rows with `output` (the reference) and `code` (the answer); `instruction` and `input`, if there, may
            show examples; `row_id` names the row in errors.
        sandbox: A `Sandbox`.
        progress: Called with the number of runs done and the number in all; the second number is a guess until
            the references have run.

    Returns:
        One ladder for each row, in order.

    Raises:
        EvalError: If a row lacks a key, or the sandbox cannot run here.
    """
    for row in rows:
        for key in ("output", "code"):
            if not isinstance(row.get(key), str):
                raise EvalError(f"row {row.get('row_id', '?')!r}: {key!r} must hold a string; add it.")
    counter = _Counter(progress, len(rows))
    results: dict[int, Ladder] = {}
    for index, row in enumerate(rows):
        early = _not_run(row)
        if early is not None:
            results[index] = early
    # What a row offers hangs on its reference alone, so it is learnt whatever the answer is written in.
    python = [index for index, row in enumerate(rows) if detect_language(str(row["output"])).is_python]
    behaviours = behaviours_of([rows[index] for index in python], sandbox, counter.part)
    behaviour_of = dict(zip(python, behaviours, strict=True))
    for index, behaviour in behaviour_of.items():
        if behaviour.highest is None:
            language = detect_language(str(rows[index]["code"])).name
            results[index] = Ladder(None, behaviour.reason, language=language, status="harness_error")
    open_rows = [index for index in python if index not in results]

    codes = list(dict.fromkeys(str(rows[index]["code"]) for index in open_rows))
    runs = dict(zip(codes, _run(sandbox, [(code, b"") for code in codes], counter), strict=True))
    by_value: dict[int, tuple[str, str]] = {}
    by_effect: dict[int, str] = {}
    for index in open_rows:
        code, behaviour = str(rows[index]["code"]), behaviour_of[index]
        result = _of_run(runs[code], behaviour)
        name = _matching_function(code, behaviour) if result.rung == 3 and behaviour.highest == 4 else None
        results[index] = result
        if name is not None and behaviour.by_effect:
            by_effect[index] = _driver(code, name, behaviour.calls, 0)
        elif name is not None:
            by_value[index] = (code, _asserts(name, behaviour))
        elif result.rung == 3 and behaviour.highest == 4:
            results[index] = replace(result, reason=f"it defines no function {behaviour.function!r}")
    jobs = list(dict.fromkeys(by_value.values()))
    verdicts = dict(zip(jobs, sandbox.check_many(jobs, counter.part(len(jobs))) if jobs else [], strict=True))
    for index, job in by_value.items():
        results[index] = _of_verdict(results[index], verdicts[job], behaviour_of[index])
    programs = list(dict.fromkeys(by_effect.values()))
    effects = dict(zip(programs, _run(sandbox, [(one, b"") for one in programs], counter), strict=True))
    for index, program in by_effect.items():
        results[index] = _of_effects(results[index], effects[program], program, behaviour_of[index])
    for index, behaviour in behaviour_of.items():
        if results[index].status != "harness_error":
            results[index] = replace(results[index], highest=behaviour.highest)
    return [results[index] for index in range(len(rows))]


def behaviours_of(
    rows: Sequence[Mapping[str, Any]],
    sandbox: SandboxLike,
    part: Callable[[int], Callable[[int, int], None] | None] = lambda _: None,
) -> list[Behaviour]:
    """Learn in the sandbox what references do: one call, each reference twice, with different hash seeds.

    Args:
        rows: Rows with `output`, and perhaps `instruction` and `input`.
        sandbox: A `Sandbox`.
        part: Given a number of runs, returns the progress callback for them.

    Returns:
        What each reference showed.
    """
    plans: dict[int, tuple[str, list[Alternative], bool]] = {}
    programs: dict[int, list[str]] = {}
    found: dict[int, Behaviour] = {}
    for index, row in enumerate(rows):
        reference = str(row["output"])
        tree, reason = parse_python(reference)
        if tree is None:
            found[index] = Behaviour(0, f"the reference does not parse: {reason}")
            continue
        function, only, why_not = _function_to_call(tree)
        texts = [text for key in ("instruction", "input") if isinstance(text := row.get(key), str)]
        made = alternatives(tree, function, texts) if function is not None else []
        if function is None or not made:
            found[index] = Behaviour(3, why_not or "no inputs can be made for the reference's type hints")
            programs[index] = [reference]
            continue
        plans[index] = (function.name, made, only)
        calls = [call for one in made for call in one.calls]
        programs[index] = [_driver(reference, function.name, calls, seed) for seed in _HASH_SEEDS]
    unique = list(dict.fromkeys(program for several in programs.values() for program in several))
    done = sandbox.run_many([(program, b"") for program in unique], part(len(unique))) if unique else []
    completed = dict(zip(unique, done, strict=True))
    for index, several in programs.items():
        lost = next((one for program in several if (one := completed[program]).status in UNJUDGED), None)
        if lost is not None:
            found[index] = Behaviour(None, f"the reference could not be run: {lost.detail or lost.status}")
            continue
        if index not in plans:
            found[index] = _of_reference_run(found[index], completed[several[0]])
            continue
        seen = [_read(completed[program], _mark(program)) for program in several]
        found[index] = _behaviour(*plans[index], seen[0], seen[1])
    return [found[index] for index in range(len(rows))]


def _not_run(row: Mapping[str, Any]) -> Ladder | None:
    """The result of a row that is not for the sandbox; None for the others."""
    reference = detect_language(str(row["output"]))
    answer = detect_language(str(row["code"]))
    if not reference.is_python:
        words = "no program" if not reference.is_other_program else f"written in {_spoken(reference.name)}"
        return Ladder(None, f"the reference is {words}", language=answer.name, status=NOT_EXECUTED)
    if answer.is_other_program and answer.name != "other" and answer.confidence >= 0.5:
        reason = f"the answer is written in {_spoken(answer.name)}"
        return Ladder(None, reason, language=answer.name, status=NOT_EXECUTED)
    tree, reason = parse_python(str(row["code"]))
    if not str(row["code"]).strip():
        return Ladder(0, "there is no code", language=answer.name)
    if tree is None:
        return Ladder(0, f"does not parse: {reason}", language=answer.name)
    return None


def _spoken(language: str) -> str:
    names = {"javascript": "JavaScript", "typescript": "TypeScript", "php": "PHP", "sql": "SQL", "html": "HTML"}
    return names.get(language, "CSS" if language == "css" else language.capitalize())


def _function_to_call(tree: ast.Module) -> tuple[ast.FunctionDef | None, bool, str]:
    """The reference's function to call, whether it is the only one, and why there is none."""
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    if not functions:
        return None, False, "the reference defines no function at its top level"
    names = {function.name for function in functions}
    helpers = {
        node.func.id
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names - {function.name}
    }
    entries = [function for function in functions if function.name not in helpers] or functions
    chosen = entries[-1]
    if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in ast.walk(chosen)):
        return None, False, "the reference's function is a generator"
    return chosen, len(functions) == 1, ""


def _matching_function(code: str, behaviour: Behaviour) -> str | None:
    tree, _ = parse_python(code)
    assert tree is not None
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assigned = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda | ast.Name | ast.Call | ast.Attribute)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    if behaviour.function in functions | assigned:
        return behaviour.function
    return functions.pop() if behaviour.only and len(functions) == 1 else None


def _mark(program: str) -> str:
    return program[program.rindex("#") + 1 :].strip()


def _driver(source: str, name: str, calls: Sequence[str], seed: int) -> str:
    """A program that calls a function on each input and tells what came of it; its last line is its mark."""
    body = _driver_source()
    told = hashlib.sha256(repr((source, name, list(calls), seed)).encode("utf-8", "replace")).hexdigest()[:16]
    call = f"observe({source!r}, {name!r}, {list(calls)!r}, {told!r}, {_SECONDS_A_CALL}, {seed}, literal)"
    inner = f"{body}\n{call}\n"
    if not seed:
        return f"{inner}# {told}\n"
    # The order of a set of strings hangs on the hash seed, which only a new interpreter can have another of.
    return (
        "import subprocess, sys\n"
        f"program = {inner!r}\n"
        "try:\n"
        "    command = [sys.executable, '-S', '-s', '-']\n"
        f"    environment = {{'PYTHONHASHSEED': '{seed}', 'PYTHONUTF8': '1'}}\n"
        "    subprocess.run(command, input=program.encode('utf-8', 'surrogatepass'), env=environment, check=True)\n"
        "except (OSError, subprocess.SubprocessError):\n"
        "    exec(program, {'__name__': '__main__'})\n"
        f"# {told}\n"
    )


@cache
def _driver_source() -> str:
    from evals import literals, reference_driver

    function = inspect.getsource(literals.literal)
    return f"from __future__ import annotations\n{inspect.getsource(reference_driver)}\n\n{function}"


def _read(completed: Completed, mark: str) -> _Seen:
    """Take the driver's lines out of what a program printed; nothing in them is taken on trust."""
    seen = _Seen()
    if completed.status not in ("exited", "exception"):
        seen.failed = completed.detail or completed.status
    for line in completed.stdout.decode("utf-8", "replace").splitlines():
        if not line.startswith(mark) or not is_literal(line[len(mark) :]):
            continue
        match ast.literal_eval(line[len(mark) :]):
            case ("failed", str(kind)):
                seen.failed = kind
            case ("uncompiled", str(reason)):
                seen.failed, seen.uncompiled = reason, True
            case ("ran",):
                seen.failed = ""
            case ("gave", int(index), str(value), str(printed), str(after)) if is_literal(value):
                seen.gave[index] = (value, printed, after)
            case ("formless", int(index), str(reason)):
                seen.formless[index] = reason
            case ("raised", int(index), str(kind)):
                seen.raised[index] = kind
    return seen


def _of_reference_run(behaviour: Behaviour, completed: Completed) -> Behaviour:
    if completed.status == "exited" and completed.exit_code == 0:
        return behaviour
    detail = completed.detail or completed.status
    return Behaviour(1 if completed.status == "syntax_error" else 2, f"the reference itself does not run: {detail}")


def _behaviour(function: str, made: Sequence[Alternative], only: bool, first: _Seen, second: _Seen) -> Behaviour:
    if first.failed and not first.gave:
        return Behaviour(1 if first.uncompiled else 2, f"the reference itself does not run: {first.failed}")
    steady = {index: told for index, told in first.gave.items() if second.gave.get(index) == told}
    start = 0
    best: list[int] = []
    for alternative in made:
        mine = range(start, start + len(alternative.calls))
        start += len(alternative.calls)
        accepted = [index for index in mine if index in steady]
        enough = len(accepted) * 2 >= len(mine) and len(accepted) >= min(_FEWEST, len(mine))
        if enough and (_tells_apart([steady[index] for index in accepted]) or not alternative.kinds):
            best = accepted
            break
    if not best:
        return Behaviour(3, _why_not_compared(first, second, steady), function, only)
    calls = [call for alternative in made for call in alternative.calls]
    told = [steady[index] for index in best[:MAX_INPUTS]]
    by_effect = all(value == "None" for value, _, _ in told)
    if by_effect and not any(printed or after for _, printed, after in told):
        return Behaviour(3, "the reference gives nothing and prints nothing", function, only)
    expected = tuple((printed, after) for _, printed, after in told) if by_effect else tuple(one[0] for one in told)
    return Behaviour(4, "", function, only, tuple(calls[index] for index in best[:MAX_INPUTS]), expected, by_effect)


def _tells_apart(told: Sequence[tuple[str, str, str]]) -> bool:
    return len(set(told)) > 1


def _why_not_compared(first: _Seen, second: _Seen, steady: Mapping[int, Any]) -> str:
    if first.formless and len(first.formless) >= len(first.gave):
        return f"what the reference gives cannot be compared: {next(iter(first.formless.values()))}"
    if len(first.gave) > 2 * len(steady):
        return "the reference gives another value each time"
    if len(steady) >= _FEWEST and not _tells_apart(list(steady.values())):
        return "the reference gives the same for every input"
    kinds = sorted(set(first.raised.values()))
    return f"the reference takes too few of the inputs ({', '.join(kinds[:3]) or second.failed or 'no answer'})"


def _asserts(name: str, behaviour: Behaviour) -> str:
    source, name = preamble(name)
    lines = [source]
    for call, expected in zip(behaviour.calls, behaviour.expected, strict=True):
        lines.append(assertion(_as_call(name, call), expected, _TOLERANCE, tuples_too=False))
    return "\n".join(lines) + "\n"


def _as_call(name: str, call: str) -> str:
    pair = ast.parse(call, mode="eval").body
    assert isinstance(pair, ast.Tuple) and isinstance(pair.elts[0], ast.Tuple) and isinstance(pair.elts[1], ast.Dict)
    parts = [ast.unparse(one) for one in pair.elts[0].elts]
    for key, value in zip(pair.elts[1].keys, pair.elts[1].values, strict=True):
        assert isinstance(key, ast.Constant)
        parts.append(f"{key.value!s}={ast.unparse(value)}")
    return f"{name}({', '.join(parts)})"


def _of_run(completed: Completed, behaviour: Behaviour) -> Ladder:
    result = Ladder(
        3,
        behaviour.reason,
        highest=behaviour.highest,
        cpu_seconds=completed.cpu_seconds,
        wall_seconds=completed.wall_seconds,
        memory_bytes=completed.memory_bytes,
        tier=completed.tier,
    )
    if completed.status in UNJUDGED:
        return replace(result, rung=None, reason=completed.detail, status="harness_error")
    if completed.status == "syntax_error":
        return replace(result, rung=1, reason=f"does not compile: {completed.detail}")
    if completed.status != "exited":
        return replace(result, rung=2, reason=completed.detail or completed.status.replace("_", " "))
    if completed.exit_code != 0:
        return replace(result, rung=2, reason=f"ended with exit code {completed.exit_code}")
    return result


def _of_verdict(result: Ladder, verdict: Verdict, behaviour: Behaviour) -> Ladder:
    result = replace(
        result,
        inputs=len(behaviour.calls),
        cpu_seconds=result.cpu_seconds + verdict.cpu_seconds,
        wall_seconds=result.wall_seconds + verdict.wall_seconds,
        memory_bytes=max(result.memory_bytes, verdict.memory_bytes),
    )
    if verdict.status in UNJUDGED:
        return replace(result, rung=None, highest=None, inputs=0, reason=verdict.detail, status="harness_error")
    if verdict.passed:
        return replace(result, rung=4, reason=_agrees(behaviour))
    return replace(
        result, reason=f"unlike the reference: {in_words(verdict.detail) or verdict.status.replace('_', ' ')}"
    )


def _of_effects(result: Ladder, completed: Completed, program: str, behaviour: Behaviour) -> Ladder:
    result = replace(
        result,
        inputs=len(behaviour.calls),
        cpu_seconds=result.cpu_seconds + completed.cpu_seconds,
        wall_seconds=result.wall_seconds + completed.wall_seconds,
        memory_bytes=max(result.memory_bytes, completed.memory_bytes),
    )
    if completed.status in UNJUDGED:
        return replace(result, rung=None, highest=None, inputs=0, reason=completed.detail, status="harness_error")
    seen = _read(completed, _mark(program))
    for index, (call, (printed, after)) in enumerate(zip(behaviour.calls, behaviour.expected, strict=True)):
        told = seen.gave.get(index)
        if told is None:
            how = seen.raised.get(index) or seen.formless.get(index) or seen.failed or completed.detail or "no answer"
            return replace(result, reason=f"unlike the reference: {_as_call('', call)} ends in {how}"[:500])
        if _lines(told[1]) != _lines(printed) or told[2] != after:
            what = "prints something else" if told[2] == after else "leaves its arguments otherwise"
            return replace(result, reason=f"unlike the reference: on {_as_call('', call)} it {what}"[:500])
    return replace(result, rung=4, reason=_agrees(behaviour))


def _agrees(behaviour: Behaviour) -> str:
    count = len(behaviour.calls)
    return f"behaves like the reference on {count} input{'s' if count != 1 else ''}"


def _lines(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


class _Counter:
    """Adds up the progress of several calls of the sandbox."""

    def __init__(self, progress: Callable[[int, int], None] | None, total: int) -> None:
        self._progress = progress
        self._done = 0
        self._total = total

    def part(self, count: int) -> Callable[[int, int], None] | None:
        """Return the callback for the next so many runs."""
        progress = self._progress
        if progress is None:
            return None
        before = self._done
        self._done += count
        self._total = max(self._total, self._done)
        return lambda done, _: progress(before + done, self._total)


def _run(sandbox: SandboxLike, programs: list[tuple[str, bytes]], counter: _Counter) -> list[Completed]:
    return sandbox.run_many(programs, counter.part(len(programs))) if programs else []
