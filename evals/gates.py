"""Gates: what must hold for a model to pass, as `pass@1.tuned >= 0.30` or `verdict == better`.

    gate     =  place operator value
    place    =  [ part "." name "." ] metric "." field        pass@1.tuned, groups.unseen.bleu.difference
             |  "over_prompted." metric "." field             over_prompted.pass@1.verdict
             |  "rungs_reached." rung "." field               rungs_reached.behaves.difference
             |  [ metric "." ] "verdict"                      better, worse or no measurable difference
             |  "verdicts." side "." status                   how many programs got that verdict
             |  "rows" | "rows_with_tests"
    part     =  "groups" | "languages"                       by the rows' own group, by the language they ask for
    rung     =  "parses" | "compiles" | "runs" | "behaves"
    operator =  ">=" | ">" | "<=" | "<" | "==" | "!="
    value    =  a number, a number with "%", or for verdicts a word

A gate is read from the same dictionary that `summary.json` holds.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evals.figures import REACHED, SIDES
from evals.strict_yaml import did_you_mean

OPERATORS = {
    ">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
WORDS = ("better", "worse", "no measurable difference")
NUMBERS = (*SIDES, "difference", "p_value", "wins", "losses", "ties", "rows", "low", "high")
_COUNTS = ("rows", "rows_with_tests")
_KINDS = {
    "metrics": "metric",
    "over_prompted": "metric",
    "groups": "group",
    "languages": "language",
    "rungs_reached": "rung",
}
_METRIC = r"[A-Za-z_][\w]*(?:[@^][0-9]+)?"
_GATE = re.compile(r"\s*(?P<place>[^<>=!\s]+)\s*(?P<operator>>=|<=|==|!=|>|<)\s*(?P<value>\S.*?)\s*")
_PLACE = re.compile(rf"(?:(?P<part>groups|languages)\.(?P<name>[^.\s]+)\.)?(?P<metric>{_METRIC})\.(?P<field>\w+)")
_OVER_PROMPTED = re.compile(rf"over_prompted\.(?P<metric>{_METRIC})\.(?P<field>\w+)")
_RUNG = re.compile(r"rungs_reached\.(?P<rung>\w+)\.(?P<field>\w+)")
_VERDICTS = re.compile(r"verdicts\.(?P<side>\w+)\.(?P<status>\w+)")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?(?P<percent>\s*%)?")


@dataclass(frozen=True)
class Gate:
    """One condition.

    Attributes:
        text: As it was written, white space made even.
        path: The way to the value in the summary.
        operator: One of `OPERATORS`.
        value: What the value is compared with.
        metric: The metric that it reads; None if it reads none by name.
    """

    text: str
    path: tuple[str, ...]
    operator: str
    value: float | str
    metric: str | None = None


@dataclass(frozen=True)
class GateResult:
    """What a gate came to.

    Attributes:
        holds: Whether the condition holds.
        observed: The value found; None if there is none.
        sentence: Both, in words.
    """

    holds: bool
    observed: float | str | None
    sentence: str


def parse_gate(text: str) -> Gate:
    """Read a gate.

    Args:
        text: Such as `pass@1.difference > 0`.

    Returns:
        The gate.

    Raises:
        ValueError: If it is not one; the message says what is wrong.

    Examples:
        >>> parse_gate("groups.unseen.pass@1.tuned>=30%").path
        ('groups', 'unseen', 'metrics', 'pass@1', 'tuned')
    """
    match = _GATE.fullmatch(text)
    if match is None:
        raise ValueError(
            "a gate is a place, an operator and a value, such as `pass@1.tuned >= 0.30` or `verdict == better`"
        )
    place, sign, value = match["place"], match["operator"], match["value"]
    even = f"{place} {sign} {value}"
    if place == "verdict" or place.endswith(".verdict"):
        return _verdict_gate(even, place, sign, value)
    if place in _COUNTS:
        return Gate(even, (place,), sign, _number(value))
    if counted := _VERDICTS.fullmatch(place):
        if counted["side"] not in SIDES:
            raise ValueError(f"there is no side {counted['side']!r}.{did_you_mean(counted['side'], SIDES)}")
        return Gate(even, ("verdicts", counted["side"], counted["status"]), sign, _number(value))
    where, metric, field = _finding(place)
    if field not in NUMBERS:
        raise ValueError(f"a metric has no {field!r}.{did_you_mean(field, [*NUMBERS, 'verdict'])}")
    of_it = ("interval", str(("low", "high").index(field))) if field in ("low", "high") else (field,)
    return Gate(even, (*where, *of_it), sign, _number(value), metric)


def _verdict_gate(text: str, place: str, sign: str, value: str) -> Gate:
    word = value.strip("'\"")
    if sign not in ("==", "!="):
        raise ValueError(f"a verdict is a word, so {sign!r} does not compare it; write == or !=")
    if word not in WORDS:
        raise ValueError(f"there is no verdict {word!r}.{did_you_mean(word, WORDS)}")
    if place == "verdict":
        return Gate(text, ("verdict", "word"), sign, word)
    where, metric, _ = _finding(place)
    return Gate(text, (*where, "word"), sign, word, metric)


def _finding(place: str) -> tuple[tuple[str, ...], str | None, str]:
    """The way to the finding that a place names, its metric, and the field that is asked for."""
    if reached := _RUNG.fullmatch(place):
        if reached["rung"] not in REACHED:
            raise ValueError(f"there is no rung {reached['rung']!r}.{did_you_mean(reached['rung'], list(REACHED))}")
        return ("rungs_reached", reached["rung"]), None, reached["field"]
    if over := _OVER_PROMPTED.fullmatch(place):
        return ("over_prompted", over["metric"]), over["metric"], over["field"]
    match = _PLACE.fullmatch(place)
    if match is None:
        raise ValueError(
            f"{place!r} names nothing in a summary; write METRIC.tuned, METRIC.difference, verdict, METRIC.verdict, "
            "over_prompted.METRIC.difference, groups.GROUP.METRIC.tuned, languages.LANGUAGE.METRIC.tuned, "
            "rungs_reached.RUNG.tuned, verdicts.SIDE.STATUS, rows or rows_with_tests"
        )
    part = () if match["part"] is None else (match["part"], match["name"])
    return (*part, "metrics", match["metric"]), match["metric"], match["field"]


def _number(text: str) -> float:
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a number; write one such as 0.30 or 30%")
    return float(text.rstrip("% ")) / 100 if match["percent"] else float(text)


def evaluate_gate(gate: Gate, summary: Mapping[str, Any]) -> GateResult:
    """Hold a gate against a summary.

    Args:
        gate: The gate.
        summary: What `summary.json` holds.

    Returns:
        Whether it holds. A value that is not there, or was not tested, holds no gate.
    """
    value: Any = summary
    for depth, part in enumerate(gate.path):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list | tuple) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        elif depth == 2 and gate.path[0] == "verdicts":
            value = 0
        else:
            value = None
            there = ", ".join(map(str, _there(summary, gate.path[:depth])))
            kind = _KINDS.get(gate.path[depth - 1]) if depth else None
            if there and kind:
                return GateResult(False, None, f"{gate.text} fails: there is no {kind} {part!r}, only {there}")
            break
    if value is None:
        untested = gate.path[-1] in ("word", "p_value") or "interval" in gate.path
        reason = "the difference was not tested against chance" if untested else "there is no value"
        if gate.path[0] == "over_prompted" and not summary.get("over_prompted"):
            reason = "there are no answers of the base model prompted at its best"
        return GateResult(False, None, f"{gate.text} fails: {reason}")
    if isinstance(value, str) != isinstance(gate.value, str):
        return GateResult(False, None, f"{gate.text} fails: {value!r} cannot be compared with {gate.value!r}")
    holds = bool(OPERATORS[gate.operator](value, gate.value))
    shown = value if isinstance(value, str) else f"{value:.6g}"
    return GateResult(holds, value, f"{gate.text} {'holds' if holds else 'fails'}: it is {shown}")


def _there(summary: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    value: Any = summary
    for part in path:
        value = value.get(part, {}) if isinstance(value, Mapping) else {}
    return list(value) if isinstance(value, Mapping) else []
