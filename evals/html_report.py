"""The report of an evaluation as one HTML file: no script, no network, nothing untrusted left unescaped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from evals.figures import (
    CORRECTED,
    HEADLINES,
    RUNGS,
    SIDES,
    UNJUDGED,
    UNTESTED,
    format_difference,
    format_interval,
    format_score,
    group_order,
    rung_label,
)
from evals.html_chart import interval_plot, rungs_plot, score_line, shares
from evals.html_code import MAX_CHARACTERS, MAX_LINES, code_html
from evals.plain_text import cut, one_line, visible

if TYPE_CHECKING:
    from jinja2 import Environment

SHOWN_IN_FULL = 30
"""How many rows a section shows with their code."""
CODE_BUDGET = 4_000_000
"""How many characters of HTML all highlighted code may take; past it no row is shown in full."""
LISTED = 5_000
"""How many rows the table of all rows has at most."""
NOT_JUDGED = (*UNJUDGED, "not_executed", "climbed")
"""Statuses that are no judgement by tests."""
_OPENED = 1
_GROUPS_LISTED = 200
_FEWEST_ROWS = 6  # Fewer can show no difference.
_SIDE_NAMES = {"base": "base", "prompted": "prompted base", "tuned": "tuned"}
_SECTIONS = {
    "fixed": ("Fixed", "the base model's program failed its tests, and the tuned model's passes them"),
    "broke": ("Broke", "the base model's program passes its tests, and the tuned model's fails them"),
    "climbed": ("Climbed the ladder", "without tests, the tuned model's program got to a higher rung than the base's"),
    "fell": ("Fell down the ladder", "without tests, the tuned model's program got to a lower rung than the base's"),
}


@dataclass
class Row:
    """One row with what each side made of it.

    Attributes:
        row_id: Names the row.
        sides: The samples, by side.
    """

    row_id: str | int
    sides: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def get(self, key: str) -> Any:
        """Return what all sides share: `group`, `instruction`, `input`, `reference`, `tests`."""
        return next((sample[key] for sample in self.sides.values() if sample.get(key)), None)

    @property
    def change(self) -> str:
        """What tuning did to the row: a key of the report's sections, or nothing."""
        before, after = self.sides.get("base", {}), self.sides.get("tuned", {})
        if self.get("tests"):
            outcome = (passed(before.get("status")), passed(after.get("status")))
            return {(False, True): "fixed", (True, False): "broke"}.get(outcome, "")  # type: ignore[arg-type]
        rungs = before.get("rung"), after.get("rung")
        if not isinstance(rungs[0], int) or not isinstance(rungs[1], int) or rungs[0] == rungs[1]:
            return ""
        return "climbed" if rungs[0] < rungs[1] else "fell"


def passed(status: object) -> bool | None:
    """Say whether a program passed; None where it was not judged."""
    return None if status is None or status in NOT_JUDGED else status == "passed"


