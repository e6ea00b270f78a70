"""Exercises that draw one value, or running values, from a list of numbers."""

from __future__ import annotations

from random import Random

from finetune_kit.exercises.draws import REDUCE, int_lists, ints, shuffled
from finetune_kit.exercises.family import Function, seen, unseen


@unseen
def sum_of_powers(rng: Random) -> Function:
    power, power_name = rng.choice([(1, ""), (2, "squares of the "), (3, "cubes of the ")])
    kind, rest = rng.choice([("even", 0), ("odd", 1)])
    return Function(
        name=rng.choice([f"sum_{kind}", f"{kind}_total", "add_up"]),
        params="numbers",
        ask=f"returns the sum of the {power_name}{kind} numbers in `numbers`",
        body=f"return sum(n{f'**{power}' if power > 1 else ''} for n in numbers if n % 2 == {rest})",
        calls=int_lists(rng, 5, 1, 12),
        buggy=f"return sum(n % 2 == {rest} for n in numbers)",
    )


@seen
def sum_beyond(rng: Random) -> Function:
    k = rng.randint(3, 14)
    phrase, sign = rng.choice(
        [("greater than", ">"), ("less than", "<"), ("not equal to", "!="), ("of at least", ">=")]
    )
    p = rng.choice(["numbers", "prices", "scores"])
    return Function(
        name=rng.choice(["sum_some", "partial_sum", "total"]),
        params=p,
        ask=rng.choice([f"adds up the `{p}` {phrase} {k}", f"returns the sum of all `{p}` {phrase} {k}"]),
        body=f"return sum(n for n in {p} if n {sign} {k})",
        calls=[[k, k + 1, *row] for row in int_lists(rng, 4)],
        buggy=f"return sum(n {sign} {k} for n in {p})",
    )


@seen
def running_values(rng: Random) -> Function:
    what, extra, reduce = rng.choice(
        [
            ("totals", "", "sum"),
            ("maxima", ", max", "max"),
            ("minima", ", min", "min"),
            ("products", ", mul", "prod"),
        ]
    )
    p = rng.choice(["numbers", "values"])
    start = "from itertools import accumulate"
    return Function(
        name=rng.choice([f"running_{what}", f"{what}_so_far"]),
        params=p,
        ask=f"returns a list of the running {what} of `{p}`",
        imports=start + ("\nfrom operator import mul" if what == "products" else ""),
        body=f"return list(accumulate({p}{extra}))",
        calls=int_lists(rng, 4, 1, 9),
        expect=lambda numbers: [REDUCE[reduce](numbers[: i + 1]) for i in range(len(numbers))],
    )


@seen
def differences(rng: Random) -> Function:
    forward, absolute = rng.random() < 0.5, rng.random() < 0.4
    x, y = rng.choice([("a", "b"), ("x", "y")])
    p = rng.choice(["numbers", "values", "levels"])
    step = f"{y} - {x}" if forward else f"{x} - {y}"
    what = "each number minus the one before it" if forward else "each number minus the one after it"
    return Function(
        name=rng.choice(["differences", "steps", "changes"]),
        params=p,
        ask=f"returns a list of the absolute differences of neighbours in `{p}`"
        if absolute
        else f"returns a list of {what} in `{p}`, so one item less than `{p}` has",
        body=f"return [{f'abs({step})' if absolute else step} for {x}, {y} in zip({p}, {p}[1:])]",
        calls=int_lists(rng, 4, 1, 30),
    )


@seen
def mean_or_default(rng: Random) -> Function:
    digits, empty = rng.randint(1, 3), rng.choice([0, None, -1])
    p = rng.choice(["numbers", "grades", "values"])
    return Function(
        name=rng.choice(["mean", "average", f"average_of_{p}"]),
        params=p,
        ask=f"returns the mean of `{p}` rounded to {digits} decimal{'s' * (digits > 1)}, or {empty} for an empty list",
        body=f"return round(sum({p}) / len({p}), {digits}) if {p} else {empty}",
        calls=[[], *int_lists(rng, 4, 1, 30, 4)],
        buggy=f"return round(sum({p}) / len({p}), {digits})",
    )


