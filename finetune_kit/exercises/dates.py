"""Exercises on dates and times."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

from finetune_kit.exercises.draws import shuffled
from finetune_kit.exercises.family import Function, seen, unseen

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
IMPORT = "from datetime import date"
IMPORT_DELTA = "from datetime import date, timedelta"


def some_days(rng: Random, count: int = 5) -> list[date]:
    """Draws days from 2000 to 2030."""
    return [date(2000, 1, 1) + timedelta(days=rng.randrange(11000)) for _ in range(count)]


def iso(days: list[date]) -> list[str]:
    """Writes days as ISO texts."""
    return [day.isoformat() for day in days]


@seen
def days_between(rng: Random) -> Function:
    a, b = rng.choice([("start", "end"), ("first", "second"), ("begin", "finish")])
    kind, extra = rng.choice([("days", ""), ("whole weeks", " // 7"), ("days, counting both ends,", " + 1")])
    ends = [(day, day + timedelta(days=rng.randint(5, 90))) for day in some_days(rng)]
    return Function(
        name=rng.choice(["days_between" if "day" in kind else "weeks_between", "time_span", "date_gap"]),
        params=f"{a}, {b}",
        ask=f'returns the number of {kind} from `{a}` to `{b}`, ISO dates such as "2024-05-31"',
        imports=IMPORT,
        body=f"return (date.fromisoformat({b}) - date.fromisoformat({a})).days{extra}",
        calls=[(x.isoformat(), y.isoformat()) for x, y in ends],
    )


@seen
def shift_date(rng: Random) -> Function:
    n, unit, later = rng.randint(2, 60), rng.choice(["days", "weeks"]), rng.random() < 0.6
    p = rng.choice(["day", "start", "text"])
    return Function(
        name=rng.choice(
            ["shift_date", f"{'add' if later else 'subtract'}_{unit}", "deadline" if later else "reminder"]
        ),
        params=p,
        ask=f'returns the date {n} {unit} {"after" if later else "before"} `{p}`, both as text like "2024-05-31"',
        imports=IMPORT_DELTA,
        body=f"return (date.fromisoformat({p}) {'+' if later else '-'} timedelta({unit}={n})).isoformat()",
        calls=iso(some_days(rng, 4)),
    )


@unseen
def is_weekday(rng: Random) -> Function:
    k = rng.randrange(7)
    weekend = rng.random() < 0.2
    test, what = (">= 5", "a Saturday or Sunday") if weekend else (f"== {k}", f"a {DAYS[k]}")
    day = some_days(rng, 1)[0]
    hits = [day + timedelta(days=(5 if weekend else k) - day.weekday() + 7 * n) for n in rng.sample(range(40), 3)]
    misses = [hits[0] + timedelta(days=n) for n in rng.sample(range(2, 6), 4)]
    return Function(
        name=rng.choice(["check_day", "is_weekend" if weekend else f"is_{DAYS[k].lower()}", "falls_right"]),
        params="text",
        ask=rng.choice(
            [
                f"returns whether the ISO date `text` is {what}",
                f'tells if `text`, such as "2024-05-31", is {what}',
            ]
        ),
        imports=IMPORT,
        body=f"return date.fromisoformat(text).weekday() {test}",
        calls=iso(shuffled(rng, hits + misses)),
        expect=lambda text: date.fromisoformat(text).isoweekday() - 1 in ((5, 6) if weekend else (k,)),
    )


@seen
def reformat_date(rng: Random) -> Function:
    sign = rng.choice(["/", ".", " ", "_", "-"])
    order = rng.choice([("day", "month", "year"), ("month", "day", "year"), ("day", "month")])
    values = {"year": "2024", "month": "05", "day": "31"}
    shown = sign.join(values[part] for part in order)
    unused = "_" if "year" not in order else "year"
    return Function(
        name=rng.choice(["reformat_date", "show_date", "convert_date"]),
        params="text",
        ask=f'turns a date like "2024-05-31" into the form "{shown}"',
        body=f"""
            {unused}, month, day = text.split("-")
            return f"{sign.join(f"{{{part}}}" for part in order)}"
        """,
        calls=iso(some_days(rng, 4)),
    )


@seen
def part_of_year(rng: Random) -> Function:
    what, months = rng.choice([("quarter", 3), ("half", 6), ("third", 4)])
    example = {"quarter": 4, "half": 2, "third": 3}[what]
    p = rng.choice(["text", "day", "iso"])
    return Function(
        name=rng.choice([f"{what}_of", f"get_{what}", "part_of_year", f"{what}_number"]),
        params=p,
        ask=f"returns which {what} of the year, 1 to {example}, the ISO date `{p}` is in",
        body=f"return (int({p}[5:7]) - 1) // {months} + 1",
        calls=iso(some_days(rng, 5)),
        expect=lambda text: next(n for n in range(1, 7) if date.fromisoformat(text).month <= n * months),
    )
