"""Exercises that ask for a class whose objects stand for a value."""

from __future__ import annotations

from random import Random

from finetune_kit.exercises.draws import ints, word
from finetune_kit.exercises.family import Class, seen


@seen
def shape(rng: Random) -> Class:
    name, (x, y), area, edge = rng.choice(
        [
            ("Rectangle", ("width", "height"), "self.{0} * self.{1}", "2 * (self.{0} + self.{1})"),
            ("Room", ("length", "width"), "self.{0} * self.{1}", "2 * (self.{0} + self.{1})"),
            ("Field", ("long", "wide"), "self.{0} * self.{1}", "2 * (self.{0} + self.{1})"),
        ]
    )
    method, code, what = rng.choice(
        [
            ("area", area, "the area"),
            ("perimeter", edge, "the perimeter"),
            ("is_square", "self.{0} == self.{1}", ""),
        ]
    )
    other, other_code, other_what = rng.choice(
        [("scaled", "{2}(self.{0} * k, self.{1} * k)", ""), ("ratio", "self.{0} / self.{1}", "")]
    )
    a, b, k = rng.randint(2, 9), rng.choice([2, 4]), rng.randint(2, 4)
    says = what or "whether both sides are equal"
    if other == "scaled":
        tail = f"`scaled(k)`, a new {name} with both sides times `k`"
        check = f"? s.scaled({k}).{x}\n? s.scaled({k}).{y}"
    else:
        tail = f"`ratio()`, {x} divided by {y}"
        check = f"? s.ratio()\n? {name}({b * 3}, {b}).ratio()"
    checks = "\n            ".join(check.splitlines())
    return Class(
        name=name,
        ask=f"with the attributes `{x}` and `{y}`, given in this order, and the methods `{method}()`, "
        f"which returns {says}, and {tail}",
        body=f"""
            def __init__(self, {x}, {y}):
                self.{x} = {x}
                self.{y} = {y}

            def {method}(self):
                return {code.format(x, y)}

            def {other}(self{", k" if other == "scaled" else ""}):
                return {other_code.format(x, y, name)}{other_what}
        """,
        script=f"""
            s = {name}({a}, {b})
            ? s.{method}()
            ? {name}(3, 3).{method}()
            {checks}
        """,
    )


@seen
def unit_property(rng: Random) -> Class:
    name, base, other, factor = rng.choice(
        [
            ("Length", "metres", "centimetres", 100),
            ("Duration", "hours", "minutes", 60),
            ("Weight", "kilograms", "grams", 1000),
            ("Time", "minutes", "seconds", 60),
            ("Period", "weeks", "days", 7),
            ("Box", "dozens", "pieces", 12),
            ("Trip", "days", "hours", 24),
        ]
    )
    doubled = rng.choice(["double", "twice", "doubled"])
    text = rng.random() < 0.5
    a, b = rng.sample(range(2, 12), 2)
    method, code = (
        ("__str__", f'f"{{self.{base}}} {base}"') if text else (doubled, f"{name}(self.{base} * 2)")
    )
    what = (
        f'text like "{a} {base}" from `str()`'
        if text
        else f"a method `{doubled}()`, which returns a {name} twice as long"
    )
    if name in ("Weight", "Box"):
        what = what.replace("twice as long", f"with twice the {base}")
    check = f"? str({name}({b}))" if text else f"? {name}({b}).{doubled}().{base}"
    return Class(
        name=name,
        ask=f"with an attribute `{base}`, given at the start, a property `{other}` (`{base}` times "
        f"{factor}), and {what}",
        body=f"""
            def __init__(self, {base}):
                self.{base} = {base}

            @property
            def {other}(self):
                return self.{base} * {factor}

            def {method}(self):
                return {code}
        """,
        script=f"""
            x = {name}({a})
            ? x.{other}
            {check}
            x.{base} = {b}
            ? x.{other}
        """,
    )


