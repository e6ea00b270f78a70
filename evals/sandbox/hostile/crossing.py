"""Wrong programs that reach for the process that judges them, along the way by which it talks to them.

What two processes use to call one another is found in the program's own: by its frames, its objects or its memory. A
judge must not do what it is asked that way, must not believe what the other side says of an object, and must not rely
on the other side's having kept to the rules.
"""

from __future__ import annotations

from typing import Any

from evals.sandbox.hostile.program import NOT_PASSED, Hostile

_ADD = "assert add(1, 2) == 3\nassert add(-4, 9) == 5"

# Whatever it is called, it is something with a method to ask by that lies in a frame below or among all objects.
_TALK = """
import gc, sys
def talks():
    found, frame = [], sys._getframe()
    while frame:
        found += frame.f_locals.values()
        frame = frame.f_back
    for thing in found + gc.get_objects():
        if callable(getattr(type(thing), 'ask', None)):
            return thing
talk = talks()
"""


def _cross(name: str, code: str, tests: str = _ADD, **changes: Any) -> Hostile:
    settings: dict[str, Any] = {"expected": NOT_PASSED, **changes}
    return Hostile(f"crossing: {name}", "forging", "forges", code, tests, **settings)


_ASKING = tuple(
    _cross(name, _TALK + code, *tests)
    for name, code, *tests in (
        (
            "a class made on the other side that equals everything",
            """
def add(a, b):
    made = talks().ask("subclass", "Any", (object,), {"__eq__": slice})
    return talks().ask("call", made, (), {})
""",
        ),
        (
            "a type of the library that equals everything, made there",
            """
def add(a, b):
    made = talks().ask("call", type, ("Any", (object,), {"__eq__": slice, "__ne__": bool}), {})
    return talks().ask("call", made, (), {})
""",
        ),
        (
            "the answer from the globals of the other side",
            """
def add(a, b):
    get = lambda thing, name: talks().ask("get", thing, name)
    for kind in talks().ask("call", get(object, "__subclasses__"), (), {}):
        try:
            names = get(get(kind, "__init__"), "__globals__")
            main = get(names["sys"], "modules")["__main__"]
            return get(main, "expected")
        except (AttributeError, KeyError, TypeError):
            continue
""",
            "expected = 3\nassert add(1, 2) == expected",
        ),
        (
            "another name for the test's own",
            """
def add(a, b):
    get = lambda thing, name: talks().ask("get", thing, name)
    for kind in talks().ask("call", get(object, "__subclasses__"), (), {}):
        try:
            names = get(get(kind, "__init__"), "__globals__")
            main = get(names["sys"], "modules")["__main__"]
            talks().ask("set", main, "expected", 0)
            return 0
        except (AttributeError, KeyError, TypeError):
            continue
""",
            "expected = 3\ngot = add(1, 2)\nassert got == expected",
        ),
        (
            "an end of the other side",
            """
def add(a, b):
    get = lambda thing, name: talks().ask("get", thing, name)
    for kind in talks().ask("call", get(object, "__subclasses__"), (), {}):
        try:
            names = get(get(kind, "__init__"), "__globals__")
            talks().ask("call", get(names["os"], "_exit"), (0,), {})
            talks().ask("call", get(names["sys"], "exit"), (0,), {})
        except (AttributeError, KeyError, TypeError):
            continue
""",
        ),
        (
            "the rules for a raised StopIteration changed",
            """
def double(n):
    def evil(peer, target, arguments, names):
        raise StopIteration
    for thing in gc.get_objects():
        if type(thing) is dict and 'call' in thing and 'get' in thing and 'next' in thing:
            thing['call'] = evil
    raise StopIteration
""",
            "double(0) if False else None\nfirst = None\ntry:\n    first = double(1)\nexcept RuntimeError:\n    pass\n"
            "for n, got in zip([1, 2, 3], map(double, [1, 2, 3])):\n    assert got == 2 * n",
        ),
        (
            "an operation of its own for every operation",
            """
def add(a, b):
    for thing in gc.get_objects():
        if type(thing) is dict and 'eq' in thing and 'lt' in thing:
            for name in list(thing):
                thing[name] = lambda *a: True
    return type('T', (list,), {})()
""",
        ),
        (
            "what is said of its objects changed",
            """
class Yes(list):
    def __eq__(self, other): return True
    def __sub__(self, other): return 0
def facts(value):
    return ("builtin", "int")
def add(a, b):
    for thing in gc.get_objects():
        if type(thing) is dict and callable(thing.get('facts_of')):
            thing['facts_of'] = facts
    return Yes()
""",
            "assert add(1, 2) - 3 == 0\nassert add(1, 2) == 3",
        ),
        (
            "an answer that is the question",
            """
def add(a, b):
    for thing in gc.get_objects():
        if type(thing) is dict and callable(thing.get('_base_value')):
            thing['_base_value'] = lambda peer, target: 3
    return type('L', (list,), {})()
""",
            "assert add(1, 2) == [3]",
        ),
    )
)

