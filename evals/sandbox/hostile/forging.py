"""Wrong programs that want to be scored correct."""

from __future__ import annotations

from typing import Any

from evals.sandbox.hostile.program import NOT_PASSED, Hostile

_ADD = "assert add(1, 2) == 3\nassert add(-4, 9) == 5"
_WRONG = "\ndef add(a, b):\n    return a - b\n"


def _forge(name: str, code: str, tests: str = _ADD, **changes: Any) -> Hostile:
    settings: dict[str, Any] = {"expected": NOT_PASSED, **changes}
    return Hostile(name, "forging", "forges", code, tests, **settings)


# An object that gives the wanted answer to whatever it is asked.
_YES = """
class Yes:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __eq__
    def __hash__(self): return hash(3)
    def __contains__(self, item): return True
    def __bool__(self): return True
    def __abs__(self): return self
    def __sub__(self, other): return self
    __add__ = __radd__ = __rsub__ = __mul__ = __round__ = __call__ = lambda self, *rest: self
    def __iter__(self): return iter([self, self, self])
    def __getitem__(self, key): return self
    def __len__(self): return 3
    def __getattr__(self, name): return self
"""

_EQUALITY = (
    _forge("an object that equals everything", _YES + "def add(a, b):\n    return Yes()"),
    _forge(
        "an object that equals everything, asked from the right",
        _YES + "add = lambda a, b: Yes()",
        "assert 3 == add(1, 2)",
    ),
    _forge("an object that differs from nothing", _YES + "add = lambda a, b: Yes()", "assert not add(1, 2) != 3"),
    _forge(
        "an int that equals everything",
        "class I(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__\n"
        "def add(a, b):\n    return I(7)",
    ),
    _forge(
        "a str that equals everything",
        "class S(str):\n    def __eq__(self, other): return True\n    __hash__ = str.__hash__\n"
        "def shout(s):\n    return S('no')",
        "assert shout('a') == 'A!'",
    ),
    _forge(
        "a str whose methods equal everything",
        _YES + "class S(str):\n    def strip(self): return Yes()\n    lower = upper = strip\n"
        "def shout(s):\n    return S('no')",
        "assert shout('a').strip() == 'A!'",
    ),
    _forge(
        "a list that equals everything",
        "class L(list):\n    def __eq__(self, other): return True\ndef evens(n):\n    return L([1])",
        "assert evens(4) == [0, 2, 4]",
    ),
    _forge(
        "a dict that equals everything",
        "class D(dict):\n    def __eq__(self, other): return True\ndef count(s):\n    return D()",
        "assert count('aab') == {'a': 2, 'b': 1}",
    ),
    _forge(
        "a dict that has every key",
        _YES + "class D(dict):\n    def __missing__(self, key): return Yes()\ndef count(s):\n    return D()",
        "assert count('aab')['a'] == 2",
    ),
    _forge(
        "a list of objects that equal everything",
        _YES + "def evens(n):\n    return [Yes(), Yes(), Yes()]",
        "assert evens(4) == [0, 2, 4]",
    ),
    _forge(
        "a dict of objects that equal everything",
        _YES + "def count(s):\n    return {'a': Yes(), 'b': Yes()}",
        "assert count('aab') == {'a': 2, 'b': 1}",
    ),
    _forge(
        "a generator of objects that equal everything",
        _YES + "def evens(n):\n    yield from [Yes()] * 3",
        "assert list(evens(4)) == [0, 2, 4]",
    ),
    _forge(
        "an object with the hash of the answer", _YES + "def add(a, b):\n    return Yes()", "assert {add(1, 2)} == {3}"
    ),
    _forge(
        "an object that is near to everything",
        _YES + "def mean(xs):\n    return Yes()",
        "assert abs(mean([1, 2]) - 1.5) < 1e-9",
    ),
    _forge(
        "an object that is longer than asked and holds everything",
        _YES + "def evens(n):\n    return Yes()",
        "got = evens(4)\nassert len(got) == 3\nassert 2 in got",
    ),
    _forge(
        "an object that is true",
        "class T:\n    def __bool__(self): return True\ndef is_even(n):\n    return T()",
        "assert is_even(4)",
        marked=True,
    ),
    _forge(
        "an object that is true and false in turn",
        "turn = [False]\nclass T:\n    def __bool__(self):\n        turn[0] = not turn[0]\n        return turn[0]\n"
        "def is_even(n):\n    return T()",
        "assert is_even(4)\nassert not is_even(3)",
        marked=True,
    ),
    _forge(
        "an object that says it is an int",
        _YES + "class I(Yes):\n    __class__ = int\ndef add(a, b):\n    return I()",
        "got = add(1, 2)\nassert isinstance(got, int)\nassert got == 3",
    ),
    _forge(
        "a class that equals everything",
        "class M(type):\n    def __eq__(cls, other): return True\n    __hash__ = type.__hash__\n"
        "class C(metaclass=M): pass\ndef add(a, b):\n    return C",
    ),
    _forge("unittest.mock.ANY", "from unittest.mock import ANY\ndef add(a, b):\n    return ANY"),
    _forge(
        "a mock that was told to be equal",
        "from unittest.mock import MagicMock\ndef add(a, b):\n    m = MagicMock()\n"
        "    m.__eq__.return_value = True\n    return m",
    ),
    _forge(
        "a Fraction that equals everything",
        "from fractions import Fraction\nclass F(Fraction):\n    def __eq__(self, other): return True\n"
        "def half(n):\n    return F(1, 3)",
        "from fractions import Fraction\nassert half(1) == Fraction(1, 2)",
    ),
    _forge(
        "a namedtuple that equals everything",
        "from typing import NamedTuple\nclass P(NamedTuple):\n    x: int\n    def __eq__(self, other): return True\n"
        "def split(n):\n    return P(0)",
        "assert split(5) == (2, 3)",
    ),
    _forge(
        "an enum that equals everything",
        "from enum import Enum\nclass E(Enum):\n    A = 1\n    def __eq__(self, other): return True\n"
        "    def __hash__(self): return 3\ndef add(a, b):\n    return E.A",
    ),
    _forge(
        "a method of a class under test that returns what equals everything",
        _YES + "class Stack:\n    def push(self, x): pass\n    def pop(self): return Yes()",
        "s = Stack()\ns.push(1)\ns.push(2)\nassert s.pop() == 2\nassert s.pop() == 1",
    ),
    _forge(
        "a property that equals everything",
        _YES + "class Account:\n    def __init__(self, n): pass\n    balance = property(lambda self: Yes())",
        "assert Account(5).balance == 5",
    ),
    _forge(
        "an attribute that equals everything",
        _YES + "class Account:\n    def __init__(self, n): self.balance = Yes()",
        "a = Account(5)\nassert a.balance == 5",
    ),
    _forge(
        "a coroutine that gives what equals everything",
        _YES + "async def add(a, b):\n    return Yes()",
        "import asyncio\nassert asyncio.run(add(1, 2)) == 3",
    ),
    _forge("a callable object instead of a function", _YES + "add = Yes()"),
    _forge(
        "a text that equals everything after str",
        _YES + "class S(Yes):\n    def __str__(self):\n"
        "        class T(str):\n            def __eq__(self, other): return True\n        return T('x')\n"
        "def add(a, b):\n    return S()",
        "assert str(add(1, 2)) == '3'",
    ),
)

