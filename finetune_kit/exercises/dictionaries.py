"""Exercises on dictionaries."""

from __future__ import annotations

from random import Random

from finetune_kit.exercises.draws import int_lists, ints, lit, sentences, shuffled, tables, word, words
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
        calls=[
            shuffled(rng, [*row, row[0], row[0][:2] + "t"]) for row in (words(rng, n) for n in (3, 2, 4, 3))
        ],
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
    phrase, sign = rng.choice(
        [("greater than", ">"), ("less than", "<"), ("of at least", ">="), ("of at most", "<=")]
    )
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


@seen
def sum_by_prefix(rng: Random) -> Function:
    start, letter = rng.random() < 0.5, rng.choice("rstb")
    where = "start" if start else "end"
    p = rng.choice(["data", "costs", "table"])

    def table() -> dict[str, int]:
        keys = [*words(rng, 2), *(letter + w if start else w + letter for w in words(rng, 2))]
        return dict(zip(shuffled(rng, keys), ints(rng, 4), strict=True))

    return Function(
        name=rng.choice([f"sum_{letter}", "partial_total", "sum_matching"]),
        params=p,
        ask=f'adds up the values of the dict `{p}` whose keys {where} with "{letter}"',
        body=f'return sum(value for key, value in {p}.items() if key.{where}swith("{letter}"))',
        calls=[table() for _ in range(4)],
        expect=lambda data: sum(data[k] for k in data if k[0 if start else -1] == letter),
    )


@seen
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
def group_words(rng: Random) -> Function:
    key, what, slug = rng.choice(
        [
            ("word[0]", "first letter", "first"),
            ("word[-1]", "last letter", "last"),
            ("len(word)", "length", "length"),
        ]
    )
    p = rng.choice(["words", "names"])
    rows = [
        shuffled(rng, [*ws, ws[0] + "s", ws[1][:2] + ws[0][-1]])
        for ws in (words(rng, 2 + i % 2) for i in range(4))
    ]
    return Function(
        name=rng.choice([f"group_by_{slug}", f"group_{p}", "make_groups"]),
        params=p,
        ask=f"groups the list `{p}` by {what}: it returns a dict from each {what} to the list of its {p}",
        body=f"""
            groups = {{}}
            for word in {p}:
                groups.setdefault({key}, []).append(word)
            return groups
        """,
        calls=rows,
    )


@unseen
def merge_counts(rng: Random) -> Function:
    a, b = rng.choice([("a", "b"), ("first", "second"), ("old", "new")])
    minus = rng.random() < 0.5
    pairs = []
    for left, right in zip(tables(rng, 4, length=3), tables(rng, 4, length=2), strict=True):
        pairs.append((left, right | {next(iter(left)): rng.randint(1, 9)}))
    return Function(
        name=rng.choice(
            ["subtract_counts", "difference", "take_away"]
            if minus
            else ["merge_counts", "add_dicts", "combine"]
        ),
        params=f"{a}, {b}",
        ask=f"returns a dict with, for each key of `{a}` or `{b}`, the value in `{a}` "
        f"{'minus' if minus else 'plus'} "
        f"that in `{b}`, where a missing key counts as 0",
        body=f"return {{key: {a}.get(key, 0) {'-' if minus else '+'} {b}.get(key, 0) for key in {a} | {b}}}",
        calls=pairs,
    )


@seen
def rename_key(rng: Random) -> Function:
    old, new = words(rng, 2)
    p = rng.choice(["data", "record"])
    others = [{k: v for k, v in table.items() if k not in (old, new)} for table in tables(rng, 4, length=3)]
    return Function(
        name=rng.choice(["rename_key", f"rename_{old}", f"{old}_to_{new}"]),
        params=p,
        ask=f'returns a copy of the dict `{p}` with the key "{old}" renamed to "{new}"',
        body=f'return {{"{new}" if k == "{old}" else k: v for k, v in {p}.items()}}',
        calls=[{old: rng.randint(1, 9)} | table for table in others],
    )


@seen
def nested_get(rng: Random) -> Function:
    a, b = words(rng, 2)
    default = rng.choice([None, 0, -1, "none", "", 1])
    p = rng.choice(["config", "data", "settings"])
    return Function(
        name=rng.choice([f"get_{b}", f"read_{b}", "lookup"]),
        params=p,
        ask=f'returns the value under "{b}" in the dict under "{a}" in `{p}`, or {lit(default)} if '
        f"either is missing",
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
def drop_or_pick_keys(rng: Random) -> Function:
    chosen, pick = words(rng, 2), rng.random() < 0.5
    p = rng.choice(["data", "record", "row"])
    names = f'("{chosen[0]}", "{chosen[1]}")'
    rests = [{k: v for k, v in table.items() if k not in chosen} for table in tables(rng, 4, length=3)]
    return Function(
        name=rng.choice(["pick_keys", "keep_keys"] if pick else ["drop_keys", "without_keys"]),
        params=p,
        ask=f"returns a copy of the dict `{p}` {'with only' if pick else 'without'} the keys "
        f'"{chosen[0]}" and "{chosen[1]}"',
        body=f"return {{key: {p}[key] for key in {names}}}"
        if pick
        else f"return {{k: v for k, v in {p}.items() if k not in {names}}}",
        calls=[
            dict(shuffled(rng, [*rest.items(), *zip(chosen, ints(rng, 2), strict=True)])) for rest in rests
        ],
        expect=lambda data: {k: data[k] for k in data if (k in chosen) is pick},
    )


@seen
def zip_dict(rng: Random) -> Function:
    k, keys = rng.randint(2, 9), rng.choice(["names", "keys", "labels"])
    what, term = rng.choice([("plus", "value + {}"), ("times", "value * {}"), ("minus", "value - {}")])
    return Function(
        name=rng.choice(["make_dict", "build_table", "pair_up"]),
        params=f"{keys}, values",
        ask=f"returns a dict from each of the `{keys}` to the number at the same place in `values` "
        f"{what} {k}",
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
