"""A suite: which rows, whose answers, how they are scored, and what must hold. Read strictly from YAML.

rows: {source: exercises.jsonl}
predictions: {run: runs/latest}
scorers: [pass@1, code_bleu]
limits: {cpu_seconds: 3}
gates:
  - pass@1.tuned >= 0.30
  - verdict == better
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, field_validator, model_validator

from evals.errors import EvalError
from evals.figures import SIDES
from evals.gates import Gate, parse_gate
from evals.rows import SourceRow, content_key, mapped, read_rows, template_names
from evals.sandbox import Limits
from evals.strict_yaml import Document, Loc, did_you_mean, problems_of, read_document

SUFFIX = ".eval.yaml"
SHIPPED = Path(__file__).parent / "suites"
SCORERS = ("pass@1", "bleu", "exact_match", "code_bleu", "chrf", "edit_similarity")
_PASSES = re.compile(r"pass[@^][1-9][0-9]*")
_LATEST = "runs/latest"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RowsSection(_Section):
    """Where the rows come from."""

    source: str = "run"
    """`run` (those that a run folder keeps for its test), a file, `package:NAME/PATH`, or an id on the Hub."""
    split: str = "train"
    """Which split of a data set on the Hub."""
    columns: dict[str, str] = {}
    """Our name of a column: its name in the source, or a text such as `"{prompt}{solution}"`."""
    limit: int | None = Field(None, gt=0)
    """Only the first rows."""
    select: Literal["all", "predicted"] = "all"
    """`predicted` leaves rows out that no side has an answer to; `all` skips them, with the command to get one."""

    @field_validator("columns")
    @classmethod
    def _templates(cls, columns: dict[str, str]) -> dict[str, str]:
        for template in columns.values():
            template_names(template)
        return columns


class PredictionsSection(_Section):
    """Whose answers are scored: those in a run folder, or in files."""

    run: str | None = None
    """A run folder, with `predictions/{base,tuned}.jsonl` and perhaps `prompted.jsonl`."""
    base: str | None = None
    prompted: str | None = None
    tuned: str | None = None
    """A file for each side; one side alone can be scored too."""
    command: str | None = None
    """What makes them; shown where they are missing."""

    @model_validator(mode="after")
    def _one_source(self) -> PredictionsSection:
        if self.run is not None and any(getattr(self, side) is not None for side in SIDES):
            raise ValueError("name a run or files, not both; `run: null` takes back that of a suite that is extended")
        return self


class ExtractionSection(_Section):
    """How the program is found in an answer."""

    mode: Literal["block", "raw", "continuation", "auto"] = "block"
    """`block`: the fenced block, else the text. `raw`: the text. `continuation`: the row's `prompt`, then the text.
    `auto`: the block where it defines the row's `entry_point`, else the continuation."""


if TYPE_CHECKING:

    class LimitsSection(_Section):
        """What each program may use: the fields of `Limits`."""
else:
    LimitsSection = create_model(
        "LimitsSection", __base__=_Section, **{one.name: (type(one.default), one.default) for one in fields(Limits)}
    )


class _SuiteFile(_Section):
    """The keys of a suite file."""

    name: str | None = Field(None, min_length=1)
    description: str = ""
    extends: str | None = None
    rows: RowsSection = RowsSection()
    predictions: PredictionsSection = PredictionsSection()
    extraction: ExtractionSection = ExtractionSection()
    scorers: list[str] = Field(["pass@1", "bleu", "exact_match"], min_length=1)
    limits: LimitsSection = LimitsSection()
    tier: Literal["full", "confined", "limited"] | None = None
    packages: list[str] = []
    gates: list[str] = []


@dataclass(frozen=True)
class SuiteRow:
    """A row with the names that evaluations use.

    Attributes:
        row_id: Names the row.
        group: The part of the rows it belongs to; None if it names none.
        values: `instruction`, `input`, `output`, and what `evals.checks.check_of` reads.
        where: Names it in errors.
    """

    row_id: str | int
    group: str | None
    values: dict[str, Any]
    where: str


