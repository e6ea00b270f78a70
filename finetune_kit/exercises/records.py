"""Exercises on lists of records: dicts with the same keys, or tuples."""

from __future__ import annotations

from random import Random

from finetune_kit.exercises.draws import ITEMS, PEOPLE
from finetune_kit.exercises.family import Function, seen, unseen

KINDS = (
    ("name", "age", PEOPLE, "people"),
    ("name", "score", PEOPLE, "players"),
    ("item", "price", ITEMS, "products"),
    ("title", "pages", ITEMS, "books"),
    ("user", "points", PEOPLE, "users"),
    ("product", "stock", ITEMS, "goods"),
)


def tables_of(rng: Random, label: str, field: str, labels: list[str], count: int = 5) -> list[list[dict[str, object]]]:
    """Draws lists of 3 to 5 records whose numbers all differ."""
    sizes = [rng.randint(3, 5) for _ in range(count)]
    return [
        [{label: a, field: b} for a, b in zip(rng.sample(labels, n), rng.sample(range(5, 60), n), strict=True)]
        for n in sizes
    ]


@seen
def labels_beyond(rng: Random) -> Function:
    label, field, labels, rows = rng.choice(KINDS)
    k = rng.randint(15, 45)
    phrase, sign = rng.choice([("above", ">"), ("below", "<"), ("at least", ">="), ("at most", "<=")])
    return Function(
        name=rng.choice([f"select_{rows}", f"{label}s_by_{field}", f"find_{rows}"]),
        params=rows,
        ask=f'lists the "{label}" of all dicts in `{rows}` whose "{field}" is {phrase} {k}',
        body=f'return [row["{label}"] for row in {rows} if row["{field}"] {sign} {k}]',
        calls=[[*table, {label: "edge", field: k}] for table in tables_of(rng, label, field, labels)],
        buggy=f'return [row for row in {rows} if row["{field}"] {sign} {k}]',
    )


@seen
def sort_records(rng: Random) -> Function:
    label, field, labels, rows = rng.choice(KINDS)
    down = rng.random() < 0.5
    return Function(
        name=rng.choice([f"sort_{rows}", f"order_{rows}", f"sort_by_{field}"]),
        params=rows,
        ask=f'returns the list of dicts `{rows}` sorted by "{field}", {"highest" if down else "lowest"} first',
        body=f'return sorted({rows}, key=lambda row: row["{field}"]{", reverse=True" if down else ""})',
        calls=tables_of(rng, label, field, labels),
        buggy=f'return sorted(row["{field}"] for row in {rows})',
    )


@seen
def total_of_records(rng: Random) -> Function:
    label, field, labels, rows = rng.choice(KINDS)
    k = rng.randint(15, 45)
    phrase, sign = rng.choice([("greater than", ">"), ("less than", "<")])
    return Function(
        name=rng.choice([f"total_{field}", f"sum_{field}", f"add_{rows}"]),
        params=rows,
        ask=f'adds up the "{field}" of the dicts in `{rows}`, but only values {phrase} {k}',
        body=f'return sum(row["{field}"] for row in {rows} if row["{field}"] {sign} {k})',
        calls=tables_of(rng, label, field, labels),
    )


@seen
def best_record(rng: Random) -> Function:
    label, field, labels, rows = rng.choice(KINDS)
    kind, best = rng.choice([("highest", "max"), ("lowest", "min")])
    return Function(
        name=rng.choice([f"{kind}_{field}", f"{best}_{label}", f"best_of_{rows}"]),
        params=rows,
        ask=f'returns the "{label}" of the dict in `{rows}` with the {kind} "{field}"',
        body=f'return {best}({rows}, key=lambda row: row["{field}"])["{label}"]',
        calls=tables_of(rng, label, field, labels),
    )


@seen
def mean_of_records(rng: Random) -> Function:
    label, field, labels, rows = rng.choice(KINDS)
    digits = rng.randint(1, 2)
    return Function(
        name=rng.choice([f"mean_{field}", f"average_{field}", f"average_of_{rows}"]),
        params=rows,
        ask=f'returns the mean "{field}" of the dicts in `{rows}`, rounded to {digits} decimal{"s" * (digits > 1)}',
        body=f'return round(sum(row["{field}"] for row in {rows}) / len({rows}), {digits})',
        calls=tables_of(rng, label, field, labels, 4),
    )


@seen
def index_records(rng: Random) -> Function:
    label, field, labels, rows = rng.choice(KINDS)
    pairs = rng.random() < 0.5
    body = f'{{row["{label}"]: row["{field}"] for row in {rows}}}'
    if pairs:
        body = f"{{{label}: {field} for {field}, {label} in {rows}}}"
    tables = tables_of(rng, label, field, labels, 4)
    return Function(
        name=rng.choice([f"index_{rows}", f"{rows}_table", f"{field}_by_{label}"]),
        params=rows,
        ask=f"turns `{rows}`, a list of ({field}, {label}) tuples, into a dict from {label} to {field}"
        if pairs
        else f'turns `{rows}`, a list of dicts, into one dict from each "{label}" to its "{field}"',
        body=f"return {body}",
        calls=[[(row[field], row[label]) for row in table] for table in tables] if pairs else tables,
    )


@unseen
def add_field(rng: Random) -> Function:
    label, field, labels, rows = rng.choice(KINDS)
    new, k = rng.choice(["double", "bonus", "next", "target"]), rng.randint(2, 9)
    word, sign = rng.choice([("times", "*"), ("plus", "+"), ("minus", "-")])
    return Function(
        name=rng.choice([f"add_{new}", f"extend_{rows}"]),
        params=rows,
        ask=f'returns the list of dicts `{rows}` with a new key "{new}" in each: its "{field}" {word} {k}',
        body=f'return [{{**row, "{new}": row["{field}"] {sign} {k}}} for row in {rows}]',
        calls=tables_of(rng, label, field, labels, 4),
    )


@seen
def column_values(rng: Random) -> Function:
    label, field, labels, rows = rng.choice(KINDS)
    which = rng.choice([label, field])
    how, body = rng.choice(
        [("in their order", '[row["{1}"] for row in {0}]'), ("sorted", 'sorted(row["{1}"] for row in {0})')]
    )
    return Function(
        name=rng.choice([f"all_{which}s", f"{which}_list", f"{which}_column"]).replace("ss", "s"),
        params=rows,
        ask=f'returns a list of the "{which}" values of the dicts in `{rows}`, {how}',
        body="return " + body.format(rows, which),
        calls=tables_of(rng, label, field, labels, 4),
        buggy=f'return {rows}["{which}"]',
    )
