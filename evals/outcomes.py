"""What came of each row of a suite, and the numbers that its gates are held against.

An `Evaluation` joins a suite's rows with a model's answers, has the programs judged through a store of verdicts, and
makes the dictionary that `summary.json` holds.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import platform
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import evals
from evals.answers import Answer, answers_to, program_of, read_lines
from evals.checks import Check, NoTests, check_of, judge_many
from evals.errors import EvalError
from evals.extract import Extraction
from evals.ladder import CLIMBED, climb
from evals.report import HEADLINES, format_difference, format_interval, format_score
from evals.rows import SourceRow, json_lines
from evals.sandbox import protections
from evals.scorers.exact_match import is_exact_match
from evals.store import StoredSandbox, VerdictStore
from evals.suite import SHIPPED, SIDES, Suite, SuiteRow, suite_rows

Progress = Callable[[int, int], None]
UNJUDGED = ("harness_error", "inconclusive")
NO_CODE = "no_code_found"
SHOWN_PROBLEMS = 20
_DIGITS = 6
_CORPUS_SCORERS = ("bleu", "code_bleu", "chrf")
_ROW_SCORERS = ("exact_match", "edit_similarity")
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
        rung: The rung of the ladder; None for rows with tests.
        figures: `cpu_seconds`, `wall_seconds`, `memory_bytes`, `relied_on_program`, `tier`, `language`.
    """

    answer: Answer
    extraction: Extraction
    status: str
    detail: str
    passed: bool | None
    rung: int | None
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