@seen
def point(rng: Random) -> Class:
    name, (x, y) = (
        rng.choice(["Point", "Vector", "Pair", "Offset"]),
        rng.choice([("x", "y"), ("a", "b"), ("dx", "dy")]),
    )
    method, sign, what = rng.choice(
        [("__add__", "+", "sum"), ("__sub__", "-", "difference"), ("__mul__", "*", "product")]
    )
    a, b, c, d = ints(rng, 4, 1, 20)
    return Class(
        name=name,
        ask=f"with the attributes `{x}` and `{y}`, given in this order, where `p {sign} q` gives a new "
        f"{name} with the {what}s of both "
        f"attributes",
        body=f"""
            def __init__(self, {x}, {y}):
                self.{x} = {x}
                self.{y} = {y}

            def {method}(self, other):
                return {name}(self.{x} {sign} other.{x}, self.{y} {sign} other.{y})
        """,
        script=f"""
            p = {name}({a}, {b}) {sign} {name}({c}, {d})
            ? p.{x}
            ? p.{y}
            ? (p {sign} p).{x}
        """,
    )


@seen
def data_class(rng: Random) -> Class:
    name, (a, b), method, code, kind = rng.choice(
        [
            ("Person", ("name", "city"), "label", 'f"{self.name} ({self.city})"', "text"),
            ("Book", ("title", "author"), "cite", 'f"{self.author}: {self.title}"', "text"),
            ("Item", ("price", "count"), "total", "self.price * self.count", "number"),
            ("Range", ("low", "high"), "span", "self.high - self.low", "number"),
            ("Score", ("right", "wrong"), "points", "self.right - self.wrong", "number"),
            ("Pet", ("name", "kind"), "describe", 'f"{self.name} the {self.kind}"', "text"),
        ]
    )
    method = rng.choice([method, "show" if kind == "text" else "compute", f"get_{method}"])
    v = (
        [word(rng).title() for _ in range(6)]
        if kind == "text"
        else [str(n) for n in rng.sample(range(1, 40), 6)]
    )
    q = '"' if kind == "text" else ""
    sample = code.removeprefix("f").strip('"').replace(f"{{self.{a}}}", "A").replace(f"{{self.{b}}}", "B")
    does = {
        "total": "price times count",
        "span": "high minus low",
        "points": "right minus wrong",
    }
    text = f'text like "{sample}" for {a} "A" and {b} "B"'
    key = {"Item": "total", "Range": "span", "Score": "points"}.get(name, "")
    field = "str" if kind == "text" else "int"
    return Class(
        name=name,
        ask=f"as a dataclass with the fields `{a}` and `{b}` ({field}) and a method `{method}()`, which "
        f"returns "
        f"{does[key] if key else text}",
        imports="from dataclasses import dataclass\n\n\n@dataclass\n",
        body=f"""
            {a}: {field}
            {b}: {field}

            def {method}(self):
                return {code}
        """,
        script=f"""
            x = {name}({q}{v[0]}{q}, {q}{v[1]}{q})
            ? x.{method}()
            ? {name}({q}{v[2]}{q}, {q}{v[3]}{q}).{method}()
            ? (x == {name}({q}{v[0]}{q}, {q}{v[1]}{q}))
            ? (x == {name}({q}{v[4]}{q}, {q}{v[5]}{q}))
        """,
    )


@seen
def callable_object(rng: Random) -> Class:
    name, k = rng.choice(["Multiplier", "Scaler", "Adder", "Reducer", "Power"]), rng.randint(2, 5)
    term, verb = {
        "Adder": ("x + self.{}", "plus"),
        "Reducer": ("x - self.{}", "minus"),
        "Power": ("x**self.{}", "to the power"),
    }.get(name, ("x * self.{}", "times"))
    attribute = rng.choice(["n", "k", "amount", "value"])
    a, b, c = rng.sample(range(2, 12), 3)
    return Class(
        name=name,
        ask=f"with an attribute `{attribute}`, a number given at the start, whose objects can be called "
        f"with a number `x` "
        f"and return `x` {verb} `{attribute}`",
        body=f"""
            def __init__(self, {attribute}):
                self.{attribute} = {attribute}

            def __call__(self, x):
                return {term.format(attribute)}
        """,
        script=f"""
            f = {name}({k})
            ? f({a})
            ? f({b})
            ? {name}({k + 1})({c})
            ? f.{attribute}
        """,
    )
