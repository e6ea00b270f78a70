"""Exercises on dictionaries."""

from __future__ import annotations

from random import Random

from finetune_kit.exercises.draws import (
    ITEMS,
    PEOPLE,
    int_lists,
    lit,
    sentences,
    shuffled,
    tables,
    word,
    words,
)
from finetune_kit.exercises.family import Function, seen, unseen


@seen
def count_items(rng: Random) -> Function:
    key, what = rng.choice(
        [
            ("word", "word to how often it occurs in the list `words`"),
            ("len(word)", "length to how many of the `words` have it"),
            ("word[0]", "first letter to how many of the `words` have it"),
            ("word[-1]", "last letter to how many of the `words` have it"),
        ]
    )
    return Function(
        name=rng.choice(["tally", "count_items", "frequencies", "histogram"]),
        params="words",
        ask=f"returns a dict from each {what}",
        body=f"""
            counts = {{}}
            for word in words:
                counts[{key}] = counts.get({key}, 0) + 1
            return counts
        """,
        calls=[shuffled(rng, [*row, row[0], row[0][:2] + "t"]) for row in (words(rng, n) for n in (3, 2, 4, 3))],
    )


@seen
def invert(rng: Random) -> Function:
    p = rng.choice(["data", "table", "mapping"])
    method, how = rng.choice([("", ""), (".upper()", ", in upper case,"), (".title()", ", capitalized,")])
    return Function(
        name=rng.choice(["invert", "swap_keys", "reverse_dict"]),
        params=p,
        ask=f"returns a dict from the values of `{p}` to its keys{how.rstrip(',')}",
        body=f"return {{value: key{method} for key, value in {p}.items()}}",
        calls=tables(rng, 4, 1, 30, 3),
        buggy=f"return {{key: value for key, value in {p}.items()}}",
    )


@seen
def filter_dict(rng: Random) -> Function:
    k, p = rng.randint(4, 15), rng.choice(["stock", "scores", "prices", "ages"])
    phrase, sign = rng.choice([("greater than", ">"), ("less than", "<"), ("of at least", ">="), ("of at most", "<=")])
    keys = rng.random() < 0.4
    return Function(
        name=rng.choice(["filter_items", f"filter_{p}", f"select_{p}"]),
        params=p,
        ask=f"returns {'a list of the keys' if keys else 'a dict of the items'} of the dict `{p}` with "
        f"a value {phrase} {k}",
        body=f"return [key for key, value in {p}.items() if value {sign} {k}]"
        if keys
        else f"return {{key: value for key, value in {p}.items() if value {sign} {k}}}",
        calls=[table | {"edge": k} for table in tables(rng, 4)],
        buggy=f"return [value {sign} {k} for value in {p}.values()]",
    )


@unseen
def best_key(rng: Random) -> Function:
    kind, best = rng.choice([("highest", "max"), ("lowest", "min")])
    p = rng.choice(["scores", "prices", "votes", "ages"])
    return Function(
        name=rng.choice([f"{kind}_key", f"find_{kind}", f"{best}_key"]),
        params=p,
        ask=f"returns the key with the {kind} value in the dict `{p}`",
        body=f"return {best}({p}, key={p}.get)",
        calls=tables(rng, 5),
        expect=lambda data: sorted((v, k) for k, v in data.items())[-1 if best == "max" else 0][1],
        buggy=f"return {best}({p})",
    )


@seen
def nested_get(rng: Random) -> Function:
    a, b = words(rng, 2)
    default = rng.choice([None, 0, -1, "none", "", 1])
    p = rng.choice(["config", "data", "settings"])
    return Function(
        name=rng.choice([f"get_{b}", f"read_{b}", "lookup"]),
        params=p,
        ask=f'returns the value under "{b}" in the dict under "{a}" in `{p}`, or {lit(default)} if either is missing',
        body=f'return {p}.get("{a}", {{}}).get("{b}"{f", {lit(default)}" if default is not None else ""})',
        calls=[
            {a: {b: rng.randint(2, 99)}},
            {a: {}},
            {a: {word(rng) + "s": 2, b: word(rng)}},
            {},
            {a: {b: 7}},
        ],
        buggy=f'return {p}["{a}"]["{b}"]',
    )


@seen
def keys_by_value(rng: Random) -> Function:
    down, n = rng.random() < 0.5, rng.choice([0, 2, 3])
    p = rng.choice(["scores", "stock", "votes"])
    order = "from highest to lowest" if down else "from lowest to highest"
    return Function(
        name=rng.choice(["ranking", "sorted_keys", "keys_in_order"]) + ("_top" if n and down else ""),
        params=p,
        ask=f"returns the {f'first {n} ' if n else ''}keys of the dict `{p}` sorted by value, {order}",
        body=f"return sorted({p}, key={p}.get{', reverse=True' if down else ''}){f'[:{n}]' if n else ''}",
        calls=tables(rng, 4, 1, 50, 5),
        buggy=f"return sorted({p}){f'[:{n}]' if n else ''}",
    )


@seen
def zip_dict(rng: Random) -> Function:
    k, keys = rng.randint(2, 9), rng.choice(["names", "keys", "labels"])
    what, term = rng.choice([("plus", "value + {}"), ("times", "value * {}"), ("minus", "value - {}")])
    return Function(
        name=rng.choice(["make_dict", "build_table", "pair_up"]),
        params=f"{keys}, values",
        ask=f"returns a dict from each of the `{keys}` to the number at the same place in `values` {what} {k}",
        body=f"return {{key: {term.format(k)} for key, value in zip({keys}, values)}}",
        calls=[(words(rng, len(row)), row) for row in int_lists(rng, 4, 1, 30, 3)],
    )


@seen
def count_in_text(rng: Random) -> Function:
    letters = "".join(sorted(rng.sample("aeiorst", 3)))
    return Function(
        name=rng.choice(["letter_counts", "count_letters", "tally_letters"]),
        params="text",
        ask=f'returns a dict with how often each of the letters "{letters[0]}", "{letters[1]}" and '
        f'"{letters[2]}" '
        "occurs in `text`",
        body=f'return {{letter: text.count(letter) for letter in "{letters}"}}',
        calls=sentences(rng, 4),
        expect=lambda text: {letter: sum(c == letter for c in text) for letter in letters},
    )


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
def is_member(rng: Random) -> Function:
    people = rng.sample(PEOPLE, 6)
    members, others, negate = people[:3], people[3:], rng.random() < 0.4
    p = rng.choice(["name", "person", "guest"])
    return Function(
        name=rng.choice(["is_missing", "is_stranger"] if negate else ["is_member", "is_invited", "is_listed"]),
        params=p,
        ask=f"returns whether `{p}` is {'not ' if negate else ''}in the given list, ignoring case",
        given=", ".join(members),
        body=f"return {p}.lower() {'not ' if negate else ''}in {lit(tuple(m.lower() for m in members))}",
        calls=shuffled(rng, [members[0].upper(), members[1].lower(), members[2], *others, word(rng)]),
        expect=lambda name: (name.title() in members) is not negate,
    )
