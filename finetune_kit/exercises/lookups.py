"""Exercises whose data stands in the input and goes into the code."""

from __future__ import annotations

from random import Random

from finetune_kit.exercises.draws import ITEMS, PEOPLE, ints, lit, sentences, shuffled, word, words
from finetune_kit.exercises.family import Function, seen, unseen


def price_list(rng: Random, count: int = 3, high: int = 30) -> dict[str, int]:
    """Draws items with different prices."""
    return dict(zip(rng.sample(ITEMS, count), rng.sample(range(2, high), count), strict=True))


def lines(table: dict[str, int] | dict[str, str]) -> str:
    """Writes a table as a person would: one `key: value` a line."""
    return "\n".join(f"{key}: {value}" for key, value in table.items())


@seen
def price_of(rng: Random) -> Function:
    prices, default = price_list(rng), rng.choice([None, 0, -1])
    return Function(
        name=rng.choice(["price_of", "get_price", "find_price", "lookup_price"]),
        params="item",
        ask=f"returns the price of `item` from the given list, or {default} for an unknown item",
        given=lines(prices),
        body=f"""
            prices = {lit(prices)}
            return prices.get(item{"" if default is None else f", {default}"})
        """,
        calls=[*shuffled(rng, [*prices, "gold"]), "silver"],
        expect=lambda item: (dict.fromkeys([item], default) | prices)[item],
    )


@seen
def order_total(rng: Random) -> Function:
    prices, fee = price_list(rng), rng.choice([0, 0, 2, 3, 5])
    names = list(prices)
    orders = [rng.choices(names, k=n) for n in (1, 2, 3, 2, 4)]
    return Function(
        name=rng.choice(["order_total", "total_price", "bill", "checkout"]),
        params="items",
        ask=f"returns the total price of the list `items` at the given "
        f"prices{f', plus a fee of {fee}' if fee else ''}",
        given=lines(prices),
        body=f"""
            prices = {lit(prices)}
            return sum(prices[item] for item in items){f" + {fee}" if fee else ""}
        """,
        calls=orders,
    )


@seen
def code_names(rng: Random) -> Function:
    keys, values = words(rng, 3), words(rng, 3)
    codes = {
        key[0].upper() + str(i): value for i, (key, value) in enumerate(zip(keys, values, strict=True), 1)
    }
    p, default = rng.choice(["code", "key", "tag"]), rng.choice(["unknown", "other", "none", "?"])
    return Function(
        name=rng.choice([f"{p}_name", "decode", f"name_of_{p}", "meaning"]),
        params=p,
        ask=f'returns the meaning of `{p}` from the given table, or "{default}" if it is not there',
        given=lines(codes),
        body=f"""
            names = {lit(codes)}
            return names.get({p}, "{default}")
        """,
        calls=[*shuffled(rng, [*codes, "Z9"]), "Q0"],
    )


@seen
def grade(rng: Random) -> Function:
    low = rng.randrange(30, 60, 5)
    high = low + rng.randrange(15, 35, 5)
    top, middle, bottom = rng.choice(
        [("A", "B", "C"), ("gold", "silver", "bronze"), ("high", "medium", "low"), ("great", "good", "poor")]
    )
    p = rng.choice(["score", "points", "value"])
    return Function(
        name=rng.choice(["grade", "level", "medal", "rating"]),
        params=p,
        ask=f"returns the label for `{p}` by the given rules",
        given=f"{high} or more: {top}\n{low} or more: {middle}\nless: {bottom}",
        body=f"""
            if {p} >= {high}:
                return "{top}"
            return "{middle}" if {p} >= {low} else "{bottom}"
        """,
        calls=[high, low, low - 1, high - 1, 99, rng.randint(0, 99)],
        expect=lambda n: [bottom, middle, top][(n >= low) + (n >= high)],
    )


@seen
def letter_points(rng: Random) -> Function:
    points = dict(zip(rng.sample("abcdeghilmnoprst", 3), rng.sample(range(2, 10), 3), strict=True))
    rest = rng.choice([0, 1])
    return Function(
        name=rng.choice(["word_score", "points", "score_word", "letter_sum"]),
        params="word",
        ask=f"adds up the given points of the letters of `word`; any other letter counts {rest}",
        given=lines(points),
        body=f"""
            points = {lit(points)}
            return sum(points.get(letter, {rest}) for letter in word)
        """,
        calls=["".join(points), *words(rng, 5)],
    )


@seen
def is_member(rng: Random) -> Function:
    people = rng.sample(PEOPLE, 6)
    members, others, negate = people[:3], people[3:], rng.random() < 0.4
    p = rng.choice(["name", "person", "guest"])
    return Function(
        name=rng.choice(
            ["is_missing", "is_stranger"] if negate else ["is_member", "is_invited", "is_listed"]
        ),
        params=p,
        ask=f"returns whether `{p}` is {'not ' if negate else ''}in the given list, ignoring case",
        given=", ".join(members),
        body=f"return {p}.lower() {'not ' if negate else ''}in {lit(tuple(m.lower() for m in members))}",
        calls=shuffled(rng, [members[0].upper(), members[1].lower(), members[2], *others, word(rng)]),
        expect=lambda name: (name.title() in members) is not negate,
    )


