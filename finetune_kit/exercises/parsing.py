"""Exercises on text that holds data."""

from __future__ import annotations

from random import Random

from finetune_kit.exercises.draws import REDUCE, ints, lit, sentences, shuffled, tables, word, words
from finetune_kit.exercises.family import Function, seen, unseen


@seen
def parse_pairs(rng: Random) -> Function:
    outer, inner = rng.choice([(";", "="), (",", ":"), ("&", "="), ("|", ":"), (" ", "="), ("/", "-")])
    number = rng.random() < 0.5
    body = f'return dict(part.split("{inner}") for part in text.split("{outer}"))'
    if number:
        pairs = f'pairs = (part.split("{inner}") for part in text.split("{outer}"))'
        body = f"{pairs}\nreturn {{key: int(value) for key, value in pairs}}"
    example = f"a{inner}1{outer}b{inner}2"
    return Function(
        name=rng.choice(["parse_pairs", "read_pairs", "to_dict", "parse_options"]),
        params="text",
        ask=f'turns a text like "{example}" into a dict from names to {"integers" if number else "strings"}',
        body=body,
        calls=[outer.join(f"{k}{inner}{v}" for k, v in table.items()) for table in tables(rng, 4, 1, 99, 2)],
    )


@seen
def parse_numbers(rng: Random) -> Function:
    sign = rng.choice([",", ";", " ", "/", "|", ":", "&"])
    what, body = rng.choice(
        [
            ("a list of the integers", '[int(part) for part in text.split("{}")]'),
            ("the sum of the integers", 'sum(int(part) for part in text.split("{}"))'),
            ("the largest of the integers", 'max(int(part) for part in text.split("{}"))'),
        ]
    )
    return Function(
        name=rng.choice(["read_numbers", "parse_numbers", "numbers_from_text"]),
        params="text",
        ask=f"returns {what} in `text`, which are separated by {lit(sign) if sign != ' ' else 'spaces'}",
        body="return " + body.format(sign),
        calls=[sign.join(map(str, [-7, *ints(rng, n, -30, 60)])) for n in (2, 3, 1, 4, 3)],
    )


@seen
def pick_field(rng: Random) -> Function:
    sign = rng.choice([",", ";", "|", ":", "/"])
    place, index = rng.choice([("first", 0), ("second", 1), ("third", 2), ("last", -1)])
    return Function(
        name=rng.choice([f"{place}_field", "get_column", "pick_field"]),
        params="line",
        ask=f'returns the {place} field of `line`, separated by "{sign}", without spaces around it',
        body=f'return line.split("{sign}")[{index}].strip()',
        calls=[f" {sign} ".join([*sentences(rng, n, 2), str(rng.randint(1, 99))]) for n in (3, 2, 3, 4, 2)],
        buggy=f'return line.split("{sign}")[{index}]',
    )


@seen
def clock_time(rng: Random) -> Function:
    sign = rng.choice([":", ".", "h", "-"])
    first, second, factor = rng.choice(
        [("hours", "minutes", 60), ("minutes", "seconds", 60), ("days", "hours", 24), ("weeks", "days", 7)]
    )
    example = (rng.randint(1, 9), rng.randint(1, 6))
    return Function(
        name=rng.choice([f"to_{second}", f"total_{second}", f"parse_{first}"]),
        params="text",
        ask=f'converts {first} and {second} written like "{example[0]}{sign}{example[1]:02}" to {second}',
        body=f"""
            {first}, {second} = text.split("{sign}")
            return int({first}) * {factor} + int({second})
        """,
        calls=[f"{rng.randint(0, 12)}{sign}{rng.randint(0, factor - 1):02}" for _ in range(5)],
    )