class Evaluation:
    """A suite with a model's answers.

    Attributes:
        suite: The suite.
        rows: Its rows; empty where they come from a run that is not there.
        sides: The sides that there are answers of, or should be.
        run: The run folder; None if the answers are in files.
        workers: How many programs run at a time.
    """

    def __init__(
        self, suite: Suite, run: str | Path | None = None, tier: str | None = None, workers: int | None = None
    ) -> None:
        """Read rows and answers; nothing runs yet.

        Args:
            suite: The suite.
            run: A run folder in the place of the suite's own.
            tier: The tier of the sandbox in the place of the suite's own.
            workers: How many programs run at a time; one a core if None.

        Raises:
            EvalError: If rows or answers cannot be read; all rows with a problem are named.
        """
        self.suite = suite
        self.run = suite.run_folder(run)
        self._tier = tier or suite.tier
        self.workers = workers or len(os.sched_getaffinity(0))
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
        if kept.is_file():
            for row in json_lines(kept):
                name = str(row.values.get("row_id"))
                more = carried[name].values if name in carried else {}
                carried[name] = SourceRow({**row.values, **more}, row.where)
        # In the order of the run's own rows.
        return suite_rows(list(carried.values())[: self.suite.rows.limit])

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
            self._sandbox = store.sandbox(suite.limits, self.workers, self._tier, suite.packages)
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
            self._judge(todo, progress)
        return [self._outcomes[str(row.row_id)] for row in rows]

    def _judge(self, rows: Sequence[SuiteRow], progress: Progress | None) -> None:
        judged: dict[tuple[str, str, int], Judged] = {}
        tested: list[_Asked] = []
        climbing: list[_Asked] = []
        for row in rows:
            has_tests = not isinstance(self._checks[str(row.row_id)], NoTests)
            for side in self.sides:
                for answer in self._answers[side][str(row.row_id)]:
                    found = program_of(answer.completion, row.values, self.suite.extraction.mode)
                    asked = _Asked(row, side, answer, found)
                    if found.found or not has_tests:
                        (tested if has_tests else climbing).append(asked)
                    else:
                        judged[asked.name] = Judged(answer, found, NO_CODE, found.reason, False, None, _NOT_RUN)
        if tested:
            items = [(self._checks[str(asked.row.row_id)], asked.found.code) for asked in tested]
            for asked, verdict in zip(tested, judge_many(items, self.sandbox, progress), strict=True):
                passed = None if verdict.status in UNJUDGED else verdict.passed
                figures = _figures(verdict) | {"relied_on_program": verdict.relied_on_program, "language": "python"}
                judged[asked.name] = Judged(
                    asked.answer, asked.found, verdict.status, verdict.detail, passed, None, figures
                )
        if climbing:
            programs = [{**asked.row.values, "code": asked.found.code} for asked in climbing]
            for asked, ladder in zip(climbing, climb(programs, self.sandbox, progress), strict=True):
                reached = ladder.rung is not None and ladder.highest is not None and ladder.rung >= ladder.highest
                passed = reached if ladder.status == CLIMBED else None
                figures = _figures(ladder) | {"relied_on_program": False, "language": ladder.language}
                judged[asked.name] = Judged(
                    asked.answer, asked.found, ladder.status, ladder.reason, passed, ladder.rung, figures
                )
        for row in rows:
            name = str(row.row_id)
            sides = {
                side: [judged[name, side, answer.sample] for answer in self._answers[side][name]] for side in self.sides
            }
            self._outcomes[name] = RowOutcome(row, not isinstance(self._checks[name], NoTests), sides)

    def scorable(self) -> list[SuiteRow]:
        """Return the rows that have answers on all sides."""
        return [row for row in self.rows if self.why_missing(row) is None]

    def summary(self, progress: Progress | None = None) -> dict[str, Any]:
        """Judge all rows that have answers, and make what `summary.json` holds.

        Args:
            progress: Called with the number of programs done and the number in all.

        Raises:
            EvalError: If no row has answers, or the sandbox cannot run here.
        """
        rows = self.scorable()
        if not rows:
            raise EvalError(self.why_missing() or f"{self.suite.path}: no row has an answer on every side.")
        outcomes = self.judge(rows, progress)
        signatures: dict[str, str] = {}
        warnings: list[str] = []
        if len(rows) < len(self.rows):
            warnings.append(f"{len(self.rows) - len(rows)} of {len(self.rows)} rows have no prediction.")
        metrics = self._metrics(outcomes, signatures, warnings)
        named = dict.fromkeys(outcome.row.group for outcome in outcomes)
        groups = {name: [one for one in outcomes if one.row.group == name] for name in named if name is not None}
        tested = [outcome for outcome in outcomes if outcome.tested]
        return {
            "verdict": _verdict(metrics),
            "metrics": metrics,
            "groups": {
                name: {"rows": len(part), "metrics": self._metrics(part, {}, [])} for name, part in groups.items()
            },
            "rows": len(outcomes),
            "rows_with_tests": len(tested),
            "verdicts": {side: _counts(one.status for o in tested for one in o.sides[side]) for side in self.sides},
            "rungs": self._rungs(outcomes),
            "signatures": signatures,
            "settings_hash": {side: _settings(outcomes, side) for side in self.sides},
            "sandbox": {"limits": asdict(self.suite.limits), "protections": protections(self._tier)},
            "versions": {
                "evals": evals.__version__,
                "python": platform.python_version(),
                "system": platform.platform(),
            },
            "duplicates": {},
            "warnings": warnings,
        }

    def _rungs(self, outcomes: Sequence[RowOutcome]) -> dict[str, dict[str, int]]:
        climbed = [outcome for outcome in outcomes if not outcome.tested]
        if not climbed:
            return {}
        return {
            side: _counts(str(one.rung) for o in climbed for one in o.sides[side][:1] if one.rung is not None)
            for side in self.sides
        }

    def metrics_of(self, rows: Iterable[SuiteRow]) -> dict[str, dict[str, Any]]:
        """Return the metrics over some of the rows, as `summary.json` has them.

        Args:
            rows: Of `scorable()`.

        Raises:
            EvalError: If the sandbox cannot run here.
        """
        return self._metrics(self.judge(rows), {}, [])

    def samples(self) -> list[dict[str, Any]]:
        """Return the lines of `samples.jsonl`: the first answer to each row on each side."""
        lines = []
        outcomes = self.judge(self.scorable())
        texts = [name for name in self.suite.scorers if name in (*_CORPUS_SCORERS, *_ROW_SCORERS)]
        scores = {(name, side): _text_scores(name, outcomes, side).rows for name in texts for side in self.sides}
        for index, outcome in enumerate(outcomes):
            values = outcome.row.values
            for side, answers in outcome.sides.items():
                first = answers[0]
                lines.append(
                    {
                        "row_id": outcome.row.row_id,
                        "group": outcome.row.group,
                        "side": side,
                        "instruction": values["instruction"],
                        "input": values["input"],
                        "reference": values["output"],
                        "tests": values["tests"] if isinstance(values.get("tests"), str) else "",
                        "completion": first.answer.completion,
                        "code": first.code,
                        "extraction": {
                            "reason": first.extraction.reason,
                            "alternatives": list(first.extraction.alternatives),
                            "language": first.extraction.language,
                        },
                        "language": first.figures["language"],
                        "status": first.status,
                        "detail": first.detail,
                        "rung": first.rung,
                        "samples": len(answers),
                        "samples_passed": sum(one.passed is True for one in answers),
                        "prediction_key": first.answer.key,
                        **{key: value for key, value in first.figures.items() if key != "language"},
                        "exact_match": is_exact_match(first.code, values["output"]),
                        **{name: round(scores[name, side][index], _DIGITS) for name in texts if name != "exact_match"},
                    }
                )
        return lines

    def _metrics(
        self, outcomes: Sequence[RowOutcome], signatures: dict[str, str], warnings: list[str]
    ) -> dict[str, dict[str, Any]]:
        measured: dict[str, Measured] = {}
        for name in self.suite.scorers:
            if name in _CORPUS_SCORERS or name in _ROW_SCORERS:
                rows = [outcome for outcome in outcomes if outcome.row.values["output"].strip()]
                if rows:
                    measured[name] = {side: _text_scores(name, rows, side) for side in self.sides}
            else:
                rows = [outcome for outcome in outcomes if outcome.tested and outcome.judged]
                fewest = min((len(answers) for row in rows for answers in row.sides.values()), default=0)
                if rows and fewest < int(name[5:]):
                    warnings.append(f"{name} is left out: it needs {name[5:]} answers to each row; one has {fewest}.")
                elif rows:
                    measured[name] = {side: _pass_scores(name, rows, side) for side in self.sides}
        signatures |= {name: next(iter(sides.values())).signature for name, sides in measured.items()}
        return _findings(measured, self._gating())

    def _gating(self) -> set[str]:
        """The metrics that gates judge by their word: where these are several, Holm's correction is due."""
        words = [gate for gate, _ in self.suite.gates if gate.path[-1] == "word"]
        return {gate.metric or self.suite.scorers[0] for gate in words}


