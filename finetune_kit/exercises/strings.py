"""Exercises on the characters of one text."""

from __future__ import annotations

from random import Random

from finetune_kit.exercises.draws import lit, messy, sentences, shuffled, word, words
from finetune_kit.exercises.family import Function, seen, unseen

SIGNS = {" ": "space", "-": "dash", "_": "underscore", ".": "dot", "/": "slash", ",": "comma", ":": "colon"}
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


@unseen
def count_letter(rng: Random) -> Function:
    letter = rng.choice("aeionrst")
    return Function(
        name=rng.choice([f"count_{letter}", f"{letter}_count", f"number_of_{letter}"]),
        params="text",
        ask=rng.choice(
            [
                f'returns how many times the lowercase letter "{letter}" occurs in `text`',
                f'counts the lowercase letter "{letter}" in `text`',
            ]
        ),
        body=f'return text.count("{letter}")',
        calls=[*sentences(rng, 4), f"{letter.upper()} {letter}{word(rng)}", *sentences(rng, 1)],
        expect=lambda text: sum(c == letter for c in text),
        buggy=f'return text.find("{letter}")',
    )


@seen
def keep_or_drop(rng: Random) -> Function:
    kind, method = rng.choice(
        [
            ("digits", "isdigit"),
            ("letters", "isalpha"),
            ("uppercase letters", "isupper"),
            ("lowercase letters", "islower"),
        ]
    )
    keep, slug = rng.random() < 0.5, kind.replace(" letters", "")
    return Function(
        name=rng.choice([f"keep_{slug}", f"only_{slug}"] if keep else [f"drop_{slug}", f"remove_{slug}"]),
        params="text",
        ask=f"returns only the {kind} of `text`, as a string" if keep else f"returns `text` without any {kind}",
        body=f'return "".join(c for c in text if {"" if keep else "not "}c.{method}())',
        calls=[messy(rng) for _ in range(5)],
        expect=lambda text: "".join(filter(lambda c: getattr(c, method)() is keep, text)),
        buggy=f'return "".join(c for c in text if {"not " if keep else ""}c.{method}())',
    )


@seen
def replace_sign(rng: Random) -> Function:
    old, new = rng.sample(sorted(SIGNS), 2)
    names = (SIGNS[old], SIGNS[new])
    return Function(
        name=rng.choice([f"{names[0]}_to_{names[1]}", f"replace_{names[0]}"]),
        params="text",
        ask=rng.choice(
            [
                f"replaces every {names[0]} in `text` with a {names[1]} and returns the result",
                f"returns `text` with each {names[0]} turned into a {names[1]}",
            ]
        ),
        body=f"return text.replace({lit(old)}, {lit(new)})",
        calls=[old.join(words(rng, n)) for n in (2, 3, 4, 3)],
        expect=lambda text: new.join(text.split(old)),
        buggy=f"return text.replace({lit(new)}, {lit(old)})",
    )


@seen
def surround(rng: Random) -> Function:
    left, right = tuple(rng.choice(["<>", "[]", "()", "**", "||", "##", "~~", "--", "==", "__"]))
    left, right = left * rng.randint(1, 3), right * rng.randint(1, 3)
    return Function(
        name=rng.choice(["surround", "wrap", "enclose", "frame"]),
        params="text",
        ask=f'returns `text` with "{left}" before it and "{right}" after it',
        body=f'return "{left}" + text + "{right}"',
        calls=[word(rng), *sentences(rng, 2), word(rng)],
        expect=lambda text: f"{left}{text}{right}",
    )


@seen
def cut_ends(rng: Random) -> Function:
    n = rng.randint(2, 6)
    what, cut, names = rng.choice(
        [
            (f"the first {n} characters of `text`", f":{n}", [f"first_{n}", "head"]),
            (f"the last {n} characters of `text`", f"-{n}:", [f"last_{n}", "tail"]),
            (f"`text` without its first {n} characters", f"{n}:", [f"skip_{n}", "drop_start"]),
            (f"`text` without its last {n} characters", f":-{n}", [f"trim_{n}", "drop_end"]),
        ]
    )
    return Function(
        name=rng.choice(names),
        params="text",
        ask=f"returns {what}",
        body=f"return text[{cut}]",
        calls=sentences(rng, 5),
        buggy=f"return text[{n}]",
    )