@seen
def tagged_words(rng: Random) -> Function:
    sign, what = rng.choice(
        [("#", "tags"), ("@", "names"), ("$", "variables"), ("+", "labels"), ("!", "commands")]
    )
    without = rng.random() < 0.5
    texts = [[*words(rng, 2), *(sign + w for w in words(rng, n))] for n in (2, 1, 3, 2)]
    return Function(
        name=rng.choice([f"find_{what}", f"get_{what}", f"extract_{what}"]),
        params="text",
        ask=f'lists the words of `text` that start with "{sign}", {"without" if without else "keeping"} '
        f'the "{sign}"',
        body=f'return [w{"[1:]" if without else ""} for w in text.split() if w.startswith("{sign}")]',
        calls=[" ".join(shuffled(rng, parts)) for parts in texts],
        buggy=f'return [word for word in text.split() if "{sign}" not in word]',
    )


@seen
def between_signs(rng: Random) -> Function:
    left, right = tuple(rng.choice(["[]", "()", "<>", "{}", "**", "%%", "$$"]))
    either = f'"{left}" and "{right}"' if left != right else f'two "{left}" signs'
    return Function(
        name=rng.choice(["inner_text", "between", "unwrap", "text_inside"]),
        params="text",
        ask=f"returns the part of `text` between {either}, which occur once"
        if left != right
        else f"returns the part of `text` between its {either}",
        body=f'return text.split("{left}")[1].split("{right}")[0]'
        if left != right
        else f'return text.split("{left}")[1]',
        calls=[f"{word(rng)} {left}{' '.join(words(rng, n))}{right} {word(rng)}" for n in (1, 2, 1, 2)],
        expect=lambda text: text[text.index(left) + 1 : text.rindex(right)],
    )


@seen
def numbers_in_text(rng: Random) -> Function:
    what, reduce, value = rng.choice(
        [
            ("a list of the whole numbers", "[int(n) for n in {}]", "list"),
            ("the sum of the whole numbers", "sum(int(n) for n in {})", "sum"),
            ("the largest of the whole numbers", "max(int(n) for n in {})", "max"),
            ("how many whole numbers there are", "len({})", "len"),
        ]
    )
    p = rng.choice(["text", "line", "message"])
    return Function(
        name=rng.choice(["numbers_inside", "scan_numbers", "find_numbers"]),
        params=p,
        ask=f'returns {what} in `{p}`, such as 12 and 5 in "a12 b5"',
        imports="import re",
        body="return " + reduce.format(f're.findall(r"\\d+", {p})'),
        calls=[
            " ".join([*words(rng, 2), *(f"{w}{rng.randint(1, 60)}" for w in words(rng, n))])
            for n in (3, 2, 4, 1, 3)
        ],
        expect=lambda text: REDUCE[value](
            [int("".join(filter(str.isdigit, part))) for part in text.split() if part[-1].isdigit()]
        ),
    )


@seen
def file_name(rng: Random) -> Function:
    sign, index, what, example = rng.choice(
        [
            (".", -1, "the extension", "txt"),
            (".", 0, "the part before the dot", "notes"),
            ("_", 0, "the part before the underscore", "may"),
            ("-", -1, "the part after the dash", "v2"),
        ]
    )
    full = {"txt": "notes.txt", "notes": "notes.txt", "may": "may_report", "v2": "data-v2"}[example]
    method = rng.choice([".upper()", ".title()"])
    style = {".upper()": ", in upper case", ".title()": ", starting with a capital letter"}[method]
    shown = {".upper()": example.upper(), ".title()": example.title()}[method]
    return Function(
        name=rng.choice(["file_part", "name_part", "split_name"]),
        params="name",
        ask=f'returns {what} of a file name{style}, so "{full}" gives "{shown}"',
        body=f'return name.split("{sign}")[{index}]{method}',
        calls=[sign.join(words(rng, 2)) for _ in range(4)],
    )


@seen
def count_lines(rng: Random) -> Function:
    sign = rng.choice(["#", "//", "-", "*", ">", "--", "+", "!"])
    skip = rng.random() < 0.5
    texts = [
        "\n".join(shuffled(rng, [*words(rng, a), *(sign + w for w in words(rng, b))]))
        for a, b in ((2, 1), (1, 2), (3, 0), (0, 2), (1, 1))
    ]
    return Function(
        name=rng.choice(["count_lines", "line_count", "number_of_lines"]),
        params="text",
        ask=f'counts the lines of `text` that {"do not start" if skip else "start"} with "{sign}"',
        body=f'return sum({"not " if skip else ""}line.startswith("{sign}") for line in text.splitlines())',
        calls=texts,
        expect=lambda text: len([line for line in text.split("\n") if (line[: len(sign)] == sign) != skip]),
        buggy=f'return text.count("{sign}")' if skip else "return len(text.splitlines())",
    )