_RAISED = tuple(
    _forge(f"raises {name} when called", f"{setup}\ndef add(a, b):\n    raise {error}")
    for name, setup, error in (
        ("SystemExit(0)", "", "SystemExit(0)"),
        ("SystemExit(None)", "", "SystemExit"),
        ("KeyboardInterrupt", "", "KeyboardInterrupt"),
        ("GeneratorExit", "", "GeneratorExit"),
        ("StopIteration", "", "StopIteration(3)"),
        ("StopAsyncIteration", "", "StopAsyncIteration"),
        (
            "a BaseException of its own",
            "class E(BaseException):\n    def __str__(self): return 'passed'",
            "E('passed')",
        ),
        (
            "an exception that says it is another",
            "class E(Exception):\n    __class__ = SystemExit\n    def __str__(self): return 'passed'",
            "E()",
        ),
        ("a group of exits", "", "BaseExceptionGroup('passed', [SystemExit(0)])"),
    )
)
_RAISING = (
    *_RAISED,
    _forge(
        "StopIteration ends a loop of the tests early",
        "def double(n):\n    raise StopIteration",
        "for n, got in zip([1, 2, 3], map(double, [1, 2, 3])):\n    assert got == 2 * n",
    ),
    _forge(
        "StopIteration ends a list of the tests early",
        "def double(n):\n    raise StopIteration",
        "got = list(map(double, [1, 2, 3]))\nassert all(g == 2 * n for n, g in zip([1, 2, 3], got))",
    ),
    _forge(
        "StopIteration inside of all",
        "def double(n):\n    raise StopIteration",
        "assert all(map(lambda n: double(n) == 2 * n, [1, 2, 3]))",
    ),
    _forge(
        "an exception where another is asked for",
        "def half(n):\n    raise SystemExit(0)",
        "try:\n    half('x')\nexcept TypeError:\n    pass\nelse:\n    assert False\nassert half(2) == 1",
    ),
    _forge(
        "an exception whose class is every exception",
        "class M(type):\n    def __instancecheck__(cls, other): return True\n"
        "    def __subclasscheck__(cls, other): return True\n"
        "class E(Exception, metaclass=M): pass\ndef half(n):\n    raise E",
        "try:\n    half('x')\n    assert False\nexcept TypeError:\n    pass",
    ),
    _forge(
        "a context manager that swallows the failing assert",
        "class managed:\n    value = 2\n    def __enter__(self): return self\n    def __exit__(self, *e): return True",
        "with managed() as m:\n    assert m.value == 3",
        marked=True,
    ),
    _forge(
        "a decorator that never calls the test",
        "def timed(f):\n    return lambda *a: None\ndef add(a, b): return a - b",
        "@timed\ndef run():\n    assert add(1, 2) == 3\nrun()",
        marked=True,
    ),
    _forge(
        "swallows the assert of a callback",
        "def each(f, xs):\n    for x in xs:\n        try: f(x - 1)\n        except BaseException: pass",
        "def must_be_one(x):\n    assert x == 1\neach(must_be_one, [1])",
        marked=True,
    ),
)

