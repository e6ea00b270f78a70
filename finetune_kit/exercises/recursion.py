"""Exercises on recursion, recurrences, closures and generators."""

from __future__ import annotations

from random import Random

from finetune_kit.exercises.draws import int_lists, ints, lit, word
from finetune_kit.exercises.family import Function, seen, unseen


@unseen
def recurrence(rng: Random) -> Function:
    start, k, c = rng.randint(1, 9), rng.randint(2, 4), rng.randint(1, 9)
    name, minus = rng.choice(["term", "f", "series", "step"]), rng.random() < 0.3
    sign = "-" if minus else "+"
    return Function(
        name=name,
        params="n",
        ask=f"is recursive: {name}(0) is {start}, and {name}(n) is {k} times {name}(n - 1) "
        f"{'minus' if minus else 'plus'} {c}",
        body=f"return {start} if n == 0 else {k} * {name}(n - 1) {sign} {c}",
        calls=[0, 1, *rng.sample(range(2, 8), 3)],
        buggy=f"return {start} if n == 0 else {name}(n - 1) {sign} {c}",
    )


@seen
def nested_total(rng: Random) -> Function:
    k = rng.randint(2, 9)
    name, p = rng.choice(["nested_sum", "deep_sum", "total"]), rng.choice(["items", "values"])
    what, leaf = rng.choice(
        [
            ("sum of all numbers", "x"),
            ("sum of the squares of all numbers", "x * x"),
            (f"number of numbers greater than {k}", f"x > {k}"),
            (f"sum of all numbers, each times {k}", f"x * {k}"),
        ]
    )
    if "greater" in what:
        name = name.replace("sum", "count").replace("total", "count_all")
    return Function(
        name=name,
        params=p,
        ask=f"returns the {what} in `{p}`, a list that may hold lists of numbers at any depth",
        body=f"return sum({name}(x) if isinstance(x, list) else {leaf} for x in {p})",
        calls=[[*row[:2], [*row[2:], [k + 2, rng.randint(1, 9)]]] for row in int_lists(rng, 4, 1, 12)],
    )


@seen
def countdown(rng: Random) -> Function:
    k, name = rng.randint(1, 5), rng.choice(["countdown", "count_down", "steps_down", "descend"])
    end = rng.choice(["go", "stop", "end", "zero", word(rng)])
    return Function(
        name=name,
        params="n",
        ask=f'uses recursion to return the list n, n - {k}, n - {2 * k} and so on while positive, then "{end}"',
        body=f'return ["{end}"] if n <= 0 else [n, *{name}(n - {k})]',
        calls=[0, *rng.sample(range(2, 13), 4)],
        expect=lambda n: [*range(n, 0, -k), end],
    )


@seen
def make_function(rng: Random) -> Function:
    what, term, slug = rng.choice(
        [
            ("`{}` added to each number", "x + {}", "add"),
            ("each number multiplied by `{}`", "x * {}", "multiply"),
            ("`{}` subtracted from each number", "x - {}", "subtract"),
            ("each number raised to the power `{}`", "x**{}", "power"),
        ]
    )
    p = rng.choice(["n", "k", "amount"])
    return Function(
        name=rng.choice([f"make_{slug}", f"{slug}_all", f"{slug}_function"]),
        params=p,
        ask=f"returns a function that maps a list `xs` to a list with {what.format(p)}",
        body=f"return lambda xs: [{term.format(p)} for x in xs]",
        calls=rng.sample(range(1, 8), 4),
        wrap=f"{{}}({lit(ints(rng, 3, 2, 9))})",
    )


@seen
def generate_values(rng: Random) -> Function:
    k = rng.randint(2, 9)
    what, body = rng.choice(
        [
            (f"the first `n` multiples of {k}, from {k} up", f"for i in range(1, n + 1):\n    yield {k} * i"),
            (f"the first `n` powers of {k}, from 1 up", f"for i in range(n):\n    yield {k}**i"),
            (
                f"`n` numbers, starting at {k} and adding 3 each time",
                f"for i in range(n):\n    yield {k} + 3 * i",
            ),
        ]
    )
    return Function(
        name=rng.choice(["generate", "produce", "numbers", "stream"]),
        params="n",
        ask=f"is a generator of {what}",
        body=body,
        calls=[3, 1, 5, 4],
        wrap="list({})",
        buggy=body.replace("yield", "return"),
    )
