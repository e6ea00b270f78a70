"""Exercises that ask for a class: of objects that change, or of values."""

from __future__ import annotations

from random import Random

from finetune_kit.exercises.draws import ints, word, words
from finetune_kit.exercises.family import Class, seen, unseen


@seen
def stack(rng: Random) -> Class:
    name = rng.choice(["Stack", "Pile", "Plates", "Tower"])
    push, pop = rng.choice([("push", "pop"), ("put", "take"), ("add", "remove")])
    peek = rng.choice(["peek", "top", "last"])
    a, b, c = words(rng, 3)
    return Class(
        name=name,
        ask=f"with `{push}(item)`, `{pop}()`, which removes and returns the newest item, and `{peek}()`, "
        "which only returns it",
        body=f"""
            def __init__(self):
                self.items = []

            def {push}(self, item):
                self.items.append(item)

            def {pop}(self):
                return self.items.pop()

            def {peek}(self):
                return self.items[-1]
        """,
        script=f"""
            s = {name}()
            s.{push}("{a}")
            s.{push}("{b}")
            ? s.{peek}()
            ? s.{pop}()
            s.{push}("{c}")
            ? s.{pop}()
            ? s.{pop}()
        """,
    )


@seen
def counter(rng: Random) -> Class:
    start, step = rng.randint(0, 9), rng.randint(1, 6)
    name, up = (
        rng.choice(["Counter", "Tally", "Clicker", "Meter"]),
        rng.choice(["up", "increment", "tick", "click"]),
    )
    return Class(
        name=name,
        ask=f"whose attribute `value` starts at {start} and grows by {step} with each call of `{up}()`",
        body=f"""
            def __init__(self):
                self.value = {start}

            def {up}(self):
                self.value += {step}
        """,
        script=f"""
            c = {name}()
            c.{up}()
            ? c.value
            c.{up}()
            c.{up}()
            ? c.value
            other = {name}()
            ? other.value
        """,
    )


@seen
def account(rng: Random) -> Class:
    name, add = (
        rng.choice(["Account", "Wallet", "Purse", "Savings"]),
        rng.choice(["deposit", "add", "pay_in"]),
    )
    take, start = rng.choice(["withdraw", "spend", "take"]), rng.choice([0, 10, 20, 50, 100])
    a, b = rng.randint(20, 60), rng.randint(5, 15)
    return Class(
        name=name,
        ask=f"with a `balance` that starts at {start}, `{add}(amount)`, and `{take}(amount)`, "
        "which does nothing if `amount` is above the balance",
        body=f"""
            def __init__(self):
                self.balance = {start}

            def {add}(self, amount):
                self.balance += amount

            def {take}(self, amount):
                if amount <= self.balance:
                    self.balance -= amount
        """,
        script=f"""
            a = {name}()
            ? a.balance
            a.{add}({a})
            ? a.balance
            a.{take}({b})
            ? a.balance
            a.{take}({a + start})
            ? a.balance
        """,
    )


@unseen
def switch(rng: Random) -> Class:
    name, flip = (
        rng.choice(["Switch", "Lamp", "Door", "Light"]),
        rng.choice(["toggle", "flip", "press", "change"]),
    )
    on, off = ("open", "closed") if name == "Door" else ("on", "off")
    first, second = (on, off) if rng.random() < 0.5 else (off, on)
    return Class(
        name=name,
        ask=f'whose attribute `state` starts as "{first}", and whose method `{flip}()` '
        f'changes it between "{on}" and "{off}"',
        body=f"""
            def __init__(self):
                self.state = "{first}"

            def {flip}(self):
                self.state = "{second}" if self.state == "{first}" else "{first}"
        """,
        script=f"""
            x = {name}()
            ? x.state
            x.{flip}()
            ? x.state
            x.{flip}()
            ? x.state
        """,
    )


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
    v = [word(rng).title() for _ in range(6)] if kind == "text" else [str(n) for n in rng.sample(range(1, 40), 6)]
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