@dataclass(frozen=True)
class Suite:
    """What a suite file says, checked.

    Attributes:
        path: The file.
        name: Its name; the file's without it.
        description: What it is for.
        rows: Where the rows come from.
        predictions: Whose answers are scored.
        extraction: How the program is found in an answer.
        scorers: The metrics, the one that decides first.
        limits: What each program may use.
        tier: The tier of the sandbox to demand; None for the best there is.
        packages: What programs may import beyond the standard library.
        gates: What must hold, each with its `file:line`.
    """

    path: Path
    name: str
    description: str
    rows: RowsSection
    predictions: PredictionsSection
    extraction: ExtractionSection
    scorers: tuple[str, ...]
    limits: Limits
    tier: str | None
    packages: tuple[str, ...]
    gates: tuple[tuple[Gate, str], ...]

    @property
    def folder(self) -> Path:
        """What the suite's relative paths start from: its own folder; the working one for a suite that ships."""
        return Path() if self.path.parent == SHIPPED else self.path.parent

    @classmethod
    def load(cls, name: str | Path) -> Suite:
        """Read a suite.

        Args:
            name: The path of a `*.eval.yaml` file, or the name of a suite that ships.

        Returns:
            The suite.

        Raises:
            EvalError: With everything that is wrong with it, each problem with its `file:line`.
        """
        document = _with_base(read_document(find_suite(name)), [])
        problems = list(document.problems)
        checked: _SuiteFile | None = None
        try:
            checked = _SuiteFile.model_validate(document.tree)
        except ValidationError as error:
            problems += problems_of(error.errors(), _SuiteFile)
        gates, wrong = _gates_and_scorers(document)
        problems += wrong
        limits = None
        if checked is not None:
            try:
                limits = Limits(**checked.limits.model_dump())
            except EvalError as error:
                problems.append((("limits",), str(error)))
        if problems or checked is None or limits is None:
            lines = sorted({(document.place(loc), message) for loc, message in problems}, key=_by_place)
            raise EvalError("\n".join(f"{place}: {_ended(message)}" for place, message in lines))
        return cls(
            path=document.path,
            name=checked.name or document.path.name.removesuffix(SUFFIX),
            description=checked.description,
            rows=checked.rows,
            predictions=checked.predictions,
            extraction=checked.extraction,
            scorers=tuple(dict.fromkeys(checked.scorers)),
            limits=limits,
            tier=checked.tier,
            packages=tuple(checked.packages),
            gates=tuple(gates),
        )

    def run_folder(self, run: str | Path | None = None) -> Path | None:
        """Return the run folder whose answers are scored; None if the suite names files.

        Args:
            run: A folder to take in the place of the suite's own.
        """
        given = self.predictions
        if run is not None:
            return Path(run)
        if given.run is not None:
            return self.folder / given.run
        return None if any(getattr(given, side) for side in SIDES) else Path(_LATEST)

    def read_rows(self) -> list[SuiteRow]:
        """Read the rows of a suite whose rows do not come from a run.

        Raises:
            EvalError: If they cannot be read, or two have the same name.
        """
        section = self.rows
        found = read_rows(section.source, self.folder, section.split, section.limit)
        return suite_rows(SourceRow(mapped(row, section.columns), row.where) for row in found)


def suite_rows(rows: Any) -> list[SuiteRow]:
    """Name rows: by their `row_id`, else by a hash of what they hold.

    Args:
        rows: An iterable of `SourceRow`, columns mapped.

    Returns:
        The rows; of several without a `row_id` that hold the same, the first.

    Raises:
        EvalError: If a value has a type that it may not have, or two rows have the same `row_id`.
    """
    named: dict[str, SuiteRow] = {}
    for row in rows:
        values = {**row.values}
        for key in ("instruction", "input", "output"):
            values[key] = "" if values.get(key) is None else values[key]
            if not isinstance(values[key], str):
                raise EvalError(f"{row.where}: {key!r} must hold a string; correct it, or map another column to it.")
        given, group = values.get("row_id"), values.get("group")
        if given is not None and type(given) not in (str, int):
            raise EvalError(f"{row.where}: 'row_id' must hold a string or a whole number.")
        if not isinstance(group, str | None):
            raise EvalError(f"{row.where}: 'group' must hold a string or null.")
        row_id = content_key(values) if given is None else given
        if str(row_id) in named:
            if given is None:
                continue
            first = named[str(row_id)].where
            raise EvalError(f"{row.where}: row_id {row_id!r} stands at {first} already; rename one of the two rows.")
        named[str(row_id)] = SuiteRow(row_id, group, {**values, "row_id": row_id}, row.where)
    return list(named.values())


