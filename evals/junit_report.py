"""The tuned model's rows as JUnit XML, for the systems that collect test results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from xml.etree import ElementTree

from evals.figures import UNJUDGED
from evals.html_report import passed
from evals.plain_text import cut, one_line, visible

_CODE_CHARACTERS = 20_000


def render_junit(summary: Mapping[str, Any], samples: Iterable[Mapping[str, Any]]) -> str:
    """Render one test case a row, for the tuned side.

    A program that failed is a failure, one that the harness could not judge an error, and one that was not run
    with tests is skipped.

    Args:
        summary: What `summary.json` holds.
        samples: The lines of `samples.jsonl`.

    Returns:
        An XML document; characters that XML forbids are written out.
    """
    suites = ElementTree.Element("testsuites", name="evals")
    suite = ElementTree.SubElement(suites, "testsuite", name="evals")
    properties = ElementTree.SubElement(suite, "properties")
    verdict = summary.get("verdict") or {}
    for name in ("word", "sentence", "metric"):
        ElementTree.SubElement(
            properties, "property", name=f"verdict.{name}", value=one_line(verdict.get(name) or "", 600)
        )
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    total = 0.0
    for sample in samples:
        if sample["side"] == "tuned":
            seconds = sample.get("wall_seconds") or sample.get("cpu_seconds") or 0.0
            total += seconds
            counts["tests"] += 1
            kind = _test_case(suite, sample, seconds)
            if kind:
                counts[kind] += 1
    for element in (suites, suite):
        element.attrib |= {name: str(count) for name, count in counts.items()} | {"time": f"{total:.3f}"}
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def _test_case(suite: ElementTree.Element, sample: Mapping[str, Any], seconds: float) -> str:
    """Add a row; return the count that it belongs to, or nothing for a row that passed."""
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=one_line(sample.get("group") or "rows"),
        name=one_line(sample["row_id"]),
        time=f"{seconds:.3f}",
    )
    status, rung = sample.get("status"), sample.get("rung")
    outcome = passed(status)
    if not (sample.get("tests") or "").strip() or (outcome is None and status not in UNJUDGED):
        reached = "" if rung is None else f"; it reached rung {rung} of the ladder"
        ElementTree.SubElement(case, "skipped", message=f"the row was not run with tests{reached}")
        return "skipped"
    if outcome:
        return ""
    kind, count = ("error", "errors") if outcome is None else ("failure", "failures")
    detail = sample.get("detail") or ""
    element = ElementTree.SubElement(case, kind, type=one_line(status), message=one_line(f"{status}: {detail}", 400))
    code, left_off = cut(sample.get("code") or "", _CODE_CHARACTERS, 2_000)
    rest = f"\n({left_off:,} more characters are in samples.jsonl)" if left_off else ""
    shown = cut(detail, _CODE_CHARACTERS, 2_000)[0]
    element.text = visible(f"{shown}\n\nThe program:\n{code}{rest}\n\nThe tests:\n", code=True)
    element.text += visible(cut(sample["tests"], _CODE_CHARACTERS, 2_000)[0], code=True)
    return count