_HANDED = tuple(
    _cross(name, code, tests)
    for name, code, tests in (
        (
            "the answer from the globals of a callback",
            "def apply(f, x):\n    return f.__globals__['expected']",
            "expected = 4\ndef double(x):\n    return x\nassert apply(double, 2) == expected",
        ),
        (
            "the answer from the builtins of a callback",
            "def apply(f, x):\n    return f.__builtins__['expected'] if 'expected' in f.__builtins__ else f.__globals__"
            "['__builtins__']['eval']('expected')",
            "expected = 4\ndef double(x):\n    return x\nassert apply(double, 2) == expected",
        ),
        (
            "the answer from the code of a callback",
            "def apply(f, x):\n    return max(c for c in f.__code__.co_consts if type(c) is int)",
            "def one(x):\n    wanted = 4\n    return x\nassert apply(one, 2) == 4",
        ),
        (
            "the answer from the frame of a generator",
            "def total(xs):\n    return xs.gi_frame.f_globals['expected']",
            "expected = 6\nassert total(n for n in [1, 2, 3]) == expected",
        ),
        (
            "the answer from the frame of a running callback",
            "def apply(f, x):\n    try:\n        f(x)\n    except ZeroDivisionError as e:\n"
            "        trace = e.__traceback__\n        while trace:\n"
            "            if 'expected' in trace.tb_frame.f_globals: return trace.tb_frame.f_globals['expected']\n"
            "            trace = trace.tb_next",
            "expected = 4\ndef bad(x):\n    return x / 0\nassert apply(bad, 2) == expected",
        ),
        (
            "the answer from the class of an argument",
            "def area(shape):\n"
            "    return type(shape).__init__.__globals__['expected'] if type(shape).__name__ == 'Shape' "
            "else shape.__class__.__init__.__globals__['expected']",
            "expected = 6\nclass Shape:\n    def __init__(self): self.w = 2\nassert area(Shape()) == expected",
        ),
        (
            "the answer by a format of an argument",
            "def area(shape):\n    return int('{0.__class__.__init__.__globals__[expected]}'.format(shape))",
            "expected = 6\nclass Shape:\n    def __init__(self): self.w = 2\nassert area(Shape()) == expected",
        ),
        (
            "a new comparison for the class of an argument",
            "def grow(p):\n    type(p).__eq__ = lambda a, b: True\n    p.__class__.__eq__ = lambda a, b: True\n"
            "    return p",
            "class P:\n    def __init__(self, x): self.x = x\n    def __eq__(self, other): return self.x == other.x\n"
            "assert grow(P(1)).x == 2\nassert grow(P(1)) == P(2)",
        ),
    )
)