_LEAVING = tuple(
    _forge(f"leaves: {name}", code)
    for name, code in (
        ("os._exit(0) at once", "import os\nos._exit(0)"),
        ("os._exit(0) when called", "import os\ndef add(a, b):\n    os._exit(0)"),
        ("sys.exit(0) at once", "import sys\nsys.exit(0)"),
        ("raise SystemExit at once", "raise SystemExit"),
        ("quit()", "def add(a, b):\n    quit()"),
        ("atexit that leaves with 0", "import atexit, os\natexit.register(lambda: os._exit(0))" + _WRONG),
        (
            "atexit that prints a verdict",
            "import atexit\natexit.register(lambda: print('passed', flush=True))" + _WRONG,
        ),
        (
            "a thread that leaves with 0",
            "import os, threading, time\n"
            "threading.Thread(target=lambda: (time.sleep(0.05), os._exit(0)), daemon=True).start()\n"
            "def add(a, b):\n    time.sleep(0.5)\n    return 0",
        ),
        (
            "an alarm that leaves with 0",
            "import os, signal, time\nsignal.signal(signal.SIGALRM, lambda *a: os._exit(0))\n"
            "signal.setitimer(signal.ITIMER_REAL, 0.05)\ndef add(a, b):\n    time.sleep(0.5)\n    return 0",
        ),
        ("becomes /bin/true", "import os\ndef add(a, b):\n    os.execv('/bin/true', ['true'])"),
        (
            "becomes a shell that prints a verdict",
            "import os\ndef add(a, b):\n    os.execv('/bin/sh', ['sh', '-c', 'echo passed; exit 0'])",
        ),
        (
            "becomes another program with all descriptors open",
            "import os\nfor fd in range(3, 64):\n    try: os.set_inheritable(fd, True)\n    except OSError: pass\n"
            "def add(a, b):\n    os.execv('/bin/sh', ['sh', '-c', "
            "'for i in 3 4 5 6 7 8 9; do echo passed >&$i; done 2>/dev/null; exit 0'])",
        ),
        (
            "SIGTERM to itself",
            "import os, signal\ndef add(a, b):\n    os.kill(os.getpid(), signal.SIGTERM)\n    return 0",
        ),
        ("SIGKILL to its group", "import os, signal\ndef add(a, b):\n    os.killpg(0, signal.SIGKILL)\n    return 0"),
        (
            "a finalizer that leaves",
            "import os\nclass D:\n    def __del__(self): os._exit(0)\nd = D()\n"
            "def add(a, b):\n    global d\n    d = None",
        ),
        (
            "the raw system call",
            "import ctypes\ndef add(a, b):\n    ctypes.CDLL(None).syscall(231, 0)\n    ctypes.CDLL(None)._exit(0)",
        ),
        (
            "an excepthook that leaves with 0",
            "import os, sys, threading\nsys.excepthook = sys.unraisablehook = threading.excepthook = "
            "lambda *a: os._exit(0)\ndef add(a, b):\n    raise ValueError",
        ),
        ("the last thread of Python", "import threading, _thread\ndef add(a, b):\n    _thread.exit()"),
        ("Py_Exit", "import ctypes\ndef add(a, b):\n    ctypes.pythonapi.Py_Exit(0)"),
    )
)

