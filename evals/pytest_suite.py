"""What pytest collects from a suite: items for rows and gates. Loaded with the first suite only.

Programs run in blocks of rows, in the process that asks first; a lock on the store keeps the others waiting until
they can read the verdicts. So each program runs once, on all cores, however many processes xdist has started, and
`-x` does not wait for rows that are far away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from _pytest._code.code import ExceptionInfo

from evals.errors import EvalError
from evals.evaluation import Evaluation
from evals.figures import UNJUDGED
from evals.gates import Gate, evaluate_gate
from evals.outcomes import RowOutcome
from evals.plugin import FINDINGS
from evals.report import write_report
from evals.suite import Suite, SuiteRow
from evals.summary import samples_of, summary_of

ROWS_A_WORKER = 8


class GateFailed(Exception):
    """A gate does not hold."""


class RowFailed(Exception):
    """A row failed, where that counts as a test's failure, or could not be judged."""


class SuiteFile(pytest.File):
    """A suite: its rows, then its gates."""

    evaluation: Evaluation
    pending: list[SuiteRow]
    _places: dict[str, int] | None = None
    _summary: dict[str, Any] | None = None

    def collect(self) -> Iterator[pytest.Item]:
        """Read suite, rows and answers, and make the items."""
        findings = self.config.stash.setdefault(FINDINGS, Findings(self.config))
        try:
            self.evaluation = open_evaluation(self.path, self.config)
            findings.files.append(self)
        except EvalError as error:
            raise self.CollectError(str(error)) from None
        self.pending = self.evaluation.scorable()
        if not self.evaluation.rows:
            yield RowsMissing.from_parent(self, name="rows")
        for row in self.evaluation.rows:
            yield RowItem.from_parent(self, name=_item_name(str(row.row_id)), row=row)
        for gate, place in self.evaluation.suite.gates:
            yield GateItem.from_parent(self, name=_item_name(f"gate {gate.text}"), gate=gate, place=place)

    def outcome(self, row: SuiteRow) -> RowOutcome:
        """Judge a row together with those that come with it."""
        size = ROWS_A_WORKER * (self.evaluation.workers or 1)
        if self._places is None:
            self._places = {str(other.row_id): index for index, other in enumerate(self.pending)}
        place = self._places.get(str(row.row_id))
        block = [row]
        if place is not None:
            start = place - place % size
            block = self.pending[start : start + size]
        self.evaluation.judge(block)
        return self.evaluation.judge([row])[0]

    def summary(self) -> dict[str, Any]:
        """Judge all rows, those that were not selected among them: a gate means the same with any selection."""
        if self._summary is None:
            self._summary = summary_of(self.evaluation)
        return self._summary


def open_evaluation(path: Path, config: pytest.Config) -> Evaluation:
    """Read a suite with the options of the command line."""
    run = config.getoption("evals_run")
    # From the folder that pytest was started in, also in xdist's processes.
    folder = None if run is None else Path(config.invocation_params.dir) / run
    if folder is not None and not folder.is_dir():
        raise EvalError(f"--evals-run {run}: there is no such run folder; make it with: finetune-kit train")
    tier, workers = config.getoption("evals_tier"), config.getoption("evals_workers")
    return Evaluation(Suite.load(path), folder, tier, workers)