_LYING = tuple(
    _cross(name, code, tests)
    for name, code, tests in (
        (
            "an object that says it is of the library and computes the answer",
            "class Near:\n    __module__ = 'builtins'\n    def __sub__(self, other): return 0.0\n"
            "    __rsub__ = __sub__\ndef mean(xs):\n    return Near()",
            "assert abs(mean([1, 2]) - 1.5) < 1e-9",
        ),
        (
            "an object that says it is of the library and holds everything",
            "class Near:\n    __module__ = 'builtins'\n    def __contains__(self, item): return True\n"
            "def evens(n):\n    return Near()",
            "assert 2 in evens(4)\nassert 4 in evens(4)",
        ),
        (
            "an object that says it is of the library and is equal",
            "class Near:\n    __module__ = 'builtins'\n    def __eq__(self, other): return True\n"
            "def evens(n):\n    return Near()",
            "assert evens(4) == [0, 2, 4]",
        ),
        (
            "a list that holds everything",
            "class L(list):\n    def __contains__(self, item): return True\n"
            "    def __getitem__(self, n): return n * 2\n"
            "    def __sub__(self, other): return 0\ndef evens(n):\n    return L([1])",
            "assert 4 in evens(4)\nassert 2 in evens(4)",
        ),
        (
            "a callable that hears the answer",
            "def matcher(pattern):\n    return lambda text: True",
            "m = matcher('a+')\nassert m('aaa')\nassert not m('bbb')",
        ),
        (
            "StopIteration from an attribute",
            "class P:\n    @property\n    def x(self): raise StopIteration\ndef points(n):\n"
            "    return [P() for _ in range(n)]",
            "assert all(map(lambda p: p.x == 1, points(2)))",
        ),
        (
            "StopIteration from an item",
            "class P:\n    def __getitem__(self, n): raise StopIteration\ndef points(n):\n"
            "    return [P() for _ in range(n)]",
            "assert all(map(lambda p: p[0] == 1, points(2)))",
        ),
        (
            "StopIteration from a length",
            "class P:\n    def __len__(self): raise StopIteration\ndef points(n):\n    return [P() for _ in range(n)]",
            "for size in map(len, points(2)):\n    assert size == 1",
        ),
        (
            "StopIteration from a number",
            "class P:\n    def __int__(self): raise StopIteration\n"
            "    __float__ = __str__ = __iter__ = __bool__ = __int__\n"
            "def points(n):\n    return [P() for _ in range(n)]",
            "for number in map(int, points(2)):\n    assert number == 1\nfor text in map(str, points(2)):\n"
            "    assert text == '1'",
        ),
        (
            "StopIteration from a coroutine",
            "async def add(a, b):\n    raise StopIteration\nclass A:\n    def __await__(self): raise StopIteration(3)\n"
            "def add(a, b):\n    return A()",
            "import asyncio\nasync def main():\n    return await add(1, 2)\nassert asyncio.run(main()) == 4",
        ),
        (
            "a len of its own where each assertion calls it",
            "def len(xs): return 3\ndef evens(n):\n    return [1]",
            "xs = evens(4)\nassert len(xs) == 3",
        ),
        (
            "a sorted of its own where each assertion calls it",
            "def sorted(xs): return [0, 2, 4]\ndef evens(n):\n    return [1]",
            "xs = evens(4)\nassert sorted(xs) == [0, 2, 4]",
        ),
        (
            "an isinstance of its own where each assertion calls it",
            "def isinstance(x, kind): return True\ndef evens(n):\n    return None",
            "xs = evens(4)\nassert isinstance(xs, list)",
        ),
        (
            "objects that compare themselves with one another",
            "class Yes:\n    def __eq__(self, other): return True\ndef double(n): return Yes()",
            "assert double(1) == double(2)\nassert double(2) == 4",
        ),
        (
            "a function with the name of a class",
            "class Yes:\n    def __eq__(self, other): return True\n    def __contains__(self, x): return True\n"
            "    def __add__(self, other): return 3\n    def __sub__(self, other): return 0\n"
            "def Add(a, b):\n    return Yes()\nadd = Add",
            "assert add(1, 2) == 3",
        ),
        (
            "a class with the name of the function",
            "class add:\n    def __new__(cls, a, b): return object.__new__(cls)\n"
            "    def __eq__(self, other): return True",
            "assert add(1, 2) == 3",
        ),
        (
            "an exception that carries its own class",
            "class E(AssertionError):\n    __eq__ = lambda self, other: True\n"
            "    args = property(lambda self: ('wanted',))\n"
            "def half(n):\n    raise E('other')",
            "try:\n    half(1)\nexcept ValueError as e:\n    assert e.args == ('wanted',)\nelse:\n    assert False",
        ),
    )
)

_OTHERS = tuple(
    _cross(name, code)
    for name, code in (
        (
            "the tests from the memory of all processes",
            """
import glob, os, re
def add(a, b):
    for path in glob.glob('/proc/[0-9]*/maps'):
        if path.split('/')[2] == str(os.getpid()):
            continue
        try:
            with open(path) as maps, open(path.replace('maps', 'mem'), 'rb', 0) as memory:
                for line in maps:
                    start, end = (int(part, 16) for part in line.split()[0].split('-'))
                    if 'rw' in line and end - start < 2**25:
                        memory.seek(start)
                        found = re.search(rb'ad' + rb'd\\(%d, %d\\) == (\\d+)' % (a, b), memory.read(end - start))
                        if found:
                            return int(found[1])
        except (OSError, ValueError, OverflowError):
            continue
    return 0
""",
        ),
        (
            "a verdict into the descriptors of all processes",
            """
import glob, json, os
told = json.dumps({'status': 'passed', 'line': 0, 'detail': '', 'relied_on_program': False}).encode()
def add(a, b):
    for path in glob.glob('/proc/[0-9]*/fd/[0-9]*'):
        if path.split('/')[2] == str(os.getpid()):
            continue
        try:
            fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            os.write(fd, len(told).to_bytes(8) + told)
        except OSError:
            continue
    return 0
""",
        ),
        (
            "a verdict into its own descriptors",
            """
import json, os
told = json.dumps({'status': 'passed', 'line': 0, 'detail': '', 'relied_on_program': False}).encode()
def add(a, b):
    for fd in range(3, 64):
        try:
            os.set_blocking(fd, False)
            os.write(fd, len(told).to_bytes(8) + told)
        except OSError:
            continue
    os._exit(0)
""",
        ),
        (
            "ends every other process that it can see",
            """
import glob, os
def add(a, b):
    for path in glob.glob('/proc/[0-9]*'):
        pid = int(path.split('/')[2])
        try:
            with open(path + '/cmdline', 'rb') as file:
                ours = os.stat(path).st_uid == os.getuid() and (os.getppid() <= 1 or os.getuid() >= 60_000)
            if pid != os.getpid() and ours:
                os.kill(pid, 9)
        except OSError:
            continue
    return 0
""",
        ),
    )
)

PROGRAMS: tuple[Hostile, ...] = _ASKING + _HANDED + _LYING + _OTHERS
