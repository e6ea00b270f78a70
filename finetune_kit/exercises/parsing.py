"""Exercises on text that holds data."""

from __future__ import annotations

from random import Random

from finetune_kit.exercises.draws import sentences, shuffled, word, words
from finetune_kit.exercises.family import Function, seen, unseen


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


@unseen
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
