"""Exercises on whole numbers, their digits and simple formulas."""

from __future__ import annotations

from random import Random

from finetune_kit.exercises.draws import shuffled, word
from finetune_kit.exercises.family import Function, seen, unseen


@seen
def sum_of_multiples(rng: Random) -> Function:
    k = rng.randint(3, 12)
    end, stop = rng.choice([("below `n`", "n"), ("up to and including `n`", "n + 1")])
    what, body = rng.choice(
        [
            ("the sum of the", f"sum(range({k}, {stop}, {k}))"),
            ("a list of the", f"list(range({k}, {stop}, {k}))"),
        ]
    )
    return Function(
        name=rng.choice([f"multiples_of_{k}", "multiples"]) + ("_sum" if "sum" in what else ""),
        params="n",
        ask=f"returns {what} positive multiples of {k} {end}",
        body=f"return {body}",
        calls=[k * 3, k, *rng.sample(range(k * 2, 60), 4)],
        buggy=f"return {body.replace(f'({k}, ', '(1, ')}",
    )


@unseen
def divisible_check(rng: Random) -> Function:
    a, b = rng.sample([2, 3, 5, 7], 2)
    what, test = rng.choice(
        [
            (f"by both {a} and {b}", f"n % {a} == 0 and n % {b} == 0"),
            (f"by {a} or {b}", f"n % {a} == 0 or n % {b} == 0"),
            (f"by {a} but not by {b}", f"n % {a} == 0 and n % {b} != 0"),
            (f"by neither {a} nor {b}", f"n % {a} != 0 and n % {b} != 0"),
        ]
    )
    return Function(
        name=rng.choice(["is_divisible", "check_number", "divides"]),
        params="n",
        ask=f"returns whether `n` is divisible {what}",
        body=f"return {test}",
        calls=shuffled(rng, [a * b, a * b * 3, a, b, a * b + 1, a * a * 11, a * b * 2 - 1]),
    )


@seen
def word_or_number(rng: Random) -> Function:
    k, text = rng.randint(3, 9), rng.choice(["Fizz", "Buzz", "Bang", "Pop", "Clap", "Hop", word(rng).title()])
    return Function(
        name=rng.choice(["say", "word_or_number", f"{text.lower()}_or_number"]),
        params="n",
        ask=f'returns "{text}" if `n` is a multiple of {k}, otherwise `n` as a string',
        body=f'return "{text}" if n % {k} == 0 else str(n)',
        calls=shuffled(rng, [k, k * 4, k + 1, k * 2 - 1, k * 7]),
        expect=lambda n: str(n) if n % k else text,
    )


@seen
def convert_units(rng: Random) -> Function:
    one, source, target, factor = rng.choice(
        [
            ("mile", "miles", "kilometres", 1.609),
            ("pound", "pounds", "kilograms", 0.454),
            ("inch", "inches", "centimetres", 2.54),
            ("gallon", "gallons", "litres", 3.785),
            ("foot", "feet", "metres", 0.305),
            ("ounce", "ounces", "grams", 28.35),
        ]
    )
    digits, back = rng.randint(1, 2), rng.random() < 0.4
    old, new = (target, source) if back else (source, target)
    return Function(
        name=rng.choice([f"{old}_to_{new}", f"to_{new}", "convert"]),
        params=old,
        ask=f"converts {old} to {new}, rounded to {digits} decimal{'s' * (digits > 1)}, "
        f"where 1 {one}"
        f" is {factor} {target}",
        body=f"return round({old} {'/' if back else '*'} {factor}, {digits})",
        calls=rng.sample(range(1, 60), 4),
    )


@seen
def discount(rng: Random) -> Function:
    percent, p = rng.choice([5, 10, 15, 20, 25, 30, 40]), rng.choice(["price", "amount", "cost"])
    off = rng.random() < 0.5
    return Function(
        name=rng.choice(["discounted" if off else "with_tax", f"final_{p}", f"new_{p}"]),
        params=p,
        ask=f"returns `{p}` {'reduced' if off else 'raised'} by {percent} percent, rounded to 2 decimals",
        body=f"return round({p} * {(100 - percent if off else 100 + percent) / 100}, 2)",
        calls=[100, *rng.sample(range(20, 400, 20), 4)],
        buggy=f"return round({p} {'-' if off else '+'} {percent}, 2)",
    )


@seen
def clamp(rng: Random) -> Function:
    low = rng.randint(-5, 10)
    high = low + rng.randint(8, 40)
    p = rng.choice(["n", "value", "x"])
    return Function(
        name=rng.choice(["clamp", "limit", "keep_inside"]),
        params=p,
        ask=f"returns `{p}`, or {low} if it is lower than that, or {high} if it is higher",
        body=f"return max({low}, min({p}, {high}))",
        calls=[low - 3, high + 4, *rng.sample(range(low + 1, high), 2), low - 20],
        expect=lambda n: sorted([low, n, high])[1],
        buggy=f"return min({low}, max({p}, {high}))",
    )


