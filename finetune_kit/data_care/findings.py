"""What was found in rows, by kind and place, and how it is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from finetune_kit.data_care.answers import LANGUAGES

SHOWN = 3
"""How many places of a kind are told where not all are asked for."""


@dataclass(frozen=True)
class Kind:
    """A kind of finding."""

    one: str
    """What to call one of them."""
    many: str
    meaning: str


KINDS = {
    "empty": Kind("empty row", "empty rows", "no instruction, or no answer"),
    "duplicates": Kind("duplicate", "duplicates", "the same content again in the same split"),
    "leaks": Kind("leak", "leaks", "the prompt stands in a split that is held out, too"),
    "near_leaks": Kind("near leak", "near leaks", "a held-out row is nearly the same; a note, never left out"),
    "contradictions": Kind("contradiction", "contradictions", "the same prompt, another answer; never left out"),
    "unparsable": Kind("unparsable answer", "unparsable answers", "not the language that it claims to be"),
    "encoding": Kind("broken text", "broken texts", "letters lost by a wrong encoding, or mixed line ends"),
    "control_characters": Kind(
        "row with unseen characters", "rows with unseen characters", "characters that cannot be seen"
    ),
    "secrets": Kind("secret", "secrets", "a key, a token or a password; its value is not shown"),
}
"""Every kind, in the order in which it is told."""


@dataclass(frozen=True)
class Finding:
    """What was found in one row; a row has at most one finding of a kind."""

    kind: str
    """One of `KINDS`."""
    row_id: str
    place: str
    """`file:line`, or what stands for it."""
    split: str
    """`train`, `validation` or `test`."""
    detail: str
    """What it is, in words."""


@dataclass(frozen=True)
class Findings:
    """What was found in the rows of a run."""

    rows: int
    """How many rows were looked at."""
    found: tuple[Finding, ...] = ()
    """In the order of `KINDS`, then of the rows."""
    claims: Mapping[str, int] = field(default_factory=dict)
    """Answers that claim to be in a language that can be parsed here, by language."""

    @property
    def counts(self) -> dict[str, int]:
        """Rows by kind, those with none too."""
        counts = dict.fromkeys(KINDS, 0)
        for finding in self.found:
            counts[finding.kind] += 1
        return counts

    def of(self, kind: str) -> list[Finding]:
        """The findings of a kind, in the order of the rows."""
        return [finding for finding in self.found if finding.kind == kind]

    def told(self, kinds: list[str] | None = None) -> str:
        """The counts in a few words, e.g. `3 duplicates, 1 secret`; empty where nothing was found."""
        counts = {kind: count for kind, count in self.counts.items() if count and (kinds is None or kind in kinds)}
        return ", ".join(f"{n} {KINDS[kind].one if n == 1 else KINDS[kind].many}" for kind, n in counts.items())

    def lines(self, every: bool = False) -> list[str]:
        """What to show to people.

        Args:
            every: Each place, in the stead of the first three of a kind.

        Returns:
            A line with the number of rows, then for each kind one with its count and one for each place.
        """
        claims = " and ".join(f"{count:,} {LANGUAGES[name]}" for name, count in self.claims.items())
        lines = [f"{self.rows:,} rows looked at" + (f"; {claims} by what the answers claim to be" if claims else "")]
        if not self.found:
            return [*lines, "Nothing found."]
        for kind, count in self.counts.items():
            if not count:
                continue
            lines.append(f"{kind:20}{count:>6,}  {KINDS[kind].meaning}")
            findings = self.of(kind)
            shown = findings if every else findings[:SHOWN]
            lines += [f"  {finding.place}: {finding.detail}" for finding in shown]
            if len(shown) < count:
                lines.append(f"  and {count - len(shown):,} more")
        return lines

    def as_dict(self) -> dict[str, Any]:
        """All of it in types that JSON has."""
        return {
            "rows": self.rows,
            "claims": dict(self.claims),
            "counts": self.counts,
            "findings": [vars(finding) for finding in self.found],
        }