@dataclass(frozen=True)
class _Scores:
    """A metric of one side: the number, each row's own, and for a corpus score the counts that it is made of."""

    score: float
    rows: tuple[float, ...]
    signature: str
    counts: Any = None


Measured = Mapping[str, _Scores]
"""The scores of a metric by side."""


def _text_scores(name: str, outcomes: Sequence[RowOutcome], side: str) -> _Scores:
    module = importlib.import_module(f"evals.scorers.{name}")
    texts = [outcome.sides[side][0].code for outcome in outcomes], [o.row.values["output"] for o in outcomes]
    found = getattr(module, name)(*texts)
    counts = getattr(module, f"{name}_statistics")(*texts) if name in _CORPUS_SCORERS else None
    return _Scores(float(found), found.rows, found.signature, counts)


def _pass_scores(name: str, outcomes: Sequence[RowOutcome], side: str) -> _Scores:
    from evals.scorers.pass_at_k import pass_at_k, pass_hat_k

    answers = [outcome.sides[side] for outcome in outcomes]
    estimate = pass_at_k if name[4] == "@" else pass_hat_k
    passed = [sum(one.passed is True for one in several) for several in answers]
    found = estimate([len(several) for several in answers], passed, int(name[5:]))
    return _Scores(float(found), found.rows, found.signature)