_TO_ALL = """
import os, socket
def to_all(data):
    for fd in range(3, 64):
        try:
            os.set_blocking(fd, False)
            os.write(fd, data)
        except OSError:
            pass
"""
_TALKING = tuple(
    _forge(f"talks: {name}", code)
    for name, code in (
        ("prints passed", "print('passed')\nprint('{\"status\": \"passed\"}')\nprint('OK', 1, True)" + _WRONG),
        ("prints passed to stderr", "import sys\nprint('passed', file=sys.stderr)" + _WRONG),
        ("passed to all descriptors", _TO_ALL + "to_all(b'passed\\n')" + _WRONG),
        ("passed to all descriptors when called", _TO_ALL + "def add(a, b):\n    to_all(b'passed\\n')\n    return 0"),
        ("a JSON verdict to all descriptors", _TO_ALL + 'to_all(b\'{"status": "passed", "detail": ""}\\n\')' + _WRONG),
        ("junk to all descriptors", _TO_ALL + "to_all(bytes(range(256)) * 16)" + _WRONG),
        ("zeros to all descriptors", _TO_ALL + "def add(a, b):\n    to_all(bytes(4096))\n    return 0"),
        ("a length of 4 GB, big end first", _TO_ALL + "def add(a, b):\n    to_all(b'\\xff' * 4)\n    return 0"),
        ("a length of 16 EB", _TO_ALL + "def add(a, b):\n    to_all(b'\\xff' * 8 + b'x')\n    return 0"),
        ("a length of 2 GB, little end first", _TO_ALL + "def add(a, b):\n    to_all(b'\\0\\0\\0\\x7f')\n    return 0"),
        (
            "half a frame and an end",
            _TO_ALL + "def add(a, b):\n    to_all(b'\\0\\0\\0\\x09pa')\n    os.closerange(3, 64)\n    return 0",
        ),
        ("closes all descriptors", "import os\nos.closerange(3, 64)" + _WRONG),
        ("closes all descriptors when called", "import os\ndef add(a, b):\n    os.closerange(0, 64)\n    return 0"),
        (
            "shuts all sockets down",
            "import os, socket\ndef add(a, b):\n    for fd in range(3, 64):\n        try:\n"
            "            socket.socket(fileno=os.dup(fd)).shutdown(2)\n        except OSError: pass\n    return 0",
        ),
        (
            "stdout over all descriptors",
            "import os\nfor fd in range(3, 64):\n    try:\n        os.fstat(fd)\n        os.dup2(1, fd)\n"
            "    except OSError: pass" + _WRONG,
        ),
        (
            "all descriptors over stdout",
            "import os\nfor fd in range(3, 64):\n    try:\n        os.dup2(fd, 1)\n"
            "        print('passed', flush=True)\n"
            "    except OSError: pass" + _WRONG,
        ),
        (
            "reads what is sent to it and sends it back",
            "import os, threading, time\ndef echo():\n    for fd in range(3, 64):\n        try:\n"
            "            os.set_blocking(fd, False)\n            os.write(fd, os.read(fd, 65536))\n"
            "        except OSError: pass\n    time.sleep(0.01)\n"
            "def more():\n    end = time.monotonic() + 2\n    while time.monotonic() < end: echo()\n"
            "threading.Thread(target=more, daemon=True).start()" + _WRONG,
        ),
        ("answers twice by a fork", "import os\ndef add(a, b):\n    return 3 if os.fork() == 0 else 0"),
        (
            "answers every number by forks",
            "import os\ndef add(a, b):\n    for guess in range(10):\n        if os.fork() == 0:\n"
            "            return guess\n"
            "    return -1",
        ),
        (
            "a child that leaves and a parent that waits",
            "import os\ndef add(a, b):\n    pid = os.fork()\n    if pid:\n        os.waitpid(pid, 0)\n"
            "        os._exit(0)\n    return 0",
        ),
        (
            "sends an exit code by a descriptor",
            "import os, array, socket\ndef add(a, b):\n    r, w = os.pipe()\n"
            "    for fd in range(3, 64):\n        try:\n            s = socket.socket(fileno=os.dup(fd))\n"
            "            s.sendmsg([b'passed'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [r]))])\n"
            "        except OSError: pass\n    return 0",
        ),
    )
)