@unseen
def expand_range(rng: Random) -> Function:
    sign = rng.choice(["-", "..", ":", " to ", "~"])
    full = rng.random() < 0.5
    spans = [(a, a + rng.randint(2, 5)) for a in rng.sample(range(1, 30), 4)]
    return Function(
        name=rng.choice(["expand_range", "read_range", "range_numbers"]),
        params="text",
        ask=f'turns a text like "3{sign}6" into the list {"[3, 4, 5, 6]" if full else "[3, 4, 5]"}',
        body=f"""
            first, last = text.split("{sign}")
            return list(range(int(first), int(last){" + 1" if full else ""}))
        """,
        calls=[f"{a}{sign}{b}" for a, b in spans],
    )


@seen
def split_once(rng: Random) -> Function:
    sign = rng.choice(["@", ":", "=", "-", "/", ".", "|"])
    method, which = rng.choice([("partition", "first"), ("rpartition", "last")])
    after = rng.random() < 0.5
    return Function(
        name=rng.choice(["part_of", "cut_text", "text_after" if after else "text_before"]),
        params="text",
        ask=f'returns the part of `text` {"after" if after else "before"} the {which} "{sign}"',
        body=f'return text.{method}("{sign}")[{2 if after else 0}]',
        calls=[sign.join(words(rng, n)) for n in (3, 3, 2, 4, 3)],
        expect=lambda text: sign.join(
            text.split(sign)[1 if which == "first" else -1 :]
            if after
            else text.split(sign)[: 1 if which == "first" else -1]
        ),
    )


@seen
def yes_or_no(rng: Random) -> Function:
    good = rng.sample(["yes", "on", "true", "ok", "y", "1", "enabled"], 2)
    bad = ["no", "off", "false", "n", "0", word(rng)]
    texts = [good[0].upper(), good[1], good[0].title(), f"{good[1]}{good[0]}", *rng.sample(bad, 3)]
    return Function(
        name=rng.choice(["parse_flag", "is_enabled", "to_bool", "read_switch"]),
        params="text",
        ask=f'returns True if `text` is "{good[0]}" or "{good[1]}" in any case, else False',
        body=f'return text.lower() in ("{good[0]}", "{good[1]}")',
        calls=shuffled(rng, texts),
        expect=lambda text: text.lower() == good[0] or text.lower() == good[1],
    )


@unseen
def decode_runs(rng: Random) -> Function:
    first, unit = rng.random() < 0.5, rng.randint(1, 3)
    pairs = [list(zip(rng.sample("abcdexyz", n), ints(rng, n, 1, 5), strict=True)) for n in (2, 3, 2, 1)]
    example = "2x1y" if first else "x2y1"
    return Function(
        name=rng.choice(["decode", "expand", "unpack", "unroll"]),
        params=(p := rng.choice(["code", "text", "packed"])),
        ask=f'turns a code like "{example}" into "{"x" * 2 * unit}{"y" * unit}", where each letter occurs '
        f"{'as often as' if unit == 1 else f'{unit} times as often as'} its digit says",
        body=f"""
            counts, letters = {p}[{"" if first else "1"}::2], {p}[{"1" if first else ""}::2]
            return "".join(c * int(n){f" * {unit}" if unit > 1 else ""} for n, c in zip(counts, letters))
        """,
        calls=["".join(f"{n}{c}" if first else f"{c}{n}" for c, n in run) for run in pairs],
        expect=lambda code: "".join(
            (b * int(a) if first else a * int(b)) * unit for a, b in zip(code[::2], code[1::2], strict=True)
        ),
    )
