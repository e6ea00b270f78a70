"""The summary as Markdown, for a comment on a pull request."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from evals.figures import (
    CORRECTED,
    HEADLINES,
    OVER_PROMPTED,
    SIDES,
    UNTESTED,
    format_difference,
    format_interval,
    format_score,
    group_order,
    rung_label,
)
from evals.plain_text import one_line

GROUPS_SHOWN = 30
_SIGNS = {"better": "▲ ", "worse": "▼ ", "no measurable difference": "= "}
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#|~!&$])")


def render_markdown(summary: Mapping[str, Any]) -> str:
    """Render the verdict, the tables and the warnings.

    Args:
        summary: What `summary.json` holds.

    Returns:
        Markdown in GitHub's dialect, names and warnings escaped, so that they link, mention and format nothing.
    """
    verdict = summary.get("verdict") or {}
    metrics = summary.get("metrics") or {}
    groups = summary.get("groups") or {}
    sides = [
        side
        for side in SIDES
        if side != "prompted" or any(finding.get("prompted") is not None for finding in metrics.values())
    ]
    word = verdict.get("word") or ""
    parts = [
        f"## {_SIGNS.get(word, '')}{HEADLINES.get(word, UNTESTED)}",
        _escape(verdict.get("sentence") or "", 600),
        _table("metric", sides, [(_escape(name), name, finding) for name, finding in metrics.items()]),
    ]
    over_prompted = [(_escape(name), name, finding) for name, finding in (summary.get("over_prompted") or {}).items()]
    if over_prompted:
        parts += [f"### {OVER_PROMPTED}", _table("metric", sides[1:], over_prompted), _note("metrics", over_prompted)]
    languages = summary.get("languages") or {}
    for kind, found, names in (("group", groups, group_order(groups)), ("language", languages, list(languages))):
        if names:
            rows = [
                (f"{_escape(part)}: {_escape(name)}", name, finding)
                for part in names[:GROUPS_SHOWN]
                for name, finding in (found[part].get("metrics") or {}).items()
            ]
            parts += [f"### By {kind}", _table(f"{kind} and metric", sides, rows), _note(f"{kind}s", rows)]
            if len(names) > GROUPS_SHOWN:
                parts.append(f"{len(names) - GROUPS_SHOWN} more {kind}s are in `summary.json`.")
    reached = summary.get("rungs_reached") or {}
    if reached:
        rungs = [(rung_label(name), name, finding) for name, finding in reached.items()]
        parts += ["### Rungs reached", _table("share of rows that", sides, rungs), _note("rungs", rungs)]
    if summary.get("warnings"):
        parts += ["### Warnings", "\n".join(f"- {_escape(warning, 600)}" for warning in summary["warnings"])]
    rows_with_tests, count = summary.get("rows_with_tests") or 0, summary.get("rows") or 0
    tier = (summary.get("sandbox") or {}).get("tier") or ((summary.get("sandbox") or {}).get("protections") or {}).get(
        "tier"
    )
    parts.append(
        f"{count} {'row' if count == 1 else 'rows'}, {rows_with_tests} with tests"
        + (f"; sandbox tier {_escape(tier)}." if tier else ".")
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(first: str, sides: Sequence[str], rows: Sequence[tuple[str, str, Mapping[str, Any]]]) -> str:
    if not rows:
        return ""
    heads = [first, *sides, "difference", "95 % interval", "verdict", "rows"]
    lines = [heads, ["---", *["---:"] * (len(sides) + 2), "---", "---:"]]
    for label, name, finding in rows:
        word = finding.get("word") or ""
        lines.append(
            [
                label,
                *(format_score(name, finding.get(side)) for side in sides),
                format_difference(name, finding.get("difference")),
                format_interval(name, finding.get("interval")),
                _SIGNS.get(word, "") + _escape(word or "not tested"),
                str(finding.get("rows", "")),
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _note(several: str, rows: Sequence[tuple[str, str, Mapping[str, Any]]]) -> str:
    corrected = any(finding.get("p_adjusted") is not None for _, _, finding in rows)
    return CORRECTED.format(several=several) if corrected else ""


def _escape(text: object, limit: int = 80) -> str:
    # A character without width keeps names from being mentioned and addresses from becoming links.
    escaped = _SPECIAL.sub(r"\\\1", one_line(text, limit))
    return re.sub(r"@(?=[A-Za-z])|(?<=www)\.|:(?=//)", lambda match: match[0] + "\u200b", escaped)