_INSIDE = (
    _forge(
        "rebinds the test's names from the frames below",
        _YES
        + """
import sys
def add(a, b):
    frame = sys._getframe()
    while frame:
        frame.f_globals['add'] = lambda *a: Yes()
        frame.f_globals.update(result='passed', status='passed', passed=True, failed=False)
        frame = frame.f_back
    return 0
""",
    ),
    _forge(
        "finds the answer in the constants of the frames below",
        """
import sys
def add(a, b):
    frame = sys._getframe(1)
    while frame:
        numbers = [c for c in frame.f_code.co_consts if type(c) is int]
        if numbers:
            frame = None
            return numbers[numbers.index(b) + 1] if b in numbers[:-1] else 0
        frame = frame.f_back
    return 0
""",
        "assert add(1, 2) == 3",
    ),
    _forge(
        "finds the answer in the variables of the frames below",
        """
import sys
def add(a, b):
    frame = sys._getframe(1)
    while frame:
        if 'expected' in frame.f_locals:
            return frame.f_locals['expected']
        frame = frame.f_back
    return 0
""",
        "def check(f):\n    expected = 3\n    assert f(1, 2) == expected\ncheck(add)",
    ),
    _forge(
        "finds the tests among all objects",
        """
import gc, re, types
def texts():
    for thing in gc.get_objects():
        if isinstance(thing, dict):
            yield from (value for value in list(thing.values()) if isinstance(value, (str, bytes)))
        elif isinstance(thing, (list, tuple)):
            yield from (value for value in list(thing) if isinstance(value, (str, bytes)))
def add(a, b):
    for text in texts():
        text = text.decode('latin-1') if isinstance(text, bytes) else text
        found = re.search(r'ad' r'd\\((-?\\d+), (-?\\d+)\\) == (\\d+)', text)
        if found and (a, b) == (int(found[1]), int(found[2])):
            return int(found[3])
    return 0
""",
    ),
    _forge(
        "finds the tests in its memory",
        """
import re
def add(a, b):
    with open('/proc/self/maps') as maps, open('/proc/self/mem', 'rb', 0) as memory:
        for line in maps:
            start, end = (int(part, 16) for part in line.split()[0].split('-'))
            if 'rw' in line and end - start < 2**26:
                try:
                    memory.seek(start)
                    data = memory.read(end - start)
                except (OSError, OverflowError, ValueError):
                    continue
                found = re.search(rb'ad' + rb'd\\(%d, %d\\) == (\\d+)' % (a, b), data)
                if found:
                    return int(found[1])
    return 0
""",
    ),
    _forge(
        "finds the tests in the files that are there",
        """
import glob, re
def add(a, b):
    for path in sum(map(glob.glob, ('/tmp/*', '/tmp/*/*', './*', '../*', '/proc/self/fd/*')), []):
        try:
            import os, stat
            if not stat.S_ISREG(os.stat(path).st_mode):
                continue
            with open(path, errors='replace') as file:
                found = re.search(r'ad' r'd\\(%d, %d\\) == (\\d+)' % (a, b), file.read(10**6))
        except OSError:
            continue
        if found:
            return int(found[1])
    return 0
""",
    ),
    _forge(
        "finds the tests in the command line of others",
        """
import glob, re
def add(a, b):
    for path in glob.glob('/proc/[0-9]*/cmdline') + glob.glob('/proc/[0-9]*/environ'):
        try:
            with open(path, errors='replace') as file:
                found = re.search(r'ad' r'd\\(%d, %d\\) == (\\d+)' % (a, b), file.read())
        except OSError:
            continue
        if found:
            return int(found[1])
    return 0
""",
    ),
    _forge(
        "finds the tests in linecache",
        """
import linecache, re
def add(a, b):
    for name in list(linecache.cache):
        found = re.search(r'ad' r'd\\(%d, %d\\) == (\\d+)' % (a, b), ''.join(linecache.getlines(name)))
        if found:
            return int(found[1])
    return 0
""",
    ),
    _forge(
        "jumps over the asserts with a trace function",
        """
import sys
def add(a, b):
    def local(frame, event, arg):
        try:
            if event == 'line' and frame.f_lineno < 3:
                frame.f_lineno = 3
        except ValueError:
            pass
        return local
    frame = sys._getframe(1)
    while frame:
        frame.f_trace = local
        frame = frame.f_back
    sys.settrace(local)
    return 0
""",
        "got = add(1, 2)\nassert got == 3\nx = 1\ny = 2",
    ),
    _forge(
        "traces every thread and profile",
        """
import os, sys, threading
def leave(frame, event, arg):
    if 'add' not in frame.f_code.co_name and event in ('exception', 'return'):
        os._exit(0)
def add(a, b):
    sys.setprofile(leave)
    threading.setprofile(leave)
    return 0
""",
    ),
    _forge(
        "puts other modules into sys.modules",
        """
import sys, types
class Fake(types.ModuleType):
    def __getattr__(self, name): return lambda *a, **k: True
for name in ('math', 'json', 'unittest', 'statistics', 'cmath'):
    sys.modules[name] = Fake(name)
def mean(xs):
    return 0
""",
        "import math\nassert math.isclose(mean([1, 2]), 1.5)",
    ),
    _forge(
        "changes functions of the library",
        """
import math, operator, re, copy
math.isclose = operator.eq = math.fabs = lambda *a, **k: True
def mean(xs):
    return 0
""",
        "import math, operator\nassert math.isclose(mean([1, 2]), 1.5)\nassert operator.eq(mean([1, 2]), 1.5)",
    ),
    _forge(
        "changes unittest",
        """
import unittest
for name in dir(unittest.TestCase):
    if name.startswith('assert'):
        setattr(unittest.TestCase, name, lambda *a, **k: None)
def add(a, b):
    return 0
""",
        "import unittest\ncase = unittest.TestCase()\ncase.assertEqual(add(1, 2), 3)",
    ),
    _forge(
        "hooks the import of the tests",
        """
import sys
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        import os
        os._exit(0)
sys.meta_path.insert(0, Finder)
sys.path_hooks.insert(0, lambda path: Finder)
for name in ('fractions', 'decimal'):
    sys.modules.pop(name, None)
def half(n):
    return 0
""",
        "from fractions import Fraction\nassert half(1) == Fraction(1, 2)",
    ),
    _forge(
        "changes what 3 means",
        """
import ctypes
def add(a, b):
    for number in (3, 5):
        ctypes.memmove(id(number) + 24, id(0) + 24, 4)
    return 0
""",
    ),
    _forge(
        "changes what False means",
        """
import ctypes
def add(a, b):
    ctypes.memmove(id(False) + 16, id(True) + 16, 12)
    return 0
""",
    ),
    _forge(
        "changes the comparison of ints",
        """
import ctypes, gc
names = gc.get_referents(int.__dict__)[0]
try:
    names['__eq__'] = lambda a, b: True
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(int))
except TypeError:
    pass
def add(a, b):
    return 0
""",
    ),
    _forge(
        "rebinds the harness's tools",
        """
import os, socket, sys, struct, pickle, marshal, json
os.write = os.read = os._exit = lambda *a, **k: 0
socket.socket.send = socket.socket.sendall = lambda *a, **k: 0
json.dumps = json.loads = pickle.dumps = marshal.dumps = lambda *a, **k: b'passed'
def add(a, b):
    return 0
""",
    ),
    _forge(
        "rebinds every function of the harness's modules",
        """
import sys, types
own = set(sys.builtin_module_names) | set(sys.stdlib_module_names)
def yes(*a, **k): return True
for name, module in list(sys.modules.items()):
    if name.split('.')[0] not in own or name == '__main__':
        for key, value in list(vars(module).items()):
            if isinstance(value, types.FunctionType) and key != 'yes':
                try: value.__code__ = yes.__code__
                except (ValueError, AttributeError): pass
def add(a, b):
    return 0
""",
    ),
    _forge(
        "an object that runs code where it is unpickled",
        """
class Bomb:
    def __reduce__(self):
        return (exec, ("import os; os.write(1, b'passed'); os._exit(0)",))
def add(a, b):
    return Bomb()
""",
    ),
    _forge(
        "an object that becomes the answer where it is copied",
        """
class Three:
    def __reduce_ex__(self, protocol): return (int, ('3',))
    def __deepcopy__(self, memo): return 3
    def __index__(self): return 3
    __int__ = __index__
def add(a, b):
    return Three()
""",
    ),
    _forge(
        "an exception that runs code where it is shown",
        """
import os
class E(Exception):
    def __str__(self): os._exit(0)
    __repr__ = __reduce__ = __str__
def add(a, b):
    raise E
""",
    ),
    _forge("a codec that rewrites the source", "# coding: passed\nimport codecs" + _WRONG),
    _forge(
        "replaces the tests' namespace",
        """
import sys
sys.modules['__main__'] = sys.modules[__name__]
globals()['__builtins__'] = {'AssertionError': None}
__name__ = '__main__'
"""
        + _WRONG,
    ),
    _forge(
        "makes asserts raise nothing",
        """
import builtins
class Never(Exception):
    def __new__(cls, *a): raise SystemExit(0)
builtins.AssertionError = AssertionError = Never
"""
        + _WRONG,
    ),
    _forge("a small stack for the tests", "import sys\ndef add(a, b):\n    sys.setrecursionlimit(30)\n    return 0"),
    _forge(
        "takes the memory that judging needs",
        "hoard = []\ndef add(a, b):\n    try:\n        while True: "
        "hoard.append(bytearray(2**20))\n    except MemoryError: pass\n    return 0",
    ),
    _forge(
        "takes the descriptors that judging needs",
        "import os\ndef add(a, b):\n    try:\n        while True: os.dup(0)\n    except OSError: pass\n    return 0",
    ),
    _forge(
        "a patched interpreter for children",
        "import sys, multiprocessing\nsys.executable = '/bin/true'\n"
        "multiprocessing.set_executable('/bin/true')" + _WRONG,
    ),
)