@unseen
def convert_money(rng: Random) -> Function:
    rates = dict(
        zip(
            rng.sample(["EUR", "GBP", "JPY", "CHF", "SEK", "INR"], 3),
            rng.sample(range(2, 40), 3),
            strict=True,
        )
    )
    to = rng.random() < 0.5
    rule = "units per dollar" if to else "dollars per unit"
    return Function(
        name=rng.choice(["convert", "exchange", "from_dollars" if to else "to_dollars"]),
        params="amount, currency",
        ask=f"converts `amount` {'dollars to' if to else 'units of'} "
        f"`currency`{'' if to else ' to dollars'}, "
        f"where the given rates are in {rule}",
        given=lines(rates),
        body=f"""
            rates = {lit(rates)}
            return amount * rates[currency]
        """,
        calls=[(n, c) for n, c in zip(rng.sample(range(2, 50), 4), [*rates, next(iter(rates))], strict=True)],
    )


@seen
def expand_short_forms(rng: Random) -> Function:
    shorts = dict(
        rng.sample(
            [
                ("btw", "by the way"),
                ("asap", "as soon as possible"),
                ("pls", "please"),
                ("thx", "thanks"),
                ("min", "minute"),
                ("dept", "department"),
                ("info", "information"),
                ("max", "maximum"),
            ],
            2,
        )
    )
    p = rng.choice(["text", "message"])
    return Function(
        name=rng.choice(["expand", "long_form", "spell_out"]),
        params=p,
        ask=f"replaces each word of `{p}` that is a given short form by its long form",
        given=lines(shorts),
        body=f"""
            forms = {lit(shorts)}
            return " ".join(forms.get(word, word) for word in {p}.split())
        """,
        calls=[
            " ".join(shuffled(rng, [*text.split(), rng.choice(list(shorts))]))
            for text in sentences(rng, 4, 3)
        ],
    )


@seen
def is_open(rng: Random) -> Function:
    start, end = rng.randint(6, 10), rng.randint(16, 21)
    late = end + rng.randint(1, 2)
    day = rng.choice(["Friday", "Saturday", "Thursday", "Monday"])
    calls = [
        (day, end),
        (day, late),
        ("Sunday", end),
        ("Sunday", start),
        (day, start - 1),
        ("Tuesday", end - 1),
    ]
    return Function(
        name=rng.choice(["is_open", "shop_open", "can_visit"]),
        params="day, hour",
        ask="returns whether the shop is open at the whole `hour` of `day`; it is closed at the closing hour",
        given=f"{day}: {start} to {late}\nother days: {start} to {end}",
        body=f"""
            closing = {late} if day == "{day}" else {end}
            return {start} <= hour < closing
        """,
        calls=[*shuffled(rng, calls), ("Wednesday", start + 1)],
    )


@unseen
def next_stop(rng: Random) -> Function:
    stops, back = [w.title() for w in words(rng, 4)], rng.random() < 0.5
    p = rng.choice(["stop", "station", "place"])
    return Function(
        name=rng.choice([f"{'previous' if back else 'next'}_{p}", f"{p}_{'before' if back else 'after'}"]),
        params=p,
        ask=f"returns the stop {'before' if back else 'after'} `{p}` on the given circular line, "
        f"which {'starts' if back else 'begins'} again after its last stop",
        given=" - ".join(stops),
        body=f"""
            stops = {lit(stops)}
            return stops[{f"stops.index({p}) - 1" if back else f"(stops.index({p}) + 1) % {len(stops)}"}]
        """,
        calls=[*shuffled(rng, stops), stops[0]][: len(stops)],
        expect=lambda stop: dict(
            zip(stops, stops[-1:] + stops[:-1] if back else stops[1:] + stops[:1], strict=True)
        )[stop],
    )


@seen
def complete_constants(rng: Random) -> Function:
    a, b, c = ints(rng, 3, 2, 12)
    thing, x, y = rng.choice(
        [
            ("ticket", "adults", "children"),
            ("parcel", "books", "toys"),
            ("trip", "nights", "meals"),
            ("job", "hours", "visits"),
        ]
    )
    name = rng.choice([f"{thing}_cost", f"{thing}_price", f"price_of_{thing}"])
    return Function(
        name=name,
        params=f"{x}, {y}",
        ask=f"returns the cost of a {thing} by the given prices",
        given=f"base price: {a}\nfor each of `{x}`: {b}\nfor each of `{y}`: {c}",
        body=f"return {a} + {b} * {x} + {c} * {y}",
        calls=[(0, 1), *[(rng.randint(1, 5), rng.randint(0, 5)) for _ in range(4)]],
    )
