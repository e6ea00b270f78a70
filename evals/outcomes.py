"""What came of the answers to a suite's rows: judged by their tests, or let climb the ladder where there are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals.answers import Answer, program_of
from evals.checks import Check, NoTests, SandboxLike, judge_many
from evals.extract import Extraction
from evals.figures import UNJUDGED
from evals.ladder import CLIMBED, climb
from evals.languages import detect_language
from evals.suite import SuiteRow

Progress = Callable[[int, int], None]
NO_CODE = "no_code_found"
_DIGITS = 6
_NOT_RUN: dict[str, Any] = {
    **dict.fromkeys(("cpu_seconds", "wall_seconds"), 0.0), "memory_bytes": 0, "tier": "", "relied_on_program": False,
    "language": None,
}  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """One answer and what came of it.

    Attributes:
        answer: What the model wrote.
        extraction: The program found in it, and how.
        status: A verdict's status, or a ladder's where the row has no tests; `no_code_found` where an answer with
            tests to pass holds no program.
        detail: The failing assertion, or what kept the answer from the next rung.
        passed: Whether it passed its tests, or came as far on the ladder as its row can show; None where that was not
            judged.
        rung: The rung of the ladder; None for rows with tests, and where the answer was not run.
        highest: The highest rung that its row offers; None for rows with tests, and where that is not known.
        figures: `cpu_seconds`, `wall_seconds`, `memory_bytes`, `relied_on_program`, `tier`, `language`.
    """

    answer: Answer
    extraction: Extraction
    status: str
    detail: str
    passed: bool | None
    rung: int | None
    highest: int | None
    figures: dict[str, Any]

    @property
    def code(self) -> str:
        """The program."""
        return self.extraction.code


@dataclass(frozen=True)
class RowOutcome:
    """A row and what came of its answers.

    Attributes:
        row: The row.
        tested: Whether it has tests; without any, it climbs the ladder.
        sides: The judged answers by side, in the order of their samples.
    """

    row: SuiteRow
    tested: bool
    sides: dict[str, list[Judged]]

    @property
    def shown(self) -> Judged:
        """The answer that decides what is shown for the row: the tuned model's first, or the only side's."""
        return self.sides["tuned" if "tuned" in self.sides else next(iter(self.sides))][0]

    @property
    def language(self) -> str | None:
        """What the row asks for: Python where it has tests, else the language of its reference; None without one."""
        if self.tested:
            return "python"
        reference = self.row.values["output"]
        return detect_language(reference).name if reference.strip() else None

    @property
    def highest(self) -> int | None:
        """The highest rung that the row offers, whatever the answers are; None where it does not climb."""
        known = (answers[0].highest for answers in self.sides.values())
        return next((highest for highest in known if highest is not None), None)

    @property
    def judged(self) -> bool:
        """Whether the sandbox could say something of every answer."""
        return all(one.status not in UNJUDGED for answers in self.sides.values() for one in answers)


@dataclass(frozen=True)
class _Asked:
    """A program that is to be judged."""

    row: SuiteRow
    side: str
    answer: Answer
    found: Extraction

    @property
    def name(self) -> tuple[str, str, int]:
        """What tells it apart."""
        return str(self.row.row_id), self.side, self.answer.sample


def judge_answers(
    rows: Sequence[SuiteRow],
    checks: Mapping[str, Check],
    answers: Mapping[str, Mapping[str, Sequence[Answer]]],
    mode: str,
    sandbox: SandboxLike,
    progress: Progress | None = None,
) -> list[RowOutcome]:
    """Judge the answers to rows.

    Args:
        rows: The rows.
        checks: What each row asks of an answer, by the text of its id.
        answers: The answers by side, and by the text of the row's id; each row has one at least on every side.
        mode: How the program is found in an answer, as `evals.answers.program_of` takes it.
        sandbox: Where programs run.
        progress: Called with the number of programs done and the number in all.

    Returns:
        What came of each row, in order.

    Raises:
        EvalError: If the sandbox cannot run here.
    """
    judged: dict[tuple[str, str, int], Judged] = {}
    tested: list[_Asked] = []
    climbing: list[_Asked] = []
    for row in rows:
        has_tests = not isinstance(checks[str(row.row_id)], NoTests)
        for side in answers:
            for answer in answers[side][str(row.row_id)]:
                found = program_of(answer.completion, row.values, mode)
                asked = _Asked(row, side, answer, found)
                if found.found or not has_tests:
                    (tested if has_tests else climbing).append(asked)
                else:
                    judged[asked.name] = Judged(answer, found, NO_CODE, found.reason, False, None, None, _NOT_RUN)
    if tested:
        items = [(checks[str(asked.row.row_id)], asked.found.code) for asked in tested]
        for asked, verdict in zip(tested, judge_many(items, sandbox, progress), strict=True):
            passed = None if verdict.status in UNJUDGED else verdict.passed
            figures = _figures(verdict) | {"relied_on_program": verdict.relied_on_program, "language": "python"}
            judged[asked.name] = Judged(
                asked.answer, asked.found, verdict.status, verdict.detail, passed, None, None, figures
            )
    if climbing:
        programs = [{**asked.row.values, "code": asked.found.code} for asked in climbing]
        for asked, ladder in zip(climbing, climb(programs, sandbox, progress), strict=True):
            reached = ladder.rung is not None and ladder.highest is not None and ladder.rung >= ladder.highest
            passed = reached if ladder.status == CLIMBED else None
            figures = _figures(ladder) | {"relied_on_program": False, "language": ladder.language}
            judged[asked.name] = Judged(
                asked.answer, asked.found, ladder.status, ladder.reason, passed, ladder.rung, ladder.highest, figures
            )
    outcomes = []
    for row in rows:
        name = str(row.row_id)
        sides = {side: [judged[name, side, answer.sample] for answer in answers[side][name]] for side in answers}
        outcomes.append(RowOutcome(row, not isinstance(checks[name], NoTests), sides))
    return outcomes


def _figures(result: Any) -> dict[str, Any]:
    return {
        "cpu_seconds": round(result.cpu_seconds, _DIGITS),
        "wall_seconds": round(result.wall_seconds, _DIGITS),
        "memory_bytes": result.memory_bytes,
        "tier": result.tier,
    }
