"""Exercises on the words of a sentence."""

from __future__ import annotations

from random import Random

from finetune_kit.exercises import draws
from finetune_kit.exercises.draws import lit, sentences
from finetune_kit.exercises.family import Function, seen, unseen


@seen
def count_long_words(rng: Random) -> Function:
    n = rng.randint(3, 6)
    phrase, sign = rng.choice([("more than", ">"), ("fewer than", "<"), ("at least", ">="), ("exactly", "==")])
    return Function(
        name=rng.choice(["count_words", "word_count", "matching_words"]),
        params="text",
        ask=f"returns how many words of `text` have {phrase} {n} letters",
        body=f"return sum(len(word) {sign} {n} for word in text.split())",
        calls=sentences(rng, 6, 5),
        buggy=f"return len(text) {sign} {n}",
    )


@seen
def extreme_word(rng: Random) -> Function:
    kind, best = rng.choice([("longest", "max"), ("shortest", "min")])
    p = rng.choice(["text", "sentence", "line"])
    return Function(
        name=rng.choice([f"{kind}_word", f"find_{kind}", f"get_{kind}_word"]),
        params=p,
        ask=f"returns the {kind} word of `{p}`, or the first such word in a tie",
        body=f"return {best}({p}.split(), key=len)",
        calls=sentences(rng, 7),
        expect=lambda text: sorted(text.split(), key=lambda w: -len(w) if kind == "longest" else len(w))[0],
        buggy=f"return {best}({p}.split())",
    )


@seen
def initials(rng: Random) -> Function:
    sign, upper = rng.choice(["", ".", "-", "/", " "]), rng.random() < 0.5
    joined = f'joined with "{sign}"' if sign else "as one string"
    return Function(
        name=rng.choice(["initials", "acronym", "first_letters"]),
        params="text",
        ask=f"returns the first letter of each word of `text` in {'upper' if upper else 'lower'} case, {joined}",
        body=f'return "{sign}".join(word[0].{"upper" if upper else "lower"}() for word in text.split())',
        calls=[text.title() if i % 2 else text for i, text in enumerate(sentences(rng, 5))],
    )


@seen
def reverse_words(rng: Random) -> Function:
    sign = rng.choice([" ", "-", "_", ", ", "/", " < "])
    return Function(
        name=rng.choice(["reverse_words", "flip_words", "words_backwards"]),
        params="text",
        ask=rng.choice(
            [
                f'returns the words of `text` in reverse order, joined with "{sign}"',
                f'splits `text` into words, reverses their order and joins them with "{sign}"',
            ]
        ),
        body=f"return {lit(sign)}.join(text.split()[::-1])",
        calls=sentences(rng, 4),
        expect=lambda text: sign.join(reversed(text.split(" "))),
        buggy=f"return {lit(sign)}.join(text[::-1])",
    )


@seen
def words_with_letter(rng: Random) -> Function:
    letter, start = rng.choice("rstmb"), rng.random() < 0.5
    method = "startswith" if start else "endswith"
    pool = [f"{letter}ain", f"{letter}ow", f"mai{letter}", f"tu{letter}", f"{letter}e{letter}"]
    texts = [" ".join(rng.sample([*draws.words(rng, 3), *rng.sample(pool, 2)], 5)) for _ in range(5)]
    return Function(
        name=rng.choice([f"{letter}_words", f"words_with_{letter}", "pick_words"]),
        params="text",
        ask=f'returns a list of the words of `text` that {"start" if start else "end"} with "{letter}"',
        body=f'return [word for word in text.split() if word.{method}("{letter}")]',
        calls=texts,
        expect=lambda text: [w for w in text.split(" ") if w[0 if start else -1] == letter],
        buggy=f'return [word for word in text if word == "{letter}"]',
    )


@unseen
def word_lengths(rng: Random) -> Function:
    sign = rng.choice([",", ";", "-", "/", ":", "|"])
    return Function(
        name=rng.choice(["word_lengths", "lengths", "part_sizes"]),
        params="text",
        ask=rng.choice(
            [
                f'splits `text` at each "{sign}" and returns a list of the lengths of the parts',
                f'returns the lengths of the parts of `text` that are separated by "{sign}", as a list',
            ]
        ),
        body=f'return [len(part) for part in text.split("{sign}")]',
        calls=[sign.join(draws.words(rng, n)) for n in (3, 2, 4, 3)],
    )


@seen
def join_words(rng: Random) -> Function:
    sign, method = rng.choice("-_.+"), rng.choice(["lower", "upper", "title"])
    style = {"lower": "in lower case", "upper": "in upper case", "title": "with a capital first letter each"}
    return Function(
        name=rng.choice(["make_slug", "to_label", "join_words", "slugify"]),
        params="title",
        ask=f'joins the words of `title` with "{sign}", {style[method]}',
        body=f'return "{sign}".join(title.{method}().split())',
        calls=[text.capitalize() for text in sentences(rng, 4)],
        expect=lambda text: getattr(text, method)().replace(" ", sign),
    )


@seen
def replace_word(rng: Random) -> Function:
    old, new = draws.words(rng, 2)
    rest = [w for w in draws.words(rng, 12) if w != old]
    return Function(
        name=rng.choice([f"replace_{old}", f"{old}_to_{new}", "substitute"]),
        params="items",
        ask=f'returns the list `items` with each "{old}" replaced by "{new}"',
        body=f'return ["{new}" if item == "{old}" else item for item in items]',
        calls=[
            draws.shuffled(rng, [*rng.sample(rest, n), old, *extra])
            for n, extra in ((2, []), (1, [old]), (3, []), (1, []))
        ],
    )


@seen
def nth_word(rng: Random) -> Function:
    place, index = rng.choice([("first", 0), ("second", 1), ("third", 2), ("last", -1), ("second to last", -2)])
    method, style = rng.choice([("", ""), (".upper()", " in upper case"), (".title()", ", capitalized")])
    return Function(
        name=rng.choice([f"{place.split()[0]}_word", "pick_word", "get_word"]),
        params="text",
        ask=f"returns the {place} word of `text`{style}",
        body=f"return text.split()[{index}]{method}",
        calls=sentences(rng, 6, 5),
    )