@seen
def kth_value(rng: Random) -> Function:
    k = rng.randint(2, 4)
    order = {2: "second", 3: "third", 4: "fourth"}[k]
    kind, extra = rng.choice([("largest", ", reverse=True"), ("smallest", "")])
    p = rng.choice(["numbers", "values"])
    return Function(
        name=rng.choice([f"{order}_{kind}", f"get_{order}", "ranked"]),
        params=p,
        ask=f"returns the {order} {kind} of the `{p}`, which are all different",
        body=f"return sorted({p}{extra})[{k - 1}]",
        calls=[rng.sample(range(1, 50), n) for n in (5, 6, 4, 7, 5)],
        buggy=f"return sorted({p}{extra})[{k}]",
    )


@seen
def count_between(rng: Random) -> Function:
    low = rng.randint(2, 8)
    high = low + rng.randint(3, 8)
    inside = rng.random() < 0.7
    return Function(
        name=rng.choice(["count_between" if inside else "count_outside", "in_range" if inside else "outliers"]),
        params="numbers",
        ask=f"returns how many `numbers` are between {low} and {high}, both included"
        if inside
        else f"returns how many `numbers` are below {low} or above {high}",
        body=f"return sum({low} <= n <= {high} for n in numbers)"
        if inside
        else f"return sum(n < {low} or n > {high} for n in numbers)",
        calls=[[low, *row, high] for row in int_lists(rng, 6, 1, 20, 4)],
        expect=lambda numbers: len([n for n in numbers if (n in range(low, high + 1)) is inside]),
    )


@seen
def is_ordered(rng: Random) -> Function:
    word, sign, strict = rng.choice(
        [
            ("ascending", "<=", False),
            ("ascending", "<", True),
            ("descending", ">=", False),
            ("descending", ">", True),
        ]
    )
    p = rng.choice(["numbers", "values"])
    base = sorted(rng.sample(range(1, 40), 5), reverse=word == "descending")
    tied = [base[0], *base]
    calls = [base, tied, base[1:], [*base, base[0]], base[::-1], [*tied, base[-1]], shuffled(rng, base)]
    return Function(
        name=rng.choice([f"is_{word}", "is_sorted", "in_order", f"check_{word}"]),
        params=p,
        ask=f"returns whether `{p}` are in {'strictly ' * strict}{word} order"
        + ("" if strict else ", where equal neighbours are fine"),
        body=f"return all(a {sign} b for a, b in zip({p}, {p}[1:]))",
        calls=[*shuffled(rng, calls[:6]), calls[6]],
    )


@seen
def combine_lists(rng: Random) -> Function:
    what, term = rng.choice(
        [
            ("products", "{0} * {1}"),
            ("absolute differences", "abs({0} - {1})"),
            ("larger values", "max({0}, {1})"),
            ("smaller values", "min({0}, {1})"),
        ]
    )
    a, b = rng.choice([("xs", "ys"), ("first", "second"), ("left", "right")])
    x, y = rng.choice([("x", "y"), ("p", "q")])
    return Function(
        name=rng.choice(["combine_sum", "pair_total", "sum_pairs"]),
        params=f"{a}, {b}",
        ask=f"returns the sum of the {what} of the pairs of numbers in `{a}` and `{b}`",
        body=f"return sum({term.format(x, y)} for {x}, {y} in zip({a}, {b}))",
        calls=[(ints(rng, n), ints(rng, n)) for n in (3, 4, 2, 3)],
    )


@seen
def closest(rng: Random) -> Function:
    k, far = rng.randint(5, 40), rng.random() < 0.4
    p = rng.choice(["numbers", "values"])
    lists = [
        shuffled(rng, [k + a * s for a, s in zip(rng.sample(range(1, 30), 4), signs, strict=True)])
        for signs in ((1, -1, 1, -1), (1, 1, -1, -1), (-1, 1, 1, -1), (-1, -1, 1, 1))
    ]
    return Function(
        name=rng.choice([f"farthest_from_{k}" if far else f"closest_to_{k}", "far_value" if far else "nearest"]),
        params=p,
        ask=f"returns the one of the `{p}` that is {'farthest from' if far else 'closest to'} {k}",
        body=f"return {'max' if far else 'min'}({p}, key=lambda n: abs(n - {k}))",
        calls=lists,
        expect=lambda numbers: sorted((abs(n - k), n) for n in numbers)[-1 if far else 0][1],
        buggy=f"return {'max' if far else 'min'}({p})",
    )