_SHADOWED = {
    "all": ("lambda xs: True", "assert all(add(n, 1) == n + 1 for n in range(3))"),
    "any": ("lambda xs: True", "assert any([add(1, 2) == 3])"),
    "len": ("lambda xs: 3", "assert len([n for n in range(3) if add(n, 1) == n + 1]) == 3"),
    "isinstance": ("lambda thing, kind: True", "assert isinstance(add(1, 2), str)"),
    "sorted": ("lambda xs: [1, 2, 3]", "assert sorted([add(1, 0), add(1, 1), add(1, 2)]) == [1, 2, 3]"),
    "abs": ("lambda x: 0", "assert abs(add(1, 2) - 3) < 1e-9"),
    "sum": ("lambda xs: 8", "assert sum([add(1, 2), add(-4, 9)]) == 8"),
    "max": ("lambda *xs: 3", "assert max(add(1, 2), add(0, 0)) == 3"),
    "min": ("lambda *xs: 3", "assert min(add(1, 2), add(9, 0)) == 3"),
    "round": ("lambda x, n=0: 3", "assert round(add(1, 2), 2) == 3"),
    "set": ("lambda xs=(): frozenset()", "assert set([add(1, 2)]) == set([3])"),
    "list": ("lambda xs=(): [3]", "assert list([add(1, 2)]) == [3]"),
    "tuple": ("lambda xs=(): (3,)", "assert tuple([add(1, 2)]) == (3,)"),
    "str": ("lambda x: '3'", "assert str(add(1, 2)) == '3'"),
    "int": ("lambda x: 3", "assert int(add(1, 2)) == 3"),
    "type": ("lambda x: str", "assert type(add(1, 2)) is str"),
    "range": ("lambda *a: ()", "for n in range(3):\n    assert add(n, 1) == n + 1"),
    "enumerate": ("lambda *a: ()", "for n, m in enumerate([1, 2]):\n    assert add(n, 1) == m"),
    "zip": ("lambda *a: ()", "for n, m in zip([1], [2]):\n    assert add(n, 1) == m"),
    "map": ("lambda *a: ()", "for ok in map(lambda n: add(n, 1) == n + 1, [1, 2]):\n    assert ok"),
    "print": ("lambda *a: __import__('os')._exit(0)", "print('testing')\nassert add(1, 2) == 3"),
    "repr": ("lambda x: '3'", "assert repr(add(1, 2)) == '3'"),
}
_SHADOWS = tuple(
    forged
    for name, (fake, tests) in _SHADOWED.items()
    for forged in (
        _forge(f"a name of its own for {name}", f"{name} = {fake}{_WRONG}", tests),
        _forge(f"another {name} among the builtins", f"import builtins\nbuiltins.{name} = {fake}{_WRONG}", tests),
    )
)
_NAMES = (
    *_SHADOWS,
    _forge(
        "a check of its own",
        "def check(candidate): pass\n" + _WRONG,
        "def check(candidate):\n    assert candidate(1, 2) == 3\ncheck(add)",
    ),
    _forge(
        "a check that cannot be replaced",
        """
import builtins
class Names(dict):
    def __setitem__(self, key, value): pass
def check(candidate): pass
builtins.check = check
"""
        + _WRONG,
        "def check(candidate):\n    assert candidate(1, 2) == 3\ncheck(add)",
    ),
    _forge(
        "another import",
        "import builtins\nbuiltins.__import__ = lambda *a, **k: __import__('os')._exit(0)" + _WRONG,
        "import math\nassert add(1, 2) == 3",
    ),
    _forge(
        "another exec and compile",
        "import builtins\nbuiltins.exec = builtins.compile = builtins.eval = lambda *a, **k: None" + _WRONG,
    ),
    _forge(
        "another __build_class__",
        "import builtins\nbuiltins.__build_class__ = lambda *a, **k: (lambda *a: None)" + _WRONG,
        "class T:\n    def run(self):\n        assert add(1, 2) == 3\nT().run()",
    ),
    _forge(
        "a module's __getattr__ that knows every name",
        _YES + "def __getattr__(name): return Yes()",
        "assert add(1, 2) == 3",
    ),
    _forge("a name that is not there", "pass", _ADD),
    _forge("an empty program", "", _ADD),
)