def shipped_suites() -> dict[str, Path]:
    """Return the suites that ship, by name."""
    return {path.name.removesuffix(SUFFIX): path for path in sorted(SHIPPED.glob(f"*{SUFFIX}"))}


def find_suite(name: str | Path) -> Path:
    """Find a suite by its path, or by its name if it ships.

    Raises:
        EvalError: If there is none.
    """
    shipped = shipped_suites()
    if str(name) in shipped:
        return shipped[str(name)]
    if Path(name).is_file():
        return Path(name)
    raise EvalError(
        f"There is no suite {str(name)!r}: it is neither a file nor one of those that ship."
        f"{did_you_mean(str(name), list(shipped))}"
    )


def _with_base(document: Document, above: list[Path]) -> Document:
    """Lay a document over the one that it extends: sections key by key, everything else as a whole."""
    extended = document.tree.get("extends")
    if not isinstance(extended, str):
        return document
    place = document.place(("extends",))
    try:
        path = find_suite(document.path.parent / extended if _is_path(extended) else extended)
    except EvalError as error:
        raise EvalError(f"{place}: {error}") from None
    if path.resolve() in above or path.resolve() == document.path.resolve():
        raise EvalError(f"{place}: the suite extends itself; name another one.")
    base = _with_base(read_document(path), [*above, document.path.resolve()])
    if base.path.parent != SHIPPED and base.path.parent.resolve() != document.path.parent.resolve():
        raise EvalError(f"{place}: a suite can extend one that ships or one of its own folder; move {path} there.")
    tree = {key: value for key, value in base.tree.items() if key != "name"}
    places = dict(base.places)
    for key, value in document.tree.items():
        if isinstance(value, Mapping) and isinstance(tree.get(key), Mapping):
            tree[key] = {**tree[key], **value}
        else:
            tree[key] = value
            places = {loc: where for loc, where in places.items() if loc[:1] != (key,)}
    problems = [*base.problems, *document.problems]
    return Document(document.path, tree, {**places, **document.places}, problems)


def _is_path(name: str) -> bool:
    return name.endswith(SUFFIX) or "/" in name


def _gates_and_scorers(document: Document) -> tuple[list[tuple[Gate, str]], list[tuple[Loc, str]]]:
    """Read the gates, and find what pydantic does not: names that nothing has."""
    problems: list[tuple[Loc, str]] = []
    given = document.tree.get("scorers", ["pass@1", "bleu", "exact_match"])
    scorers = [name for name in given if isinstance(name, str)] if isinstance(given, list) else []
    for index, name in enumerate(scorers):
        if name not in SCORERS and not _PASSES.fullmatch(name):
            problems.append((("scorers", index), f"there is no scorer {name!r}.{did_you_mean(name, SCORERS)}"))
    gates: list[tuple[Gate, str]] = []
    texts = document.tree.get("gates", [])
    for index, text in enumerate(texts if isinstance(texts, list) else []):
        if not isinstance(text, str):
            continue
        loc = ("gates", index)
        try:
            gate = parse_gate(text)
        except ValueError as error:
            problems.append((loc, f"the gate {text!r} cannot be read: {error}"))
            continue
        if gate.metric is not None and gate.metric not in scorers:
            why = f"the gate {text!r} reads {gate.metric!r}, which is none of the suite's scorers."
            problems.append((loc, why + did_you_mean(gate.metric, scorers)))
        elif any(gate.text == other.text for other, _ in gates):
            problems.append((loc, f"the gate {text!r} stands twice; remove one of them"))
        gates.append((gate, document.place(loc)))
    return gates, problems


def _ended(message: str) -> str:
    return message if message.endswith((".", "?")) else f"{message}."


def _by_place(problem: tuple[str, str]) -> tuple[str, int, str]:
    path, _, line = problem[0].rpartition(":")
    return path, int(line), problem[1]