def _findings(measured: Mapping[str, Measured], gating: set[str]) -> dict[str, dict[str, Any]]:
    """Make the summary's entry of each metric; what needs two sides is null where there is one."""
    from evals.verdict import adjusted, compare

    compared: dict[str, Any] = {}
    for name, sides in measured.items():
        if "base" in sides and "tuned" in sides:
            base, tuned = sides["base"], sides["tuned"]
            if name in _CORPUS_SCORERS:
                module = importlib.import_module(f"evals.scorers.{name}")
                score_of = getattr(module, f"{name}_of")
                row_score_of = partial(score_of, effective_order=True) if name == "bleu" else None
                compared[name] = compare(name, base.counts, tuned.counts, score_of=score_of, row_score_of=row_score_of)
            else:
                compared[name] = compare(name, base.rows, tuned.rows)
    together = [name for name in compared if name in gating]
    if len(together) > 1:
        corrected = adjusted(compared[name] for name in together)
        compared |= dict(zip(together, corrected, strict=True))
    return {name: _finding(sides, compared.get(name)) for name, sides in measured.items()}


def _finding(sides: Measured, compared: Any) -> dict[str, Any]:
    finding: dict[str, Any] = {side: _rounded(sides[side].score) if side in sides else None for side in SIDES}
    if "prompted" not in sides:
        del finding["prompted"]
    for key in ("difference", "interval", "p_value", "wins", "losses", "ties", "word"):
        value = getattr(compared, key, None)
        finding[key] = [_rounded(bound) for bound in value] if isinstance(value, tuple) else value
    if compared is not None:
        finding["difference"] = _rounded(compared.difference)
        finding["p_value"] = float(f"{compared.p_value:.{_DIGITS}g}")
    finding["rows"] = len(next(iter(sides.values())).rows)
    finding["rows_needed"] = getattr(compared, "rows_needed", None)
    return finding


def _rounded(value: float) -> float:
    return round(float(value), _DIGITS)


def _verdict(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The answer: what the first metric says."""
    if not metrics:
        return {"word": None, "sentence": "No metric could be computed.", "metric": ""}
    name, finding = next(iter(metrics.items()))
    rows = "1 row" if finding["rows"] == 1 else f"{finding['rows']} rows"
    if finding["word"] is None:
        given = [side for side in SIDES if finding.get(side) is not None]
        figures = ", ".join(f"{side} {format_score(name, finding[side])}" for side in given)
        return {"word": None, "sentence": f"{name}: {figures}, on {rows}.", "metric": name}
    base, tuned = (format_score(name, finding[side]) for side in ("base", "tuned"))
    bounds = format_interval(name, finding["interval"])
    difference = f"{format_difference(name, finding['difference'])}{f', {bounds}' if bounds else ''}"
    sentence = f"{HEADLINES[finding['word']]}: {name} is {tuned} against {base} ({difference}) on {rows}."
    if finding["word"] == "no measurable difference" and finding["rows_needed"]:
        sentence += f" A true difference of this size would show on about {finding['rows_needed']:,} rows."
    return {"word": finding["word"], "sentence": sentence, "metric": name}


def _figures(result: Any) -> dict[str, Any]:
    return {
        "cpu_seconds": round(result.cpu_seconds, _DIGITS),
        "wall_seconds": round(result.wall_seconds, _DIGITS),
        "memory_bytes": result.memory_bytes,
        "tier": result.tier,
    }


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))


def _settings(outcomes: Sequence[RowOutcome], side: str) -> str | None:
    hashes = {one.answer.settings_hash for outcome in outcomes for one in outcome.sides[side]}
    return (hashes.pop() or None) if len(hashes) == 1 else None


def summary_text(summary: Mapping[str, Any]) -> str:
    """Return a summary as `summary.json` has it."""
    return json.dumps(summary, indent=2) + "\n"