def render_html(summary: Mapping[str, Any], samples: Iterable[Mapping[str, Any]]) -> str:
    """Render the report.

    Args:
        summary: What `summary.json` holds.
        samples: The lines of `samples.jsonl`, one for each row and side, in any order.

    Returns:
        A whole HTML document, under 10 MB however many rows there are and however long their texts.
    """
    rows = rows_of(samples)
    metrics: Mapping[str, Any] = summary.get("metrics") or {}
    groups: Mapping[str, Any] = summary.get("groups") or {}
    languages: Mapping[str, Any] = summary.get("languages") or {}
    reached: Mapping[str, Any] = summary.get("rungs_reached") or {}
    verdict: Mapping[str, Any] = summary.get("verdict") or {}
    name = _text(verdict.get("metric"))
    deciding = metrics.get(name)
    present = {side for row in rows for side in row.sides}
    present |= {side for side in SIDES if any(finding.get(side) is not None for finding in metrics.values())}
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            headline=HEADLINES.get(verdict.get("word") or "", UNTESTED),
            verdict=verdict,
            deciding=deciding,
            deciding_name=name,
            score_line=score_line(name, deciding) if deciding else None,
            sides=[side for side in SIDES if side in present],
            side_names=_SIDE_NAMES,
            summary=summary,
            warnings=summary.get("warnings") or [],
            tested=any(finding.get("interval") for finding in metrics.values()),
            plots=[interval_plot(name, finding, groups) for name, finding in metrics.items()],
            blocks=[("all rows", metrics), *_blocks(groups, group_order(groups))],
            corrected=CORRECTED,
            groups_corrected=any(
                finding.get("p_adjusted") is not None
                for group in groups.values()
                for finding in (group.get("metrics") or {}).values()
            ),
            groups_left_out=max(0, len(groups) - _GROUPS_LISTED),
            language_plots=[interval_plot(name, finding, languages, _FEWEST_ROWS) for name, finding in metrics.items()],
            language_blocks=_blocks(languages, list(languages)),
            over_prompted=summary.get("over_prompted") or {},
            reached={rung_label(name): finding for name, finding in reached.items()},
            reached_plot=rungs_plot(reached),
            sections=_sections(rows),
            statuses=shares(summary.get("verdicts") or {}),
            rungs=sorted(shares(summary.get("rungs") or {}), key=lambda rung: str(rung["name"]), reverse=True),
            rung_names=RUNGS,
            table=_table(rows),
            rows_left_out=max(0, len(rows) - LISTED),
            tier=_tier(summary, rows),
            protections=_protections(summary),
            limits=_limits(summary),
            duplicates=_duplicates(summary.get("duplicates") or {}),
            relied=sum(any(sample.get("relied_on_program") for sample in row.sides.values()) for row in rows),
            limits_of_code=(MAX_LINES, MAX_CHARACTERS),
        )
    )


