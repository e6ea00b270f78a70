"""A suite with a model's answers: joined row by row, and judged when asked for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from evals.answers import Answer, answers_to, read_lines
from evals.checks import Check, check_of
from evals.errors import EvalError
from evals.outcomes import Progress, RowOutcome, judge_answers
from evals.rows import SourceRow, json_lines
from evals.store import StoredSandbox, VerdictStore
from evals.suite import SHIPPED, SIDES, Suite, SuiteRow, suite_rows

SHOWN_PROBLEMS = 20


class Evaluation:
    """A suite with a model's answers.

    Attributes:
        suite: The suite.
        rows: Its rows; empty where they come from a run that is not there.
        sides: The sides that there are answers of, or should be.
        run: The run folder; None if the answers are in files.
        workers: How many programs run at a time; None for one a CPU of the cluster.
        cluster: Address of the Ray cluster that runs them; None for this machine.
        tier: The tier of the sandbox to demand; None for the best there is.
    """

    def __init__(
        self,
        suite: Suite,
        run: str | Path | None = None,
        tier: str | None = None,
        workers: int | None = None,
        cluster: str | None = None,
    ) -> None:
        """Read rows and answers; nothing runs yet.

        Args:
            suite: The suite.
            run: A run folder in the place of the suite's own.
            tier: The tier of the sandbox in the place of the suite's own.
            workers: How many programs run at a time; one a core if None.
            cluster: As `score_run` takes it.

        Raises:
            EvalError: If rows or answers cannot be read; all rows with a problem are named.
        """
        self.suite = suite
        self.run = suite.run_folder(run)
        self.tier = tier or suite.tier
        self.workers = workers or (len(os.sched_getaffinity(0)) if cluster is None else None)
        self.cluster = cluster
        self.paths = self._prediction_paths()
        self.sides = tuple(self.paths)
        lines = {side: read_lines(path) if path.is_file() else [] for side, path in self.paths.items()}
        rows = self._rows_of_run(lines) if suite.rows.source == "run" else suite.read_rows()
        self._answers: dict[str, dict[str, list[Answer]]] = {}
        self._stale: dict[str, set[str]] = {}
        for side, found in lines.items():
            self._answers[side], self._stale[side] = answers_to(rows, found)
        if suite.rows.select == "predicted":
            answered = {name for answers in self._answers.values() for name in answers}
            rows = [row for row in rows if str(row.row_id) in answered]
        self.rows = rows
        self._checks = self._read_checks()
        self._outcomes: dict[str, RowOutcome] = {}
        self._sandbox: StoredSandbox | None = None

    def _prediction_paths(self) -> dict[str, Path]:
        """The files of predictions by side; base and tuned of a run are due whether they are there or not."""
        given = self.suite.predictions
        if self.run is None:
            return {side: self.suite.folder / name for side in SIDES if (name := getattr(given, side))}
        folder, own = self.run / "predictions", f"{self.suite.name}."
        takes_the_runs_rows = self.suite.rows.source == "run" or self.suite.rows.select == "predicted"
        if takes_the_runs_rows and not any((folder / f"{own}{side}.jsonl").is_file() for side in SIDES):
            own = ""
        due = {side: folder / f"{own}{side}.jsonl" for side in SIDES}
        return {side: path for side, path in due.items() if side != "prompted" or path.is_file()}

    def _rows_of_run(self, lines: Mapping[str, Sequence[SourceRow]]) -> list[SuiteRow]:
        """The run's test rows; a prediction's own columns count where it carries them."""
        if self.run is None:
            raise EvalError(
                f"{self.suite.path}:1: the rows come from a run, but the predictions from files; name the rows' file "
                "with `rows: {source: FILE}`, or a run with `predictions: {run: FOLDER}`."
            )
        carried: dict[str, SourceRow] = {}
        for found in lines.values():
            for line in found:
                columns = {
                    key: value
                    for key, value in line.values.items()
                    if key not in ("completion", "settings_hash", "finish_reason", "sample")
                }
                carried.setdefault(str(line.values["row_id"]), SourceRow(columns, line.where))
        kept = self.run / "rows" / "test.jsonl"
        rows: dict[str, SourceRow] = {}
        if kept.is_file():
            for row in json_lines(kept):
                name = str(row.values.get("row_id"))
                more = carried[name].values if name in carried else {}
                rows[name] = SourceRow({**row.values, **more}, row.where)
        # In the order of the run's own rows, whatever the order of the predictions.
        rows |= {name: row for name, row in carried.items() if name not in rows}
        return suite_rows(list(rows.values())[: self.suite.rows.limit])

    def _read_checks(self) -> dict[str, Check]:
        checks: dict[str, Check] = {}
        problems = []
        for row in self.rows:
            try:
                checks[str(row.row_id)] = check_of(row.values, row.where)
            except EvalError as error:
                problems.append(str(error))
        if problems:
            more = f"\nand {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
            raise EvalError("\n".join(problems[:SHOWN_PROBLEMS]) + more)
        return checks

    @property
    def command(self) -> str:
        """What makes the predictions."""
        if self.suite.predictions.command:
            return self.suite.predictions.command
        run = self.run or Path("runs/latest")
        if self.run is not None and not self.run.is_dir():
            return f"finetune-kit train && finetune-kit predict {run}"
        if self.run is not None and all(path.name == f"{side}.jsonl" for side, path in self.paths.items()):
            return f"finetune-kit predict {run}"
        shipped = self.suite.path.parent == SHIPPED
        suite, rows = (self.suite.name if shipped else str(self.suite.path)), f"{self.suite.name}.rows.jsonl"
        steps = [f"python -m evals rows {suite} --out {rows}"]
        steps += [
            f"finetune-kit predict {run} {rows} --side {side} --output {path}"
            for side, path in self.paths.items()
            if not path.is_file()
        ]
        return " && ".join(steps)

    def why_missing(self, row: SuiteRow | None = None) -> str | None:
        """Say why a row cannot be scored, and which command helps; None if it can.

        Args:
            row: The row; without one, whether the suite as a whole has no answers.
        """
        if row is None:
            if any(self._answers[side] for side in self.sides):
                return None
            where = f"the run {self.run}" if self.run is not None else ", ".join(map(str, self.paths.values()))
            return f"there are no predictions in {where}; make them with: {self.command}"
        name = str(row.row_id)
        missing = [side for side in self.sides if name not in self._answers[side]]
        if not missing:
            return None
        stale = [side for side in missing if name in self._stale[side]]
        if stale:
            return f"the {stale[0]} prediction was made for another text of this row; make it anew with: {self.command}"
        return f"there is no {' and no '.join(missing)} prediction of this row; make it with: {self.command}"

    @property
    def sandbox(self) -> StoredSandbox:
        """The sandbox with the store in front of it; its workers start with the first program that must run."""
        if self._sandbox is None:
            suite = self.suite
            if self.run is not None and self.run.is_dir():
                store = VerdictStore.of_run(self.run)
            else:
                place = hashlib.sha256(str(suite.path.resolve()).encode()).hexdigest()[:8]
                store = VerdictStore.of_user(f"{suite.name}-{place}")
            self._sandbox = store.sandbox(suite.limits, self.workers, self.tier, suite.packages, self.cluster)
        return self._sandbox

    def close(self) -> None:
        """End the sandbox's workers."""
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None

    def __enter__(self) -> Evaluation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def judge(self, rows: Iterable[SuiteRow], progress: Progress | None = None) -> list[RowOutcome]:
        """Judge rows that have answers on all sides; each is judged once, however often it is asked for.

        Args:
            rows: Of `self.rows`.
            progress: Called with the number of programs done and the number in all.

        Returns:
            What came of each, in order.

        Raises:
            EvalError: If the sandbox cannot run here.
        """
        rows = list(rows)
        todo = [row for row in rows if str(row.row_id) not in self._outcomes]
        if todo:
            mode = self.suite.extraction.mode
            judged = judge_answers(todo, self._checks, self._answers, mode, self.sandbox, progress)
            self._outcomes |= {str(outcome.row.row_id): outcome for outcome in judged}
        return [self._outcomes[str(row.row_id)] for row in rows]

    def scorable(self) -> list[SuiteRow]:
        """Return the rows that have answers on all sides."""
        return [row for row in self.rows if self.why_missing(row) is None]