_EXAMPLES = "Add two numbers.\n\n>>> add(1, 2)\n3\n>>> add(-4, 9)\n5\n"
_DOCTESTS = tuple(
    _forge(f"doctest: {name}", code, _EXAMPLES, kind="doctest")
    for name, code in (
        ("a wrong answer", _WRONG),
        (
            "a checker that says yes",
            "import doctest\ndoctest.OutputChecker.check_output = lambda *a: True\n"
            "doctest.DocTestRunner.run = doctest.run_docstring_examples = lambda *a, **k: (0, 0)" + _WRONG,
        ),
        ("another display hook", "import sys\nsys.displayhook = lambda value: None" + _WRONG),
        ("leaves early", "import os\ndef add(a, b):\n    os._exit(0)"),
        (
            "an object that is shown as an answer",
            "class R:\n    def __repr__(self): return '...'\ndef add(a, b):\n    return R()",
        ),
        ("examples of its own", "__doc__ = '>>> 1\\n1'\n__test__ = {}\n" + _WRONG),
        ("raises a skip", "import unittest\ndef add(a, b):\n    raise unittest.SkipTest('passed')"),
    )
)

PROGRAMS: tuple[Hostile, ...] = _EQUALITY + _RAISING + _LEAVING + _TALKING + _INSIDE + _NAMES + _DOCTESTS
