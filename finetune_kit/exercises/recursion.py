"""Exercises on recursion, recurrences, closures and generators."""

from __future__ import annotations

from random import Random

from finetune_kit.exercises.draws import int_lists, ints, lit, word, words
from finetune_kit.exercises.family import Function, seen, unseen


@seen
def step_factorial(rng: Random) -> Function:
    k, name = (
        rng.randint(1, 6),
        rng.choice(["step_product", "factorial", "multiply_down", "product_by_steps"]),
    )
    return Function(
        name=name,
        params="n",
        ask=f"recursively returns the product of `n`, n - {k}, n - {2 * k} and so on while positive, "
        "or 1 for `n` <= 0",
        body=f"return 1 if n <= 0 else n * {name}(n - {k})",
        calls=[0, *rng.sample(range(3, 14), 4)],
        buggy=f"return 1 if n <= 0 else n + {name}(n - {k})",
    )


@seen
def two_term_sequence(rng: Random) -> Function:
    a, b = rng.sample(range(0, 10), 2)
    return Function(
        name=rng.choice(["sequence", "nth_term", "fibonacci_like"]),
        params="n",
        ask=f"returns term `n` of the sequence whose terms 0 and 1 are {a} and {b}, "
        "and each later term the sum of the two before it",
        body=f"""
            a, b = {a}, {b}
            for _ in range(n):
                a, b = b, a + b
            return a
        """,
        calls=[0, 1, *rng.sample(range(2, 12), 3)],
    )


@seen
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
        ask=f"uses recursion to return the list n, n - {k}, n - {2 * k} and so on while positive, then "
        f'"{end}"',
        body=f'return ["{end}"] if n <= 0 else [n, *{name}(n - {k})]',
        calls=[0, *rng.sample(range(2, 13), 4)],
        expect=lambda n: [*range(n, 0, -k), end],
    )


@seen
def pairs_with(rng: Random) -> Function:
    k = rng.randint(6, 16)
    what, test = rng.choice(
        [
            (f"add up to {k}", f"a + b == {k}"),
            (f"differ by {k % 4 + 1}", f"abs(a - b) == {k % 4 + 1}"),
            (f"add up to more than {k}", f"a + b > {k}"),
        ]
    )
    lists = [rng.sample(range(1, 13), 5) for _ in range(4)]
    return Function(
        name=rng.choice(["find_pairs", "pairs", "matching_pairs"]),
        params="numbers",
        ask=f"lists the pairs of `numbers` at different positions that {what}, as tuples in list order",
        imports="from itertools import combinations",
        body=f"return [(a, b) for a, b in combinations(numbers, 2) if {test}]",
        calls=lists,
    )


@unseen
def tree_total(rng: Random) -> Function:
    value, children = rng.choice(
        [("value", "children"), ("size", "parts"), ("cost", "items"), ("n", "nodes")]
    )
    name, p = rng.choice(["tree_sum", "total", "add_tree"]), rng.choice(["node", "tree"])

    def tree(depth: int) -> dict[str, object]:
        count = rng.randint(1, 2) if depth else 0
        return {value: rng.randint(1, 9), children: [tree(depth - 1) for _ in range(count)]}

    return Function(
        name=name,
        params=p,
        ask=f'returns the sum of "{value}" in a dict `{p}` and in all dicts below it, listed under '
        f'"{children}"',
        body=f'return {p}["{value}"] + sum({name}(child) for child in {p}["{children}"])',
        calls=[tree(depth) for depth in (0, 1, 2, 1)],
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


@seen
def keep_asking(rng: Random) -> Function:
    k, sign, verb = rng.choice([(2, "*", "doubled"), (3, "*", "tripled"), (10, "*", "multiplied by 10")])
    limit = rng.choice([50, 100, 200, 500, 1000])
    value = rng.random() < 0.5
    p = rng.choice(["n", "amount"])
    result = p if value else "steps"
    loop = f"while 0 < {p} < {limit}:\n    {p} {sign}= {k}"
    return Function(
        name=rng.choice(
            ["grow", "double_up", "multiply_until"] if value else ["count_steps", "how_many_times"]
        ),
        params=p,
        ask=f"returns {'the result when' if value else 'how many times'} the positive number `{p}` "
        f"{'is' if value else 'must be'} {verb} until it is at least {limit}",
        body=f"{loop}\nreturn {result}" if value else f"steps = 0\n{loop}\n    steps += 1\nreturn steps",
        calls=[1, limit, *ints(rng, 4, 2, 40)],
    )


@unseen
def deepest(rng: Random) -> Function:
    name, p = (
        rng.choice(["depth", "nesting", "levels", "max_depth"]),
        rng.choice(["items", "data", "value", "nested"]),
    )
    base = rng.choice([0, 1])
    leaf, (a, b, c) = rng.randint(1, 9), words(rng, 3)
    return Function(
        name=name,
        params=p,
        ask=f"returns how deeply `{p}` is nested: {base} if it is not a list, else 1 more than its "
        f"deepest item",
        body=f"""
            if not isinstance({p}, list):
                return {base}
            return 1 + max({name}(item) for item in {p})
        """,
        calls=[leaf, [a, leaf], [[leaf], b], [c, [a, [b]]], [[[leaf, a]], c]],
    )
