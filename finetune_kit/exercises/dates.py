"""Exercises on dates and times."""

from __future__ import annotations

from calendar import monthrange
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
        ask=f"returns the date {n} {unit} {'after' if later else 'before'} `{p}`, both as text like "
        f'"2024-05-31"',
        imports=IMPORT_DELTA,
        body=f"return (date.fromisoformat({p}) {'+' if later else '-'} timedelta({unit}={n})).isoformat()",
        calls=iso(some_days(rng, 4)),
    )


@seen
def is_weekday(rng: Random) -> Function:
    k = rng.randrange(7)
    weekend = rng.random() < 0.2
    test, what = (">= 5", "a Saturday or Sunday") if weekend else (f"== {k}", f"a {DAYS[k]}")
    day = some_days(rng, 1)[0]
    hits = [
        day + timedelta(days=(5 if weekend else k) - day.weekday() + 7 * n) for n in rng.sample(range(40), 3)
    ]
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
def date_to_iso(rng: Random) -> Function:
    sign = rng.choice(["/", ".", " ", ":", "_"])
    order, code = rng.choice([("day, month, year", "%d{0}%m{0}%Y"), ("month, day, year", "%m{0}%d{0}%Y")])
    shown = date(2024, 5, 31).strftime(code.format(sign))
    return Function(
        name=rng.choice(["to_iso", "parse_date", "iso_date"]),
        params="text",
        ask=f'turns a date like "{shown}" ({order}) into ISO form like "2024-05-31"',
        body=f"""
            {order} = text.split("{sign}")
            return f"{{year}}-{{month}}-{{day}}"
        """,
        calls=[day.strftime(code.format(sign)) for day in some_days(rng, 4)],
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


@seen
def dates_in_year(rng: Random) -> Function:
    year, month = rng.randint(2005, 2025), rng.randint(1, 12)
    by_year, count = rng.random() < 0.6, rng.random() < 0.5
    test = f'd.startswith("{year}-")' if by_year else f'd[5:7] == "{month:02}"'
    days = (
        [
            [d.replace(year=year) if by_year else d.replace(day=3, month=month) for d in some_days(rng, n)]
            + some_days(rng, 2)
            for n in (1, 2, 3, 0)
        ]
        if not by_year
        else [
            [d.replace(day=7, year=year) for d in some_days(rng, n)] + some_days(rng, 2) for n in (1, 2, 3, 0)
        ]
    )
    return Function(
        name=rng.choice(
            ["count_dates" if count else "select_dates", f"in_{year}" if by_year else "in_month"]
        ),
        params="dates",
        ask=f"{'counts' if count else 'lists'} the ISO dates in the list `dates` that are in "
        f"{f'the year {year}' if by_year else f'month {month} of any year'}",
        body=f"return sum({test} for d in dates)" if count else f"return [d for d in dates if {test}]",
        calls=[iso(shuffled(rng, row)) for row in days],
    )


@unseen
def days_in_month(rng: Random) -> Function:
    left, p = rng.random() < 0.5, rng.choice(["text", "day", "iso", "today"])
    what = (
        "how many days are left in the month after the ISO date"
        if left
        else "the number of days in the month of"
    )
    return Function(
        name=rng.choice(
            ["days_left", "days_remaining", "rest_of_month"]
            if left
            else ["days_in_month", "month_length", "month_days"]
        ),
        params=p,
        ask=f"returns {what} `{p}`" + ("" if left else ', a date like "2024-05-31"'),
        imports="from calendar import monthrange\nfrom datetime import date",
        body=f"""
            d = date.fromisoformat({p})
            return monthrange(d.year, d.month)[1]{" - d.day" if left else ""}
        """,
        calls=["2024-02-10", "2023-02-20", *iso(some_days(rng, 3))],
        expect=lambda text: monthrange(int(text[:4]), int(text[5:7]))[1] - (int(text[8:]) if left else 0),
    )


@seen
def set_day(rng: Random) -> Function:
    k, what = rng.randint(1, 28), rng.choice(["day", "month", "year"])
    value = {"day": k, "month": k % 12 + 1, "year": 1990 + k}[what]
    p = rng.choice(["text", "start"])
    return Function(
        name=rng.choice([f"set_{what}", f"change_{what}", f"with_{what}"]),
        params=p,
        ask=f"returns the ISO date `{p}` with its {what} changed to {value}, again in ISO form",
        imports=IMPORT,
        body=f"return date.fromisoformat({p}).replace({what}={value}).isoformat()",
        calls=[day.replace(day=day.day % 28 + 1).isoformat() for day in some_days(rng, 4)],
    )


@unseen
def date_series(rng: Random) -> Function:
    step, back = rng.randint(1, 14), rng.random() < 0.3
    gap = "1 day" if step == 1 else f"{step} days"
    delta = f"timedelta(days={'i' if step == 1 else f'{step} * i'})"
    return Function(
        name=rng.choice(["date_series", "schedule", "list_dates"]),
        params="start, n",
        ask=f"returns a list of `n` ISO dates, from the date `start` {'back' if back else 'on'} in "
        f"steps of {gap}",
        imports=IMPORT_DELTA,
        body=f"""
            day = date.fromisoformat(start)
            return [(day {"-" if back else "+"} {delta}).isoformat() for i in range(n)]
        """,
        calls=[(text, n) for text, n in zip(iso(some_days(rng, 4)), (2, 3, 1, 3), strict=True)],
    )


@seen
def clock_difference(rng: Random) -> Function:
    unit = rng.choice(["minutes", "seconds"])
    a, b = rng.choice([("start", "end"), ("begin", "finish"), ("first", "last"), ("opens", "closes")])

    def clock(low: int, high: int) -> str:
        return f"{rng.randint(low, high):02}:{rng.randint(0, 59):02}"

    return Function(
        name=rng.choice([f"{unit}_between", "time_taken", "elapsed"]),
        params=f"{a}, {b}",
        ask=f'returns the {unit} from `{a}` to `{b}`, times like "09:30" on one day',
        imports="from datetime import datetime",
        body=f"""
            gap = datetime.strptime({b}, "%H:%M") - datetime.strptime({a}, "%H:%M")
            return gap.seconds{" // 60" if unit == "minutes" else ""}
        """,
        calls=[(clock(0, 11), clock(12, 23)) for _ in range(4)],
        expect=lambda x, y: (
            (int(y[:2]) * 60 + int(y[3:]) - int(x[:2]) * 60 - int(x[3:])) * (1 if unit == "minutes" else 60)
        ),
    )