@seen
def label_by_limit(rng: Random) -> Function:
    k, (low, high) = (
        rng.randint(5, 90),
        rng.choice([("low", "high"), ("small", "large"), ("fail", "pass"), ("cold", "warm"), ("light", "heavy")]),
    )
    p = rng.choice(["n", "value", "score"])
    strict = rng.random() < 0.5
    return Function(
        name=rng.choice(["label", "classify", "rate"]),
        params=p,
        ask=f'returns "{low}" if `{p}` is below {k}, else "{high}"'
        if strict
        else f'returns "{high}" if `{p}` is greater than {k}, otherwise "{low}"',
        body=f'return "{low}" if {p} < {k} else "{high}"' if strict else f'return "{high}" if {p} > {k} else "{low}"',
        calls=[k, k - 1, k + 1, *rng.sample(range(100), 2)],
    )


@seen
def round_to_step(rng: Random) -> Function:
    k, up, p = rng.randint(3, 25), rng.random() < 0.5, rng.choice(["n", "value"])
    return Function(
        name=rng.choice([f"round_{'up' if up else 'down'}", f"{'next' if up else 'previous'}_multiple", "snap"]),
        params=p,
        ask=f"rounds the integer `{p}` {'up' if up else 'down'} to a multiple of {k}",
        body=f"return -(-{p} // {k}) * {k}" if up else f"return {p} // {k} * {k}",
        calls=[k * 3, *rng.sample(range(1, 120), 4)],
        expect=lambda n: next(m for m in range(0, 200, k) if (m >= n if up else m + k > n)),
    )


@unseen
def compound_growth(rng: Random) -> Function:
    # Whole hundreds at these rates never end in half a cent, so every way to compute it rounds alike.
    percent, p = rng.choice([2, 3, 4, 6, 7, 8, 9]), rng.choice(["amount", "balance", "savings"])
    return Function(
        name=rng.choice(["grow", "compound", "future_value"]),
        params=f"{p}, years",
        ask=f"returns `{p}` after growing by {percent} percent every year, rounded to 2 decimals",
        body=f"return round({p} * {1 + percent / 100:.2f}**years, 2)",
        calls=[(rng.randrange(100, 1000, 100), years) for years in (2, 1, 3, 5, 4)],
        expect=lambda amount, years: round(amount * (100 + percent) ** years / 100**years, 2),
    )


@seen
def split_units(rng: Random) -> Function:
    k = rng.randint(5, 60)
    small, big = rng.choice([("eggs", "boxes"), ("minutes", "shifts"), ("coins", "rolls"), ("pages", "chapters")])
    both = rng.random() < 0.5
    return Function(
        name=rng.choice([f"pack_{small}", f"{small}_to_{big}", f"fill_{big}"]),
        params=small,
        ask=f"returns how many full {big} of {k} {small} there are and how many {small} are left, as a tuple"
        if both
        else f"returns how many {small} are left after filling {big} of {k}",
        body=f"return divmod({small}, {k})" if both else f"return {small} % {k}",
        calls=[k, *rng.sample(range(10, 250), 4)],
        expect=lambda n: (n // k, n - n // k * k) if both else n - n // k * k,
    )


@seen
def digit_sum(rng: Random) -> Function:
    what, test, parities = rng.choice(
        [
            ("", "", (0, 1)),
            ("even ", " if int(d) % 2 == 0", (0,)),
            ("odd ", " if int(d) % 2 == 1", (1,)),
        ]
    )
    power = rng.choice(["", " ** 2", " ** 3"])
    thing = {"": "", " ** 2": "squares of the ", " ** 3": "cubes of the "}[power]
    return Function(
        name=rng.choice(["digit_sum", "sum_digits", "add_digits"]),
        params="n",
        ask=f"returns the sum of the {thing}{what}digits of the positive integer `n`",
        body=f"return sum(int(d){power} for d in str(n){test})",
        calls=rng.sample(range(100, 9999), 4),
        expect=lambda n: sum(int(d) ** int(power[-1:] or 1) for d in str(n) if int(d) % 2 in parities),
        buggy=f"return sum(int(d) for d in str(n)[1:]{test})",
    )


@seen
def to_base(rng: Random) -> Function:
    base, code = rng.choice([("binary", "b"), ("hexadecimal", "x"), ("octal", "o")])
    width = rng.choice([0, 4, 6, 8, 10, 12])
    padded = f", padded with zeros to {width} digits" if width else " without a prefix"
    return Function(
        name=rng.choice([f"to_{base}", f"{base}_text", "convert_base"]),
        params="n",
        ask=f"returns the integer `n` in {base}{' with lowercase letters' * (code == 'x')}{padded}",
        body=f'return f"{{n:{f"0{width}" if width else ""}{code}}}"',
        calls=rng.sample(range(9, 250), 4),
        expect=lambda n: {"b": bin, "x": hex, "o": oct}[code](n)[2:].zfill(width),
    )


@seen
def divisors(rng: Random) -> Function:
    proper, p = rng.random() < 0.5, rng.choice(["n", "number"])
    what, form = rng.choice(
        [
            ("a list of the", "[d for d in range(1, {0}) if {1} % d == 0]"),
            ("the sum of the", "sum(d for d in range(1, {0}) if {1} % d == 0)"),
            ("the number of", "sum({1} % d == 0 for d in range(1, {0}))"),
        ]
    )
    return Function(
        name=rng.choice(["divisors", "get_divisors", "positive_divisors"]),
        params=p,
        ask=f"returns {what} positive divisors of `{p}`, {'without' if proper else 'including'} `{p}` itself",
        body="return " + form.format(p if proper else f"{p} + 1", p),
        calls=rng.sample(range(6, 70), 5),
    )