def rows_of(samples: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Bring the samples of a row together, rows in the order in which they first appear."""
    rows: dict[str | int, Row] = {}
    for sample in samples:
        row_id = sample["row_id"]
        rows.setdefault(row_id, Row(row_id)).sides[sample["side"]] = sample
    for row in rows.values():
        row.sides = {side: row.sides[side] for side in SIDES if side in row.sides}
    return list(rows.values())


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("evals", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        # Whatever is not marked as HTML goes through here, and then through the escaping.
        finalize=lambda value: value if isinstance(value, Markup) else visible(value),
    )
    environment.filters |= {
        "brief": one_line,
        "bytes": _bytes,
        "difference": lambda value, metric: format_difference(metric, value),
        "interval": lambda value, metric: format_interval(metric, value),
        "passed": passed,
        "prose": _prose,
        "score": lambda value, metric: format_score(metric, value),
        "seconds": _seconds,
    }
    return environment


def _blocks(parts: Mapping[str, Any], names: list[str]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, parts[name].get("metrics") or {}) for name in names[:_GROUPS_LISTED]]


def _sections(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Sort rows by what changed; show as many in full as the counts and the budget of characters allow."""
    members: dict[str, list[Row]] = {name: [] for name in _SECTIONS}
    with_tests = with_rungs = False
    for row in rows:
        with_tests = with_tests or bool(row.get("tests"))
        with_rungs = with_rungs or (not row.get("tests") and row.get("rung") is not None)
        if row.change:
            members[row.change].append(row)
    spent = 0
    sections = []
    for name, (title, meaning) in _SECTIONS.items():
        if not (with_tests if name in ("fixed", "broke") else with_rungs):
            continue
        cards: list[dict[str, Any]] = []
        for row in members[name][:SHOWN_IN_FULL]:
            card = _card(row)
            spent += card["size"]
            if spent > CODE_BUDGET:
                break
            cards.append({**card, "open": len(cards) < _OPENED})
        sections.append({"name": name, "title": title, "meaning": meaning, "rows": members[name], "cards": cards})
    return sections


def _card(row: Row) -> dict[str, Any]:
    against = {"base": "tuned", "prompted": "tuned", "tuned": "base"}
    columns: list[dict[str, Any]] = []
    for side, sample in row.sides.items():
        code, other = _text(sample.get("code")), row.sides.get(against[side])
        html, left_off = code_html(
            code, _text(sample.get("language")) or "python", _text(other.get("code")) if other else None
        )
        completion = _text(sample.get("completion"))
        columns.append(
            {
                "side": side,
                "sample": sample,
                "code": html if code.strip() else "",
                "left_off": left_off,
                "completion": _prose(completion) if completion.strip() != code.strip() else "",
                "reason": _reason(sample),
            }
        )
    extras: list[dict[str, Any]] = []
    for title, key in (("Tests", "tests"), ("Reference", "reference")):
        if text := _text(row.get(key)):
            html, left_off = code_html(text)
            extras.append({"title": title, "code": html, "left_off": left_off})
    size = sum(map(len, (*(column["code"] for column in columns), *(extra["code"] for extra in extras))))
    size += sum(len(column["completion"]) for column in columns)
    return {"row": row, "columns": columns, "extras": extras, "size": size}


def _reason(sample: Mapping[str, Any]) -> str:
    extraction = sample.get("extraction")
    return _text(extraction.get("reason")) if isinstance(extraction, Mapping) else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _prose(text: object, limit: int = 4_000) -> str:
    shown, left_off = cut(_text(text), limit, 80)
    return visible(shown) + (f"\n… {left_off:,} more characters in samples.jsonl" if left_off else "")


def _table(rows: list[Row]) -> list[Row]:
    """The rows to list: all, or those that changed first."""
    if len(rows) <= LISTED:
        return rows
    return sorted(rows, key=lambda row: not row.change)[:LISTED]


def _tier(summary: Mapping[str, Any], rows: Iterable[Row]) -> str:
    sandbox = summary.get("sandbox") or {}
    stated = sandbox.get("tier") or (sandbox.get("protections") or {}).get("tier")
    seen = {_text(sample.get("tier")) for row in rows for sample in row.sides.values()} - {""}
    return ", ".join(sorted(seen | ({stated} if isinstance(stated, str) else set())))


def _protections(summary: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {"missing": [], "held": [], "tiers": []}
    for name, value in ((summary.get("sandbox") or {}).get("protections") or {}).items():
        if name.startswith("no_") and isinstance(value, str):
            found["tiers"].append((name.removeprefix("no_"), value))
        elif name != "tier":
            how = "" if isinstance(value, bool) or value is None else _plain(value)
            found["held" if value else "missing"].append((str(name).replace("_", " "), how))
    return found


def _limits(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    limits = (summary.get("sandbox") or {}).get("limits") or {}
    return [
        (name.removesuffix("_bytes").removesuffix("_seconds").replace("_", " "), _limit(name, value))
        for name, value in limits.items()
    ]


def _limit(name: str, value: object) -> str:
    if name.endswith("_bytes") and _bytes(value):
        return _bytes(value)
    return f"{value} s" if name.endswith("_seconds") else _plain(value)


def _duplicates(duplicates: Mapping[str, Any]) -> dict[str, Any]:
    """Split what was found into findings on the rows left without duplicates, and the rest in words."""
    findings = {
        name: value
        for name, value in duplicates.items()
        if isinstance(value, Mapping)
        and value
        and all(isinstance(part, Mapping) and "difference" in part for part in value.values())
    }
    facts = [(name.replace("_", " "), _plain(value)) for name, value in duplicates.items() if name not in findings]
    return {"findings": findings, "facts": facts}


def _plain(value: object) -> str:
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, list):
        shown = ", ".join(_plain(item) for item in value[:10])
        return f"{len(value)}" + (f": {shown}" if value else "") + (", …" if len(value) > 10 else "")
    return one_line(json.dumps(value, ensure_ascii=False))


def _seconds(value: object) -> str:
    return f"{value:.2f} s" if isinstance(value, int | float) else ""


def _bytes(value: object) -> str:
    if not isinstance(value, int | float) or not value:
        return ""
    return f"{value / 2**20:,.0f} MiB" if value >= 2**20 else f"{value / 2**10:,.0f} KiB"