class _Item(pytest.Item):
    """An item of a suite."""

    evals_told: dict[str, Any] | None = None

    def repr_failure(self, excinfo: ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show our own errors as sentences, without a traceback."""
        if isinstance(excinfo.value, EvalError | GateFailed | RowFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    @property
    def file(self) -> SuiteFile:
        """The suite's collector."""
        assert isinstance(self.parent, SuiteFile)
        return self.parent

    @property
    def heading(self) -> str:
        """The item's name with its suite's; pytest would put `::` in the place of dots in the name alone."""
        return f"{self.path.name}: {self.name}"

    def tell(self, kind: str, **more: Any) -> None:
        """Let the report carry plain values to the process that prints."""
        self.evals_told = {
            "kind": kind,
            "suite": str(self.path),
            "name": self.file.evaluation.suite.name,
            "strict": self.config.getoption("evals_strict"),
            **more,
        }

    def property(self, name: str, value: object) -> None:
        """Add a property, which JUnit shows."""
        self.user_properties.append((f"evals.{name}", str(value)))


class RowsMissing(_Item):
    """Stands for the rows of a run that is not there."""

    def runtest(self) -> None:
        """Skip, with the command that makes them."""
        pytest.skip(self.file.evaluation.why_missing() or "the suite has no rows")

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it is shown to be."""
        return self.path, None, self.heading


class RowItem(_Item):
    """One row: whether the model got it right."""

    def __init__(self, *, row: SuiteRow, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.row = row
        if row.group:
            self.extra_keyword_matches.add(row.group)

    def runtest(self) -> None:
        """Judge the row; fail only where the user asked for it, or the sandbox could not tell."""
        missing = self.file.evaluation.why_missing(self.row)
        if missing is not None:
            pytest.skip(missing)
        outcome = self.file.outcome(self.row)
        shown = outcome.shown
        for side, answers in outcome.sides.items():
            first = answers[0]
            self.property(side, first.status if first.rung is None else f"{first.status} rung {first.rung}")
            if first.detail:
                self.property(f"{side}.detail", first.detail)
            self.property(f"{side}.prediction_key", first.answer.key)
        if not outcome.judged:
            bad = next(one for answers in outcome.sides.values() for one in answers if one.status in UNJUDGED)
            if bad.status == "harness_error":
                raise RowFailed(
                    f"{self.row.where}: the sandbox could not judge the answer ({bad.detail or bad.status})"
                )
            pytest.skip(f"the machine was too busy to judge the answer; run it again ({bad.detail or bad.status})")
        if shown.passed is None:
            pytest.skip(f"not judged: {shown.detail or shown.status}")
        self.property("outcome", "passed" if shown.passed else "failed")
        self.tell("row", passed=shown.passed, tier=shown.figures["tier"])
        if not shown.passed and self.config.getoption("evals_strict"):
            raise RowFailed(_row_text(outcome))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it is shown to be."""
        return self.path, None, self.heading


class GateItem(_Item):
    """One gate: what must hold over all rows of the suite."""

    def __init__(self, *, gate: Gate, place: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gate = gate
        self.place = place

    def runtest(self) -> None:
        """Hold the gate against the summary of the whole suite."""
        evaluation = self.file.evaluation
        missing = evaluation.why_missing()
        if missing is not None:
            pytest.skip(missing)
        lacking = [why for row in evaluation.rows if (why := evaluation.why_missing(row)) is not None]
        if lacking:
            raise GateFailed(
                f"{self.place}: {self.gate.text} cannot be told: {len(lacking)} of {len(evaluation.rows)} rows have no "
                f"prediction, and a gate counts all of them; {lacking[0]}"
            )
        summary = self.file.summary()
        unjudged = [one.row for one in evaluation.judge(evaluation.rows) if not one.judged]
        if unjudged:
            raise GateFailed(
                f"{self.place}: {self.gate.text} cannot be told: {len(unjudged)} of {len(evaluation.rows)} rows could "
                f"not be judged, and a gate counts all of them; run it again (row {unjudged[0].row_id})"
            )
        result = evaluate_gate(self.gate, summary)
        self.property("observed", result.observed)
        self.tell(
            "gate",
            passed=result.holds,
            sentence=result.sentence,
            verdict=summary["verdict"]["sentence"],
            tier=summary["sandbox"]["protections"]["tier"],
        )
        if not result.holds:
            raise GateFailed(f"{self.place}: {result.sentence}")

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it is shown to be."""
        line = self.place.rpartition(":")[2]
        return self.path, int(line) - 1 if line.isdigit() else None, self.heading


def _item_name(text: str) -> str:
    """A name that pytest can select by: one line, no `::`, and nothing that XML forbids."""
    plain = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    return plain.replace("::", ":")


def _row_text(outcome: RowOutcome) -> str:
    lines = [f"{outcome.row.where}: row {outcome.row.row_id}"]
    for side, answers in outcome.sides.items():
        first = answers[0]
        rung = "" if first.rung is None else f", rung {first.rung}"
        count = f" ({sum(one.passed is True for one in answers)} of {len(answers)} answers passed)"
        detail = f": {first.detail}" if first.detail else ""
        lines.append(f"{side}: {first.status}{rung}{detail}{count if len(answers) > 1 else ''}")
    return "\n".join([*lines, "", outcome.shown.code])


def after_collection(items: list[pytest.Item]) -> None:
    """Put gates last, and let each suite judge only the rows that are left, in the order in which they run."""
    items.sort(key=lambda item: isinstance(item, GateItem))
    selected: dict[SuiteFile, list[SuiteRow]] = {}
    for item in items:
        if isinstance(item, RowItem):
            selected.setdefault(item.file, []).append(item.row)
    for file, rows in selected.items():
        file.pending = [row for row in rows if file.evaluation.why_missing(row) is None]


class Findings:
    """What one session found out about suites, in the process that prints.

    Attributes:
        files: The suites that this process collected.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.files: list[SuiteFile] = []
        self._rows: dict[str, Counter[str]] = {}
        self._gates: dict[str, list[Mapping[str, Any]]] = {}
        self._tiers: dict[str, set[str]] = {}
        self._names: dict[str, str] = {}
        self._reported: list[str] = []

    def add(self, told: Mapping[str, Any]) -> None:
        """Take in what the report of an item tells."""
        suite = told["suite"]
        self._names[suite] = told["name"]
        self._tiers.setdefault(suite, set()).update({told["tier"]} - {""})
        if told["kind"] == "row":
            self._rows.setdefault(suite, Counter())["passed" if told["passed"] else "failed"] += 1
        else:
            self._gates.setdefault(suite, []).append(told)

    def header(self) -> list[str]:
        """The line after collection."""
        lines = []
        for file in self.files:
            scorable = file.evaluation.scorable()
            if scorable:
                try:
                    tier = file.evaluation.sandbox.tier
                except EvalError as error:
                    tier = f"none ({error})"
                lines.append(f"evals: {file.evaluation.suite.name}: {len(scorable)} rows, sandbox tier {tier}")
        return lines

    def print_to(self, terminal: pytest.TerminalReporter) -> None:
        """Print the closing section."""
        if not self._names and not self._reported:
            return
        terminal.section("evals")
        for suite, name in self._names.items():
            rows, gates = self._rows.get(suite, Counter()), self._gates.get(suite, [])
            tier = ", ".join(sorted(self._tiers[suite])) or "none"
            terminal.write_line(
                f"{name}: {rows['passed']} rows passed, {rows['failed']} failed (sandbox tier {tier})"
                if rows
                else f"{name} (sandbox tier {tier})"
            )
            for sentence in dict.fromkeys(gate["verdict"] for gate in gates):
                terminal.write_line(f"  {sentence}")
            for gate in gates:
                terminal.write_line(f"  gate {gate['sentence']}", green=gate["passed"], red=not gate["passed"])
        for line in self._reported:
            terminal.write_line(line)

    def finish(self, session: pytest.Session) -> None:
        """Write the reports and end the workers."""
        folder = self._config.getoption("evals_report")
        is_worker = hasattr(self._config, "workerinput")
        if folder is not None and not is_worker:
            for suite in self._names:
                self._report(Path(suite), Path(self._config.invocation_params.dir) / folder, session)
        for file in self.files:
            file.evaluation.close()

    def _report(self, suite: Path, folder: Path, session: pytest.Session) -> None:
        known = next((file for file in self.files if file.path == suite), None)
        try:
            evaluation = open_evaluation(suite, self._config) if known is None else known.evaluation
            try:
                summary = summary_of(evaluation) if known is None else known.summary()
                paths = write_report(folder / evaluation.suite.name, summary, samples_of(evaluation))
                self._reported += [f"wrote {path}" for path in paths]
            finally:
                evaluation.close()
        except EvalError as error:
            self._reported.append(f"no report of {suite}: {error}")
            session.exitstatus = session.exitstatus or pytest.ExitCode.INTERNAL_ERROR