@seen
def reverse_and_change(rng: Random) -> Function:
    done, method = rng.choice(
        [
            ("in upper case", "upper"),
            ("in lower case", "lower"),
            ("with the case of every letter swapped", "swapcase"),
            ("without spaces at either end", "strip"),
        ]
    )
    p = rng.choice(["text", "s", "line"])
    return Function(
        name=rng.choice(["reverse", "backwards", "mirror", f"reverse_{method}"]),
        params=p,
        ask=f"returns `{p}` reversed and {done}",
        body=f"return {p}[::-1].{method}()",
        calls=[f"{rng.choice(['', ' '])}{a.title()} {b}  " for a, b in (words(rng, 2) for _ in range(5))],
        expect=lambda text: "".join(reversed(getattr(text, method)())),
        buggy=f"return {p}.{method}()",
    )


@seen
def palindrome(rng: Random) -> Function:
    sign = rng.choice(sorted(SIGNS))
    halves = words(rng, 7)
    texts = [f"{w.title()}{sign}{w[::-1]}" for w in halves[:4]] + [f"{w}{sign}{w}".title() for w in halves[4:]]
    return Function(
        name=rng.choice(["is_palindrome", "same_backwards", "reads_both_ways"]),
        params="text",
        ask=rng.choice(
            [
                f"returns whether `text` reads the same backwards, ignoring case and {SIGNS[sign]} characters",
                f"returns True if `text` is a palindrome once every {SIGNS[sign]} is removed, ignoring case",
            ]
        ),
        body=f"""
            cleaned = text.replace({lit(sign)}, "").lower()
            return cleaned == cleaned[::-1]
        """,
        calls=shuffled(rng, texts),
    )


@seen
def every_kth(rng: Random) -> Function:
    start, step = rng.randint(0, 2), rng.randint(2, 5)
    return Function(
        name=rng.choice([f"every_{ORDINALS[step - 1]}", "pick_letters", "thin_out"]),
        params="text",
        ask=f"returns every {ORDINALS[step - 1]} character of `text`, starting with the {ORDINALS[start]}",
        body=f"return text[{start or ''}::{step}]",
        calls=sentences(rng, 5, 3),
        expect=lambda text: "".join(c for i, c in enumerate(text) if i >= start and (i - start) % step == 0),
    )


@seen
def pad_text(rng: Random) -> Function:
    width, fill = rng.randint(9, 14), rng.choice("*.-_0#")
    side, method = rng.choice([("left", "rjust"), ("right", "ljust")])
    return Function(
        name=rng.choice([f"pad_{side}", "pad", "fill_up"]),
        params="text",
        ask=f'pads `text` on the {side} with "{fill}" to a length of {width} and returns it',
        body=f'return text.{method}({width}, "{fill}")',
        calls=words(rng, 5),
        expect=lambda text: (fill * (width - len(text)) + text) if side == "left" else f"{text:{fill}<{width}}",
    )


@seen
def affix_check(rng: Random) -> Function:
    affix = rng.choice(["re", "un", "pre", "ing", "ed", "ly", "er", "ab", "st", "ion"])
    start = rng.random() < 0.5
    hits = [affix.upper() + w if start else w + affix.title() for w in words(rng, 3)] + [affix]
    misses = [w + affix if start else affix + w for w in words(rng, 3)]
    return Function(
        name=rng.choice([f"{'starts' if start else 'ends'}_with_{affix}", f"has_{affix}", "matches"]),
        params="word",
        ask=f'returns whether `word` {"starts" if start else "ends"} with "{affix}", ignoring case',
        body=f'return word.lower().{"starts" if start else "ends"}with("{affix}")',
        calls=shuffled(rng, hits + misses),
        expect=lambda text: (text[: len(affix)] if start else text[-len(affix) :]).lower() == affix,
    )


@seen
def repeat_characters(rng: Random) -> Function:
    k, sign = rng.randint(2, 5), rng.choice(["", "", "-", ".", " "])
    joined = f', joined with "{sign}"' if sign else ""
    return Function(
        name=rng.choice(["stretch", "repeat_letters", "stutter"]),
        params="word",
        ask=f"repeats each character of `word` {k} times{joined}, and returns the string",
        body=f'return "{sign}".join(c * {k} for c in word)',
        calls=words(rng, 4),
        buggy=f"return word * {k}",
    )


@seen
def find_letter(rng: Random) -> Function:
    letter, last = rng.choice("aeinorst"), rng.random() < 0.5
    return Function(
        name=rng.choice([f"find_{letter}", f"position_of_{letter}", f"index_of_{letter}"]),
        params="text",
        ask=f'returns the index of the {"last" if last else "first"} "{letter}" in `text`, or -1 if there is none',
        body=f'return text.{"r" if last else ""}find("{letter}")',
        calls=["jumpy lucky", *[letter.join(words(rng, 3)) for _ in range(4)]],
        expect=lambda text: (
            max([i for i, c in enumerate(text) if c == letter], default=-1)
            if last
            else min([i for i, c in enumerate(text) if c == letter], default=-1)
        ),
    )
