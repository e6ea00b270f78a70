"""Exercises on writing values as text."""

from __future__ import annotations

from random import Random

from finetune_kit.exercises.draws import PEOPLE, ints, lit, sentences, word, words
from finetune_kit.exercises.family import Function, seen, unseen


@seen
def money(rng: Random) -> Function:
    sign, digits = rng.choice(["$", "EUR ", "GBP ", "CHF ", "kr "]), rng.choice([0, 1, 2, 3])
    comma = rng.random() < 0.5
    places = f"{digits} decimal{'s' * (digits != 1)}" if digits else "no decimals"
    return Function(
        name=rng.choice(["format_price", "price_label", "show_amount"]),
        params="amount",
        ask=f'formats `amount` with "{sign}" in front, {places} and {"commas" if comma else "no commas"} for thousands',
        body=f'return f"{sign}{{amount:{"," if comma else ""}.{digits}f}}"',
        calls=[
            1234567.126,
            rng.randint(1000, 9999) + 0.27,
            rng.randint(1, 99) + 0.74,
            rng.randint(10**4, 10**5),
        ],
        expect=lambda x: sign + format(x, f"{',' if comma else ''}.{digits}f"),
    )


@seen
def full_name(rng: Random) -> Function:
    template, words_ = rng.choice(
        [
            ("{last}, {first}", "Hopper, Grace"),
            ("{first} {last}", "Grace Hopper"),
            ("{first[0]}. {last}", "G. Hopper"),
            ("{last.upper()} {first}", "HOPPER Grace"),
            ("{last} {first[0]}.", "Hopper G."),
            ("{first}.{last}", "Grace.Hopper"),
        ]
    )
    return Function(
        name=rng.choice(["full_name", "format_name", "author_name", "sort_name"]),
        params="first, last",
        ask=f'returns a name like "{words_}" for `first` "Grace" and `last` "Hopper"',
        body=f'return f"{template}"',
        calls=[(rng.choice(PEOPLE), word(rng).title()) for _ in range(5)],
    )


@seen
def mask(rng: Random) -> Function:
    k, sign = rng.randint(2, 4), rng.choice("*#x.-")
    first = rng.random() < 0.3
    rest = f"code[:{k}] + " if first else ""
    return Function(
        name=rng.choice(["mask", "hide_code", "mask_digits"]),
        params="code",
        ask=f'replaces all but the {"first" if first else "last"} {k} characters of `code` with "{sign}"',
        body=f'return {rest}"{sign}" * (len(code) - {k}){"" if first else f" + code[-{k}:]"}',
        calls=[str(rng.randint(10**n, 10 ** (n + 1) - 1)) for n in (6, 7, 5, 8)],
    )


@seen
def bullet_list(rng: Random) -> Function:
    start, bullet = rng.choice(
        [(None, "- "), (None, "* "), (None, "> "), (None, "+ "), (1, ". "), (0, ": "), (1, ") "), (0, ") ")]
    )
    p = rng.choice(["items", "lines", "names"])
    body = (
        f'return "\\n".join("{bullet}" + item for item in {p})'
        if start is None
        else f'return "\\n".join(f"{{i}}{bullet}{{item}}" for i, item in enumerate({p}{", 1" if start else ""}))'
    )
    what = f'starts with "{bullet}"' if start is None else f'starts with its number and "{bullet}", from {start} up'
    return Function(
        name=rng.choice(["bullet_list" if start is None else "numbered", "make_list", "to_lines"]),
        params=p,
        ask=f"returns `{p}` as lines of one text, where each line {what}",
        body=body,
        calls=[words(rng, n) for n in (3, 2, 4, 2)],
    )


@unseen
def progress_bar(rng: Random) -> Function:
    full, empty = rng.choice([("#", "."), ("=", " "), ("*", "-"), ("x", "_"), ("|", "."), ("+", "-")])
    width = rng.choice([5, 8, 10, 12])
    return Function(
        name=rng.choice(["progress_bar", "bar", "draw_bar"]),
        params="done",
        ask=f'returns a bar of {width} characters: `done` times "{full}", and the rest "{empty}"',
        body=f'return "{full}" * done + "{empty}" * ({width} - done)',
        calls=rng.sample(range(width + 1), 5),
        expect=lambda done: (full * done).ljust(width, empty),
    )


@seen
def greeting(rng: Random) -> Function:
    who, what = rng.choice([("name", "city"), ("user", "team"), ("guest", "hotel"), ("player", "game")])
    hello, middle, end = (
        rng.choice(["Hello", "Welcome", "Hi", "Dear"]),
        rng.choice(["from", "of", "at", "in"]),
        rng.choice("!."),
    )
    return Function(
        name=rng.choice(["greet", "greeting", f"greet_{who}", "make_message"]),
        params=f"{who}, {what}",
        ask=f'returns a text like "{hello} Ada {middle} Rome{end}", with `{who}` for Ada and `{what}` for Rome',
        body=f'return f"{hello} {{{who}}} {middle} {{{what}}}{end}"',
        calls=[(a, word(rng).title()) for a in rng.sample(PEOPLE, 4)],
    )


@unseen
def shorten(rng: Random) -> Function:
    n, mark = rng.randint(6, 14), rng.choice(["...", "+", " [more]", "~", "/"])
    p = rng.choice(["text", "title"])
    return Function(
        name=rng.choice(["shorten", "truncate", "preview", "cut"]),
        params=p,
        ask=f'returns the first {n} characters of `{p}` plus "{mark}", or just `{p}` if it is not longer than that',
        body=f'return {p} if len({p}) <= {n} else {p}[:{n}] + "{mark}"',
        calls=[word(rng), *sentences(rng, 5, 3)],
    )


@seen
def underline(rng: Random) -> Function:
    sign, method = rng.choice("=-~*_^"), rng.choice(["upper", "title", ""])
    style = {"upper": " in upper case", "title": " in title case", "": ""}[method]
    return Function(
        name=rng.choice(["underline", "heading", "make_title"]),
        params="title",
        ask=f'returns `title`{style}, a newline, and a line of "{sign}" of the same length',
        body=f'return title{f".{method}()" if method else ""} + "\\n" + "{sign}" * len(title)',
        calls=[word(rng), *sentences(rng, 3, 3)],
    )


@seen
def code_number(rng: Random) -> Function:
    prefix, width = rng.choice(["INV", "ID", "A", "NO", "X", "ORD", "T"]), rng.randint(3, 6)
    sign = rng.choice(["-", "", "_", "/"])
    example = rng.randint(2, 9)
    return Function(
        name=rng.choice(["make_id", "format_id", "code_for", "label"]),
        params="number",
        ask=f"returns a code like {lit(f'{prefix}{sign}{example:0{width}}')} for {example}, with {width} digits",
        body=f'return f"{prefix}{sign}{{number:0{width}d}}"',
        calls=[*ints(rng, 2, 1, 99), *ints(rng, 2, 100, 999)],
        expect=lambda number: prefix + sign + str(number).zfill(width),
    )
