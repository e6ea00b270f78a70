"""Exercises that make a list from a list."""

from __future__ import annotations

from itertools import chain
from random import Random

from finetune_kit.exercises.draws import REDUCE, int_lists, ints, lit, words
from finetune_kit.exercises.family import Function, seen, unseen


@seen
def filter_numbers(rng: Random) -> Function:
    k = rng.randint(3, 15)
    what, test = rng.choice(
        [
            (f"greater than {k}", f"n > {k}"),
            (f"less than {k}", f"n < {k}"),
            (f"of at least {k}", f"n >= {k}"),
            (f"divisible by {k % 4 + 2}", f"n % {k % 4 + 2} == 0"),
            (f"different from {k}", f"n != {k}"),
        ]
    )
    p = rng.choice(["numbers", "values"])
    return Function(
        name=rng.choice(["pick_numbers", "filter_numbers", "select", "keep_matching"]),
        params=p,
        ask=rng.choice([f"returns a list of the {p} {what}", f"keeps only the `{p}` {what}, as a list"]),
        body=f"return [n for n in {p} if {test}]",
        calls=[[k, *row] for row in int_lists(rng, length=6)],
        buggy=f"return [{test} for n in {p}]",
    )


@seen
def rotate(rng: Random) -> Function:
    k, left = rng.randint(1, 4), rng.random() < 0.5
    side = "left" if left else "right"
    return Function(
        name=rng.choice([f"rotate_{side}", "rotate", f"turn_{side}"]),
        params="items",
        ask=f"returns the list `items` rotated to the {side} by {k}, for lists of {k + 1} or more items",
        body=f"return items[{k}:] + items[:{k}]" if left else f"return items[-{k}:] + items[:-{k}]",
        calls=[rng.sample(range(1, 10), n) for n in (5, 7, 6, 5)],
        expect=lambda items: [items[(i + (k if left else -k)) % len(items)] for i in range(len(items))],
    )


@seen
def chunks(rng: Random) -> Function:
    k, p = rng.randint(2, 5), rng.choice(["items", "values", "data"])
    return Function(
        name=rng.choice(["chunks", "split_list", f"groups_of_{k}", "batches"]),
        params=p,
        ask=rng.choice(
            [
                f"splits the list `{p}` into lists of {k} items, the last of which may be shorter",
                f"cuts the list `{p}` into a list of pieces of length {k}, with a shorter one at the end if needed",
            ]
        ),
        body=f"return [{p}[i : i + {k}] for i in range(0, len({p}), {k})]",
        calls=[rng.sample(range(1, 20), n) for n in (5, 8, 6, 11)],
    )


@seen
def unique(rng: Random) -> Function:
    how, body = rng.choice(
        [
            ("in order of first appearance", "list(dict.fromkeys({}))"),
            ("in ascending order", "sorted(set({}))"),
            ("in descending order", "sorted(set({}), reverse=True)"),
        ]
    )
    p = rng.choice(["items", "numbers", "values"])
    return Function(
        name=rng.choice(["unique", "distinct", "remove_duplicates", f"unique_{p}"]),
        params=p,
        ask=f"returns a list of the distinct `{p}` {how}",
        body="return " + body.format(p),
        calls=int_lists(rng, 4, 1, 6, 7),
        buggy=f"return {'sorted' if 'sorted' in body else 'list'}({p})",
    )


@unseen
def positions(rng: Random) -> Function:
    k = rng.randint(2, 9)
    what, sign = rng.choice([("equal", "=="), ("are greater than", ">"), ("are less than", "<"), ("differ from", "!=")])
    return Function(
        name=rng.choice(["positions", "find_all", "matching_indexes"]),
        params="values",
        ask=f"returns the indexes of all `values` that {what} {k}",
        body=f"return [i for i, value in enumerate(values) if value {sign} {k}]",
        calls=[[*row, k, *ints(rng, 1, k - 1, k + 1)] for row in int_lists(rng, 5, 0, 11)],
        buggy=f"return [value for value in values if value {sign} {k}]",
    )


@seen
def change_each(rng: Random) -> Function:
    k, p = rng.randint(2, 12), rng.choice(["numbers", "prices", "scores"])
    what, body = rng.choice(
        [
            (f"multiplied by {k}", f"n * {k}"),
            (f"increased by {k}", f"n + {k}"),
            (f"reduced by {k}", f"n - {k}"),
            (f"subtracted from {k * 10}", f"{k * 10} - n"),
        ]
    )
    return Function(
        name=rng.choice(["change_all", "transform", f"new_{p}"]),
        params=p,
        ask=f"returns a list with each of the `{p}` {what}",
        body=f"return [{body} for n in {p}]",
        calls=int_lists(rng, 4),
        buggy=f"return {p} * {k}",
    )


@seen
def fill_to_length(rng: Random) -> Function:
    n, value = rng.randint(4, 7), rng.choice([0, -1, None, "", "x", 1])
    side = rng.choice(["end", "start"])
    body = f"items + [{lit(value)}] * ({n} - len(items))"
    return Function(
        name=rng.choice(["fill_list", "pad_list", f"extend_to_{n}"]),
        params="items",
        ask=f"returns the list `items` with {lit(value)} added at the {side} until it has {n} items",
        body=f"return {body if side == 'end' else f'[{lit(value)}] * ({n} - len(items)) + items'}",
        calls=[rng.sample(range(2, 20), k) for k in (2, 3, 1, 4)],
    )


@seen
def flatten_once(rng: Random) -> Function:
    how, body, done = rng.choice(
        [
            ("", "[item for row in {} for item in row]", "list"),
            (
                " in ascending order",
                "sorted(item for row in {} for item in row)",
                "sorted",
            ),
            (" in reverse order", "[item for row in {} for item in row][::-1]", "reversed"),
        ]
    )
    p = rng.choice(["rows", "lists", "groups"])
    return Function(
        name=rng.choice(["flatten", "join_lists", "merge_all", "combine"]),
        params=p,
        ask=f"returns one list of all the items of the lists in `{p}`{how}",
        body="return " + body.format(p),
        calls=[int_lists(rng, n, length=2) for n in (2, 3, 4, 3)],
        expect=lambda rows: REDUCE[done](list(chain(*rows))),
        buggy=f"return [row for row in {p}]",
    )


@seen
def insert_between(rng: Random) -> Function:
    value, where = rng.choice([0, -1, "x", "end", None, 99]), rng.choice(["after", "before"])
    p = rng.choice(["items", "values"])
    pair = f"item, {lit(value)}" if where == "after" else f"{lit(value)}, item"
    return Function(
        name=rng.choice(["mark_items", "put_between", f"add_{where}"]),
        params=p,
        ask=f"returns a list of the `{p}` with {lit(value)} added {where} each of them",
        body=f"return [x for item in {p} for x in ({pair})]",
        calls=[words(rng, n) for n in (2, 3, 1, 2)],
    )
