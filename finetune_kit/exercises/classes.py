"""Exercises that ask for a class whose objects change."""

from __future__ import annotations

from random import Random

from finetune_kit.exercises.draws import ITEMS, PEOPLE, ints, words
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


@seen
def queue(rng: Random) -> Class:
    name = rng.choice(["Queue", "Line", "WaitingList", "Printer"])
    put, get = rng.choice([("join", "serve"), ("put", "get"), ("enqueue", "dequeue"), ("add", "take")])
    size = rng.choice(["size", "count", "waiting"])
    a, b, c = rng.sample(PEOPLE, 3)
    return Class(
        name=name,
        ask=f"with `{put}(item)`, `{get}()`, which removes and returns the oldest item, and `{size}()`, "
        "the number of items",
        body=f"""
            def __init__(self):
                self.items = []

            def {put}(self, item):
                self.items.append(item)

            def {get}(self):
                return self.items.pop(0)

            def {size}(self):
                return len(self.items)
        """,
        script=f"""
            q = {name}()
            q.{put}("{a}")
            q.{put}("{b}")
            ? q.{size}()
            ? q.{get}()
            q.{put}("{c}")
            ? q.{get}()
            ? q.{size}()
        """,
    )


@seen
def inventory(rng: Random) -> Class:
    name, add, count = (
        rng.choice(["Inventory", "Store", "Pantry", "Basket"]),
        rng.choice(["add", "put", "stock"]),
        rng.choice(["count", "amount", "how_many"]),
    )
    a, b, c = rng.sample(ITEMS, 3)
    m, n, k = ints(rng, 3, 2, 15)
    return Class(
        name=name,
        ask=f"with `{add}(item, n)`, which adds `n` pieces of `item`, and `{count}(item)`, "
        "which returns how many there are (0 if none)",
        body=f"""
            def __init__(self):
                self.items = {{}}

            def {add}(self, item, n):
                self.items[item] = self.{count}(item) + n

            def {count}(self, item):
                return self.items.get(item, 0)
        """,
        script=f"""
            s = {name}()
            s.{add}("{a}", {m})
            s.{add}("{b}", {n})
            ? s.{count}("{a}")
            s.{add}("{a}", {k})
            ? s.{count}("{a}")
            ? s.{count}("{b}")
            ? s.{count}("{c}")
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


@unseen
def history(rng: Random) -> Class:
    name, put = rng.choice(["History", "Editor", "Setting", "Memory"]), rng.choice(["set", "write", "change"])
    undo, start = rng.choice(["undo", "back", "revert"]), rng.choice([0, 1, 5, 10])
    a, b = rng.sample(range(20, 99), 2)
    return Class(
        name=name,
        ask=f"with an attribute `value` ({start} at first), `{put}(value)`, which changes it, and "
        f"`{undo}()`, "
        "which brings back the value before the last change",
        body=f"""
            def __init__(self):
                self.value = {start}
                self.old = []

            def {put}(self, value):
                self.old.append(self.value)
                self.value = value

            def {undo}(self):
                self.value = self.old.pop()
        """,
        script=f"""
            x = {name}()
            x.{put}({a})
            x.{put}({b})
            ? x.value
            x.{undo}()
            ? x.value
            x.{undo}()
            ? x.value
        """,
    )
