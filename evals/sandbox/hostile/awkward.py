"""Correct programs that a careless guard, proxy or limit would fail."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from evals.sandbox.hostile.program import PASSED, ROOMY, Hostile

_ADD = "\ndef add(a, b):\n    return a + b\n"
_TESTS = "assert add(1, 2) == 3\nassert add(-4, 9) == 5"

_SHARED_MEMORY = "a /dev/shm of its own, and so a mount namespace"
_NEEDS = {
    "processes: multiprocessing.Pool": _SHARED_MEMORY,
    "processes: a process and a queue": _SHARED_MEMORY,
    "processes: concurrent.futures, processes": _SHARED_MEMORY,
    "processes: sys.executable": "a mount namespace, where only root may enter the folder of the interpreter",
}


def _right(name: str, code: str, tests: str = _TESTS, **changes: Any) -> Hostile:
    settings: dict[str, Any] = {"limits": ROOMY, "expected": PASSED, "needs": _NEEDS.get(name, ""), **changes}
    return Hostile(name, "awkward", "fails", code, tests, **settings)


_FILES = tuple(
    _right(f"files: {name}", code, *tests)
    for name, code, *tests in (
        (
            "tempfile",
            "import tempfile\nwith tempfile.NamedTemporaryFile('w+') as f:\n    f.write('3')\n    f.seek(0)\n"
            "    three = int(f.read())\ndef add(a, b):\n    with tempfile.TemporaryDirectory(): return a + b",
        ),
        (
            "tempfile.TemporaryFile and mkdtemp",
            "import os, tempfile\nwith tempfile.TemporaryFile() as f: f.write(b'x')\n"
            "os.rmdir(tempfile.mkdtemp())\nassert os.path.isdir(tempfile.gettempdir())" + _ADD,
        ),
        ("a spooled file", "import tempfile\nwith tempfile.SpooledTemporaryFile(10) as f: f.write(b'x' * 100)" + _ADD),
        (
            "the working folder",
            "import os\nopen('here', 'w').close()\nassert 'here' in os.listdir(os.getcwd())\n"
            "assert os.path.exists(os.path.join(os.getcwd(), 'here'))" + _ADD,
        ),
        (
            "the home folder",
            "from pathlib import Path\nimport os\nPath.home().joinpath('x').write_text('3')\n"
            "assert os.path.expanduser('~/x') and open(os.path.expanduser('~/x')).read() == '3'" + _ADD,
        ),
        ("the null device", "print('x', file=open('/dev/null', 'w'))\nassert open('/dev/null').read() == ''" + _ADD),
        (
            "/dev/zero and /dev/urandom",
            "assert open('/dev/zero', 'rb').read(4) == bytes(4)\n"
            "assert len(open('/dev/urandom', 'rb').read(4)) == 4" + _ADD,
        ),
        (
            "written and read by the function",
            "def keep(text):\n    with open('kept.txt', 'w') as f: f.write(text)\n"
            "    with open('kept.txt') as f: return f.read()",
            "assert keep('ä\\n') == 'ä\\n'",
        ),
        (
            "folders made, walked and removed",
            "import os, shutil\nos.makedirs('a/b')\n"
            "assert [d for _, d, _ in os.walk('.')][:2] == [['a'], ['b']]\nshutil.rmtree('a')" + _ADD,
        ),
        (
            "links and renames",
            "import os\nopen('x', 'w').close()\nos.symlink('x', 'y')\nos.link('x', 'z')\n"
            "os.rename('z', 'w')\nos.chmod('w', 0o600)\nos.utime('w')" + _ADD,
        ),
        (
            "mmap",
            "import mmap\nwith open('m', 'wb+') as f:\n    f.write(bytes(4096))\n    f.flush()\n"
            "    m = mmap.mmap(f.fileno(), 0)\n    m[0] = 1\n    m.close()" + _ADD,
        ),
        (
            "csv, json and gzip files",
            "import csv, gzip, json\nwith open('x.csv', 'w', newline='') as f: "
            "csv.writer(f).writerow([1, 'a'])\nwith gzip.open('x.gz', 'wt') as f: json.dump({'a': 1}, f)\n"
            "assert json.load(gzip.open('x.gz')) == {'a': 1}" + _ADD,
        ),
        (
            "sqlite3 in a file",
            "import sqlite3\nwith sqlite3.connect('x.db') as c:\n    c.execute('create table t (a)')\n"
            "    c.execute('insert into t values (3)')\ndef add(a, b):\n"
            "    return sqlite3.connect('x.db').execute('select ? + ?', (a, b)).fetchone()[0]",
        ),
        (
            "shelve and dbm",
            "import shelve\nwith shelve.open('s') as s: s['x'] = [1]\n"
            "with shelve.open('s') as s: assert s['x'] == [1]" + _ADD,
        ),
        (
            "zipfile and tarfile",
            "import tarfile, zipfile\nwith zipfile.ZipFile('z.zip', 'w') as z: z.writestr('a', 'b')\n"
            "with tarfile.open('t.tar', 'w') as t: t.add('z.zip')" + _ADD,
        ),
        (
            "logging to a file",
            "import logging\nlogging.basicConfig(filename='log', level=10)\nlogging.info('x')\n"
            "logging.shutdown()\nassert open('log').read()" + _ADD,
        ),
        ("chdir", "import os, tempfile\nos.chdir(tempfile.mkdtemp())\nopen('x', 'w').close()" + _ADD),
        (
            "FileNotFoundError",
            "def size(path):\n    try: return len(open(path).read())\n    except FileNotFoundError: return -1",
            "assert size('nothing') == -1\nassert size('/no/such/file') == -1",
        ),
    )
)

_PROCESSES = tuple(
    _right(f"processes: {name}", code, *tests)
    for name, code, *tests in (
        (
            "multiprocessing.Pool",
            "import multiprocessing\ndef square(n):\n    return n * n\ndef squares(ns):\n"
            "    with multiprocessing.get_context('fork').Pool(2) as pool:\n        return pool.map(square, ns)",
            "assert squares([1, 2, 3]) == [1, 4, 9]",
        ),
        (
            "a process and a queue",
            "import multiprocessing as mp\ndef put(q, n): q.put(n + 1)\ndef inc(n):\n    q = mp.Queue()\n"
            "    p = mp.get_context('fork').Process(target=put, args=(q, n))\n    p.start()\n    got = q.get()\n"
            "    p.join()\n"
            "    return got",
            "assert inc(1) == 2",
        ),
        (
            "concurrent.futures, processes",
            "import multiprocessing\nfrom concurrent.futures import ProcessPoolExecutor\n"
            "def total(ns):\n    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context('fork')) as pool:\n"
            "        return sum(pool.map(abs, ns))",
            "assert total([-1, 2]) == 3",
        ),
        (
            "concurrent.futures, threads",
            "from concurrent.futures import ThreadPoolExecutor\ndef total(ns):\n"
            "    with ThreadPoolExecutor(8) as pool: return sum(pool.map(abs, ns))",
            "assert total([-1, 2]) == 3",
        ),
        (
            "threads and locks",
            "import threading\ndef count(n):\n    total, lock = [0], threading.Lock()\n    def one():\n"
            "        with lock: total[0] += 1\n    ts = [threading.Thread(target=one) for _ in range(n)]\n"
            "    [t.start() for t in ts]\n    [t.join() for t in ts]\n    return total[0]",
            "assert count(10) == 10",
        ),
        (
            "asyncio.run",
            "import asyncio\nasync def slow(n):\n    await asyncio.sleep(0.01)\n    return n\ndef total(ns):\n"
            "    async def main(): return sum(await asyncio.gather(*map(slow, ns)))\n    return asyncio.run(main())",
            "assert total([1, 2]) == 3",
        ),
        (
            "a coroutine that the tests run",
            "import asyncio\nasync def add(a, b):\n    await asyncio.sleep(0)\n    return a + b",
            "import asyncio\nassert asyncio.run(add(1, 2)) == 3",
        ),
        (
            "an asynchronous generator",
            "async def count(n):\n    for i in range(n): yield i",
            "import asyncio\nasync def main():\n    return [i async for i in count(3)]\n"
            "assert asyncio.run(main()) == [0, 1, 2]",
        ),
        (
            "asyncio subprocess",
            "import asyncio\nasync def run():\n    p = await asyncio.create_subprocess_exec('echo', 'x', "
            "stdout=asyncio.subprocess.PIPE)\n    return (await p.communicate())[0]\n"
            "def echo(): return asyncio.run(run())",
            "assert echo() == b'x\\n'",
        ),
        (
            "sys.executable",
            "import subprocess, sys\ndef run(code):\n    return subprocess.run([sys.executable, '-c', code], "
            "capture_output=True, text=True).stdout",
            "assert run('print(1 + 2)') == '3\\n'",
        ),
        (
            "a shell",
            "import subprocess\ndef run(c): return subprocess.check_output(c, shell=True, text=True)",
            "assert run('echo x | cat') == 'x\\n'",
        ),
        (
            "os.system and os.popen",
            "import os\ndef run(c):\n    assert os.system('true') == 0\n    return os.popen(c).read()",
            "assert run('echo x') == 'x\\n'",
        ),
        (
            "fork and a pipe",
            "import os\ndef ask():\n    r, w = os.pipe()\n    if os.fork() == 0:\n        os.write(w, b'3')\n"
            "        os._exit(0)\n    os.wait()\n    return os.read(r, 9)",
            "assert ask() == b'3'",
        ),
        (
            "a socket pair",
            "import socket\ndef ask():\n    a, b = socket.socketpair()\n    a.send(b'x')\n    return b.recv(1)",
            "assert ask() == b'x'",
        ),
        (
            "an alarm",
            "import signal, time\ndef late():\n    got = []\n"
            "    signal.signal(signal.SIGALRM, lambda *a: got.append(1))\n"
            "    signal.setitimer(signal.ITIMER_REAL, 0.01)\n    time.sleep(0.1)\n    return got",
            "assert late() == [1]",
        ),
        (
            "a daemon thread that does not end",
            "import threading, time\nthreading.Thread(target=time.sleep, args=(99,), daemon=True).start()" + _ADD,
        ),
        (
            "a thread that does not end",
            "import threading, time\nthreading.Thread(target=time.sleep, args=(99,)).start()" + _ADD,
        ),
        (
            "thread-local state",
            "import threading\nlocal = threading.local()\nlocal.x = 1\ndef get(): return local.x",
            "assert get() == 1",
        ),
        (
            "context variables",
            "import contextvars\nv = contextvars.ContextVar('v', default=3)\n"
            "def get(): return contextvars.copy_context().run(v.get)",
            "assert get() == 3",
        ),
        (
            "its own pid and user",
            "import getpass, os, platform\nassert os.getpid() > 0 and os.getuid() >= 0\nplatform.platform()\n"
            "os.cpu_count()\nos.uname()" + _ADD,
        ),
    )
)

_OUTPUT = tuple(
    _right(f"in and out: {name}", code, *tests)
    for name, code, *tests in (
        ("prints 20 MB", "for _ in range(20): print('x' * 10**6)" + _ADD),
        ("prints 20 MB to stderr", "import sys\nfor _ in range(20): print('x' * 10**6, file=sys.stderr)" + _ADD),
        ("prints when called", "def add(a, b):\n    print('adding', a, b, flush=True)\n    return a + b"),
        ("prints what a verdict looks like", "print('failed\\nwrong_answer\\nAssertionError')" + _ADD),
        ("input() on nothing", "try:\n    input()\nexcept EOFError:\n    add = lambda a, b: a + b"),
        ("reads all of nothing", "import sys\nassert sys.stdin.read() == '' and list(sys.stdin) == []" + _ADD),
        ("closes its output", "import os, sys\nsys.stdout.close()\nsys.stderr.close()" + _ADD),
        ("closes descriptors 0 to 2", "import os\nfor fd in range(3): os.close(fd)" + _ADD),
        ("replaces sys.stdout", "import io, sys\nsys.stdout = sys.stderr = io.StringIO()" + _ADD),
        (
            "redirects what it prints",
            "import contextlib, io\ndef shown():\n    with contextlib.redirect_stdout(io.StringIO()) as f:\n"
            "        print('x')\n    return f.getvalue()",
            "assert shown() == 'x\\n'",
        ),
        (
            "letters beyond ASCII",
            "ä = 'größe ✓ 你好 🐍'\nprint(ä)\nopen('ä', 'w').write(ä)\ndef get(): return ä",
            "assert get() == 'größe ✓ 你好 🐍'",
        ),
        (
            "locale",
            "import locale\nlocale.setlocale(locale.LC_ALL, '')\nlocale.localeconv()\n"
            "assert locale.getpreferredencoding().upper() in ('UTF-8', 'UTF8')" + _ADD,
        ),
        ("time zones", "import datetime, time\ntime.tzset()\ndatetime.datetime.now().astimezone()" + _ADD),
        ("a guarded main part", _ADD + "if __name__ == '__main__':\n    print(add(int(input()), 1))"),
        (
            "argv",
            "import sys, argparse\nassert isinstance(sys.argv, list) and sys.argv\n"
            "argparse.ArgumentParser().parse_args([])" + _ADD,
        ),
        ("warnings", "import warnings\nwarnings.warn('old', DeprecationWarning)\nwarnings.warn('x')" + _ADD),
        (
            "a traceback of its own",
            "import traceback\ntry: 1 / 0\nexcept ZeroDivisionError: traceback.print_exc()" + _ADD,
        ),
        (
            "inspect and its own source",
            "import inspect\ndef add(a, b):\n    assert inspect.currentframe().f_code.co_name == 'add'\n"
            "    return a + b\nassert str(inspect.signature(add)) == '(a, b)'",
        ),
        ("carriage returns", "def add(a, b):\r\n    return a + b\r\n"),
        ("tabs", "def add(a, b):\n\treturn a + b\n"),
        (
            "__future__",
            "from __future__ import annotations\ndef add(a: Nothing, b: Nothing) -> Nothing:\n    return a + b",
        ),
        ("exec and eval of its own", "exec('def add(a, b):\\n    return a + b')\nassert eval('add(1, 2)') == 3"),
        ("__file__ and __name__", "name = __name__\nassert isinstance(name, str)" + _ADD),
        ("an explicit end", _ADD + "import sys\nsys.stdout.flush()"),
    )
)

_NAMES = tuple(
    _right(f"names: {name}", code, *tests)
    for name, code, *tests in (
        (
            "a helper called check",
            "def check(x):\n    return x\ndef add(a, b):\n    return check(a + b)",
            "def check(f):\n    assert f(1, 2) == 3\ncheck(add)",
        ),
        (
            "a helper called candidate",
            "def candidate(x):\n    return x\ndef add(a, b):\n    return candidate(a + b)",
            "def check(candidate):\n    assert candidate(1, 2) == 3\ncheck(add)",
        ),
        (
            "helpers called main, run, test and result",
            "def main(): return 1\ndef run(): return main()\ndef test(): return run()\nresult = test()" + _ADD,
            "result = add(1, 2)\nassert result == 3",
        ),
        ("a variable called tests", "tests = [1]\nexpected = 4\ncode = answer = proxy = 5" + _ADD),
        (
            "its own list inside",
            "def add(a, b):\n    list = [a, b]\n    sum = 0\n    for x in list: sum += x\n    return sum",
        ),
        (
            "its own max, right",
            "def max(a, b):\n    return a if a > b else b",
            "assert max(1, 2) == 2\nassert max(3, 2) == 3",
        ),
        (
            "its own sum, whose answer the tests keep first",
            "def sum(*numbers):\n    total = 0\n    for number in numbers: total += number\n    return total",
            "total = sum(1, 2, 3)\nassert total == 6",
        ),
        (
            "its own sum and max, each tested",
            "def sum(*numbers): return numbers[0] + numbers[1]\ndef max(*numbers): return -1",
            "assert sum(1, 2) == 3\nassert max(1, 2) == -1",
        ),
        (
            "a function and a variable called as modules are",
            "def copy(xs): return [*xs]\nclass Time:\n    hour = 3\ntime = Time()",
            "xs = [1]\nassert copy(xs) == xs and copy(xs) is not xs\nassert time.hour == 3",
        ),
        (
            "the tests' helper of the same name",
            "def helper(x): return x + 1\ndef add(a, b): return helper(a) + b - 1",
            "def helper(x): return 'other'\nassert add(1, 2) == 3\nassert helper(1) == 'other'",
        ),
        (
            "a constant",
            "LIMIT = 10\nNAMES = ['a', 'b']\nTABLE = {1: ('x', 2.5)}",
            "assert LIMIT == 10\nassert NAMES == ['a', 'b']\nassert TABLE[1] == ('x', 2.5)\nassert 1 in TABLE",
        ),
        ("__all__", "__all__ = ['add']" + _ADD),
        ("an underscore", "def _add(a, b): return a + b", "assert _add(1, 2) == 3"),
        (
            "global state",
            "count = 0\ndef tick():\n    global count\n    count += 1\n    return count",
            "assert tick() == 1\nassert tick() == 2\nassert count == 2",
        ),
        ("an imported name", "from math import gcd", "assert gcd(4, 6) == 2"),
        ("an imported module", "import math as m", "assert m.sqrt(4) == 2.0"),
        ("a lambda", "add = lambda a, b=2, *, c=0: a + b + c", "assert add(1) == 3\nassert add(1, b=3, c=1) == 5"),
        ("a partial", "from functools import partial\nadd = partial(lambda a, b: a + b, 1)", "assert add(2) == 3"),
        ("a bound method", "class C:\n    def add(self, a, b): return a + b\nadd = C().add", _TESTS),
        ("a built-in function", "add = int.__add__", _TESTS),
        ("a callable object", "class Add:\n    def __call__(self, a, b): return a + b\nadd = Add()", _TESTS),
        (
            "an overloaded function",
            "from functools import singledispatch\n@singledispatch\ndef name(x): return 'thing'\n"
            "@name.register\ndef _(x: int): return 'int'",
            "assert name(1) == 'int'\nassert name('x') == 'thing'",
        ),
        (
            "a cached function",
            "from functools import lru_cache\n@lru_cache(None)\ndef fib(n):\n"
            "    return n if n < 2 else fib(n - 1) + fib(n - 2)",
            "assert fib(90) == 2880067194370816120\nassert fib(10) == 55",
        ),
        (
            "a decorated function",
            "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def g(*a): return 2 * f(*a)\n"
            "    return g\n@twice\ndef one(): return 1",
            "assert one() == 2\nassert one.__name__ == 'one'",
        ),
        (
            "a docstring",
            'def add(a, b):\n    """Add."""\n    return a + b',
            "assert add.__doc__ == 'Add.'\nassert add(1, 2) == 3",
        ),
        (
            "a solution class",
            "class Solution:\n    def add(self, a, b): return a + b",
            "assert Solution().add(1, 2) == 3\ns = Solution()\nassert s.add(1, 1) == 2",
        ),
    )
)

_VALUES = tuple(
    _right(f"values: {name}", code, tests)
    for name, code, tests in (
        (
            "arguments are changed in place",
            "def fill(xs, n):\n    xs.append(n)\n    xs[0] = 'x'",
            "xs = [1]\nassert fill(xs, 2) is None\nassert xs == ['x', 2]",
        ),
        (
            "a dict is changed in place",
            "def put(d):\n    d['k'] = [1]\n    d.pop('old', None)",
            "d = {'old': 1}\nput(d)\nassert d == {'k': [1]}",
        ),
        (
            "a set and a bytearray are changed in place",
            "def put(s, b):\n    s.add(1)\n    b.append(65)",
            "s, b = set(), bytearray()\nput(s, b)\nassert s == {1} and b == bytearray(b'A')",
        ),
        (
            "a nested list is changed in place",
            "def flip(m):\n    for row in m: row.reverse()\n    m.reverse()",
            "m = [[1, 2], [3, 4]]\nflip(m)\nassert m == [[4, 3], [2, 1]]",
        ),
        (
            "arguments are not changed",
            "def both(xs): return sorted(xs)",
            "xs = [2, 1]\nassert both(xs) == [1, 2]\nassert xs == [2, 1]",
        ),
        (
            "the argument itself is given back",
            "def same(xs): return xs",
            "xs = [1]\nassert same(xs) is xs\nassert same(None) is None",
        ),
        (
            "two arguments that are one",
            "def one(a, b): return a is b",
            "x = [1]\nassert one(x, x) is True\nassert one(x, [1]) is False",
        ),
        (
            "an argument is kept",
            "kept = []\ndef keep(xs):\n    kept.append(xs)\n    return len(kept[0])",
            "xs = [1]\nassert keep(xs) == 1",
        ),
        ("a list is sorted in place", "def order(xs): xs.sort()", "xs = [3, 1, 2]\norder(xs)\nassert xs == [1, 2, 3]"),
        ("NaN", "def nan(): return float('nan')", "import math\nx = nan()\nassert math.isnan(x)\nassert x != x"),
        (
            "minus zero",
            "def zero(): return -0.0",
            "import math\nassert zero() == 0.0\nassert math.copysign(1, zero()) == -1.0",
        ),
        (
            "infinities",
            "def inf(): return [float('inf'), float('-inf')]",
            "assert inf() == [float('inf'), -float('inf')]",
        ),
        (
            "1 against True",
            "def yes(): return True\ndef one(): return 1",
            "assert yes() is True\nassert one() is not True\nassert yes() == 1\nassert type(one()) is int\n"
            "assert isinstance(yes(), bool)",
        ),
        (
            "1 against 1.0",
            "def one(): return 1.0",
            "assert one() == 1\nassert type(one()) is float\nassert repr(one()) == '1.0'",
        ),
        (
            "tuples against lists",
            "def two(): return (1, [2, (3,)])",
            "assert two() == (1, [2, (3,)])\nassert type(two()) is tuple",
        ),
        ("huge numbers", "def big(): return 3 ** 5000", "assert big() == 3 ** 5000\nassert big() % 7 == 3 ** 5000 % 7"),
        ("complex numbers", "def c(): return complex(1, -0.0)", "assert c() == 1\nassert c().imag == 0"),
        (
            "bytes",
            "def b(): return bytes(range(256)), bytearray(b'x')",
            "assert b()[0] == bytes(range(256))\nassert b()[1] == bytearray(b'x')",
        ),
        (
            "sets and frozen sets",
            "def s(): return {1, 2}, frozenset({3})",
            "assert s() == ({1, 2}, frozenset({3}))\nassert type(s()[1]) is frozenset",
        ),
        (
            "dicts with keys of all kinds",
            "def d(): return {1: 'a', None: 'b', (1, 2): 'c', 'x': {frozenset({1}): 2.5}, b'y': ...}",
            "assert d()[None] == 'b'\nassert d()[(1, 2)] == 'c'\nassert list(d())[0] == 1",
        ),
        ("the order of a dict", "def d(): return {'b': 1, 'a': 2}", "assert list(d().items()) == [('b', 1), ('a', 2)]"),
        ("Ellipsis and NotImplemented", "def e(): return ...", "assert e() is ..."),
        (
            "lists nested 200 deep",
            "def deep(n):\n    x = []\n    for _ in range(n): x = [x]\n    return x",
            "x = deep(200)\nfor _ in range(200): x = x[0]\nassert x == []",
        ),
        ("a text of 20 MB", "def long(n): return 'x' * n", "assert len(long(20_000_000)) == 20_000_000"),
        ("a list of 100,000", "def many(n): return list(range(n))", "assert many(100_000) == list(range(100_000))"),
        ("100,000 arguments", "def total(xs): return sum(xs)", "assert total(list(range(100_000))) == 4999950000"),
        (
            "the empty text, list and dict",
            "def nothing(): return '', [], {}, (), set(), b''",
            "assert nothing() == ('', [], {}, (), set(), b'')",
        ),
        ("nulls and surrogates in text", "def odd(): return 'a\\0b\\udc80'", "assert odd() == 'a\\0b\\udc80'"),
        (
            "Decimal",
            "from decimal import Decimal\ndef third(): return Decimal(1) / Decimal(3)",
            "from decimal import Decimal\nassert third() == Decimal(1) / Decimal(3)\n"
            "assert round(float(third()), 2) == 0.33",
        ),
        (
            "Fraction",
            "from fractions import Fraction\ndef half(): return Fraction(1, 2)",
            "from fractions import Fraction\nassert half() == Fraction(1, 2)\nassert half() + 1 == Fraction(3, 2)",
        ),
        (
            "datetime",
            "import datetime\ndef day(): return datetime.date(2024, 2, 29)\n"
            "def next_day(d): return d + datetime.timedelta(days=1)",
            "import datetime\nassert day() == datetime.date(2024, 2, 29)\n"
            "assert next_day(day()) == datetime.date(2024, 3, 1)",
        ),
        (
            "datetime in a zone",
            "from datetime import datetime\nfrom zoneinfo import ZoneInfo\n"
            "def noon(zone): return datetime(2020, 7, 1, 12, tzinfo=ZoneInfo(zone))",
            "from datetime import datetime, timezone\n"
            "assert noon('UTC') == datetime(2020, 7, 1, 12, tzinfo=timezone.utc)\n"
            "assert noon('UTC').tzinfo.key == 'UTC'",
        ),
        (
            "the type of a list of numbers",
            "def numbers() -> list[int]: return [1]",
            "assert numbers.__annotations__ == {'return': list[int]}",
        ),
        (
            "Path",
            "from pathlib import Path\ndef name(p): return Path(p).name\ndef up(p): return Path(p).parent",
            "from pathlib import Path\nassert name('/a/b') == 'b'\nassert up('/a/b') == Path('/a')",
        ),
        (
            "collections",
            "from collections import Counter, OrderedDict, defaultdict, deque\ndef c(s): return Counter(s)\n"
            "def q(): return deque([1, 2])\ndef d():\n    x = defaultdict(list)\n    x['a'].append(1)\n    return x",
            "from collections import Counter, deque\nassert c('aab') == {'a': 2, 'b': 1}\n"
            "assert c('aab').most_common(1) == [('a', 2)]\n"
            "assert list(q()) == [1, 2]\nassert d() == {'a': [1]}",
        ),
        ("a range", "def r(): return range(3)", "assert list(r()) == [0, 1, 2]\nassert len(r()) == 3"),
        (
            "dict views, map, zip and filter",
            "def v(): return {'a': 1}.keys()\ndef m(): return map(abs, [-1])\ndef z(): return zip([1], [2])",
            "assert list(v()) == ['a']\nassert list(m()) == [1]\nassert list(z()) == [(1, 2)]",
        ),
        (
            "a generator",
            "def count(n):\n    for i in range(n): yield i",
            "assert list(count(3)) == [0, 1, 2]\ng = count(2)\nassert next(g) == 0\nassert next(g) == 1\n"
            "assert next(g, 'end') == 'end'\n"
            "try:\n    next(g)\nexcept StopIteration:\n    pass\nelse:\n    assert False",
        ),
        (
            "a generator without end",
            "def naturals():\n    n = 0\n    while True:\n        yield n\n        n += 1",
            "from itertools import islice\nassert list(islice(naturals(), 3)) == [0, 1, 2]",
        ),
        (
            "a generator that is sent to",
            "def echo():\n    got = None\n    while True: got = yield got",
            "g = echo()\nnext(g)\nassert g.send(5) == 5\ng.close()",
        ),
        (
            "a closure",
            "def adder(n):\n    def add(m): return n + m\n    return add",
            "f = adder(1)\nassert f(2) == 3\nassert adder(5)(5) == 10",
        ),
        (
            "a callback",
            "def apply(f, xs): return [f(x) for x in xs]",
            "assert apply(lambda x: x * 2, [1, 2]) == [2, 4]\nassert apply(str, [1]) == ['1']",
        ),
        (
            "a callback that raises",
            "def safe(f):\n    try: return f()\n    except KeyError as e: return e.args",
            "def bad(): raise KeyError('k', 1)\nassert safe(bad) == ('k', 1)",
        ),
        (
            "a key function",
            "def order(xs, key): return sorted(xs, key=key)",
            "assert order([-2, 1], key=abs) == [1, -2]",
        ),
        (
            "types and slices as arguments",
            "def make(t, *a): return t(*a)\ndef cut(xs, s): return xs[s]\ndef kind(x): return type(x)",
            "assert make(int, '3') == 3\nassert cut([1, 2, 3], slice(1, None)) == [2, 3]\nassert kind(1) is int\n"
            "assert make(list) == []",
        ),
        (
            "an iterator as an argument",
            "def total(xs): return sum(xs)",
            "assert total(iter([1, 2])) == 3\nassert total(n for n in range(3)) == 3",
        ),
        (
            "a file as an argument",
            "def lines(f): return [line.strip() for line in f]\ndef put(f): f.write('x')",
            "import io\nassert lines(io.StringIO('a\\nb\\n')) == ['a', 'b']\nf = io.StringIO()\nput(f)\n"
            "assert f.getvalue() == 'x'",
        ),
        (
            "an object of the tests as an argument",
            "def area(shape): return shape.w * shape.h",
            "class Shape:\n    w, h = 2, 3\nassert area(Shape()) == 6",
        ),
        (
            "a dataclass of the tests as an argument",
            "def grow(p):\n    p.x += 1\n    return p",
            "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\np = P(1)\nassert grow(p) == P(2)\n"
            "assert p.x == 2",
        ),
        (
            "random numbers with a seed that the tests set",
            "import random\ndef roll(): return [random.randint(1, 6) for _ in range(20)]",
            "import random\nrandom.seed(7)\nfirst = roll()\nrandom.seed(7)\nassert roll() == first\n"
            "random.seed(a=7)\nassert [random.randint(1, 6) for _ in range(20)] == first",
        ),
        (
            "random numbers with a seed",
            "import random\ndef roll(seed):\n    random.seed(seed)\n    return random.randint(1, 6)",
            "import random\ngot = roll(4)\nrandom.seed(4)\nassert got == random.randint(1, 6)",
        ),
        (
            "a deep recursion",
            "import sys\nsys.setrecursionlimit(10**5)\ndef down(n): return 0 if n == 0 else 1 + down(n - 1)",
            "assert down(5000) == 5000",
        ),
        ("many calls", "def inc(n): return n + 1", "x = 0\nfor _ in range(3000): x = inc(x)\nassert x == 3000"),
        (
            "a comparison that may not be made",
            "def mixed(): return [1, 'a']",
            "try:\n    sorted(mixed())\nexcept TypeError:\n    pass\nelse:\n    assert False",
        ),
        (
            "the text of an answer",
            "def pair(): return (1, 'a')",
            "assert str(pair()) == \"(1, 'a')\"\nassert f'{pair()!r}' == \"(1, 'a')\"",
        ),
        (
            "numbers near to others",
            "def tenth(): return 0.1 + 0.2",
            "import math\nassert abs(tenth() - 0.3) < 1e-9\nassert math.isclose(tenth(), 0.3)\n"
            "assert round(tenth(), 2) == 0.3",
        ),
    )
)

_ERRORS = tuple(
    _right(f"errors: {name}", code, tests)
    for name, code, tests in (
        (
            "the expected one",
            "def half(x):\n    if not isinstance(x, int): raise TypeError('no int')\n    return x // 2",
            "try:\n    half('x')\nexcept TypeError as e:\n    assert str(e) == 'no int'\nelse:\n"
            "    assert False, 'nothing raised'",
        ),
        (
            "the arguments of a KeyError",
            "def get(d, k): return d[k]",
            "try:\n    get({}, ('a', 1))\n    assert False\nexcept KeyError as e:\n    assert e.args == (('a', 1),)",
        ),
        (
            "one of its own class",
            "class Empty(Exception):\n    def __init__(self, n):\n        super().__init__(f'{n} left')\n"
            "        self.n = n\ndef take():\n    raise Empty(0)",
            "try:\n    take()\n    assert False\nexcept Empty as e:\n    assert str(e) == '0 left' and e.n == 0",
        ),
        (
            "one of its own class, by the base",
            "class Odd(ValueError): pass\ndef f(): raise Odd('x')",
            "try:\n    f()\n    assert False\nexcept ValueError as e:\n    assert 'x' in str(e)",
        ),
        (
            "with a cause",
            "def f():\n    try: 1 / 0\n    except ZeroDivisionError as e: raise ValueError('x') from e",
            "try:\n    f()\n    assert False\nexcept ValueError as e:\n"
            "    assert isinstance(e.__cause__, ZeroDivisionError) or e.__cause__ is None",
        ),
        (
            "an AssertionError of the tests that goes through it",
            "def logged(f):\n    def wrapped(*a):\n        return f(*a)\n    return wrapped",
            "@logged\ndef positive(x):\n    assert x > 0\n    return x\nassert positive(1) == 1\n"
            "try:\n    positive(-1)\nexcept AssertionError:\n    pass\nelse:\n    assert False",
        ),
        (
            "several kinds",
            "def f(n): raise (IndexError, OSError)[n]('x')",
            "for n in range(2):\n    try:\n        f(n)\n        assert False\n    except (IndexError, OSError):\n"
            "        pass",
        ),
        (
            "an AssertionError that is expected",
            "def f(x):\n    assert x > 0, 'positive'\n    return x",
            "try:\n    f(-1)\nexcept AssertionError as e:\n    assert str(e) == 'positive'\nelse:\n"
            "    raise Exception('nothing raised')",
        ),
        (
            "StopIteration that is expected",
            "def first(xs): return next(iter(xs))",
            "try:\n    first([])\nexcept StopIteration:\n    ok = True\nassert ok and first([1]) == 1",
        ),
        (
            "SystemExit that is expected",
            "import sys\ndef leave(): sys.exit(2)",
            "try:\n    leave()\nexcept SystemExit as e:\n    assert e.code == 2\nelse:\n    assert False",
        ),
        (
            "unittest.assertRaises",
            "def f(): raise ValueError('bad')",
            "import unittest\nt = unittest.TestCase()\nwith t.assertRaises(ValueError):\n    f()\n"
            "with t.assertRaisesRegex(ValueError, 'ba'):\n"
            "    f()",
        ),
        (
            "a unittest of its class",
            "class Stack(list):\n    def push(self, x): self.append(x)",
            "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        s = Stack()\n"
            "        s.push(1)\n"
            "        self.assertEqual(s.pop(), 1)\n        self.assertRaises(IndexError, s.pop)\n"
            "result = unittest.TestResult()\nT('test').run(result)\n"
            "assert result.wasSuccessful(), result.errors + result.failures",
        ),
        (
            "UnicodeDecodeError",
            "def f(b): return b.decode()",
            "try:\n    f(b'\\xff')\n    assert False\nexcept UnicodeDecodeError as e:\n    assert e.start == 0",
        ),
        (
            "a recursion without end, caught",
            "def f(n):\n    return f(n + 1)\ndef g():\n    try: f(0)\n    except RecursionError: return 'deep'",
            "assert g() == 'deep'",
        ),
        (
            "out of memory, caught",
            "def f():\n    try: bytearray(10**12)\n    except MemoryError: return 'no'",
            "assert f() == 'no'",
        ),
    )
)

_CLASSES = tuple(
    _right(f"classes: {name}", code, tests)
    for name, code, tests in (
        (
            "a stack",
            "class Stack:\n    def __init__(self): self.items = []\n    def push(self, x): self.items.append(x)\n"
            "    def pop(self): return self.items.pop()\n    def __len__(self): return len(self.items)",
            "s = Stack()\ns.push(1)\ns.push([2])\nassert len(s) == 2\nassert s.pop() == [2]\nassert s.items == [1]",
        ),
        (
            "a dataclass",
            "from dataclasses import dataclass, field\n@dataclass(order=True)\nclass P:\n    x: int\n"
            "    ys: list = field(default_factory=list)",
            "p = P(1)\np.ys.append(2)\nassert p.ys == [2]\nassert P(1) == P(1)\n"
            "assert P(1) < P(2)\nassert repr(P(1)) == 'P(x=1, ys=[])'",
        ),
        (
            "a frozen dataclass with slots",
            "from dataclasses import dataclass\n@dataclass(frozen=True, slots=True)\nclass P:\n    x: int",
            "p = P(1)\nassert p.x == 1\ntry:\n    p.x = 2\nexcept AttributeError:\n    pass\nelse:\n    assert False\n"
            "assert {P(1), P(1)} == {P(1)}",
        ),
        (
            "a namedtuple",
            "from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef origin(): return P(0, 0)",
            "assert origin() == (0, 0)\nassert origin().x == 0\nx, y = P(1, 2)\nassert (x, y) == (1, 2)",
        ),
        (
            "typing.NamedTuple",
            "from typing import NamedTuple\nclass P(NamedTuple):\n    x: int\n    y: int = 2",
            "assert P(1) == (1, 2)\nassert P(1)._replace(y=3).y == 3",
        ),
        (
            "an enum",
            "from enum import Enum, IntEnum, auto\nclass C(Enum):\n    RED = auto()\n    BLUE = auto()\n"
            "class L(IntEnum):\n    LOW = 1\ndef first(): return C.RED",
            "assert first() is C.RED\nassert C['BLUE'].value == 2\nassert [c.name for c in C] == ['RED', 'BLUE']\n"
            "assert L.LOW == 1",
        ),
        (
            "slots",
            "class P:\n    __slots__ = ('x',)\n    def __init__(self, x): self.x = x",
            "p = P(1)\np.x = 2\nassert p.x == 2\ntry:\n    p.y = 1\nexcept AttributeError:\n    pass\nelse:\n"
            "    assert False",
        ),
        (
            "properties and setters",
            "class T:\n    def __init__(self): self._c = 0\n    @property\n    def c(self): return self._c\n"
            "    @c.setter\n    def c(self, v):\n        if v < -273: raise ValueError('cold')\n        self._c = v",
            "t = T()\nt.c = 5\nassert t.c == 5\ntry:\n    t.c = -300\nexcept ValueError:\n    pass\nelse:\n"
            "    assert False",
        ),
        (
            "a str with methods of its own",
            "class Title(str):\n    def upper(self): return 'T:' + str.upper(self)\n"
            "    def __len__(self): return 99\ndef title(): return Title('b')",
            "assert Title('a').upper() == 'T:A'\nassert Title('a') == 'a' and len(Title('a')) == 99\n"
            "assert title().upper() == 'T:B' and title().lower() == 'b'",
        ),
        (
            "a named tuple with a field called count",
            "from collections import namedtuple\nFound = namedtuple('Found', 'word count')\n"
            "def find(text): return Found(text[0], text.count(text[0]))",
            "assert find('aba').count == 2\nassert find('aba') == ('a', 2)\nassert Found('a', 5).count == 5",
        ),
        (
            "operators",
            "class V:\n    def __init__(self, x, y): self.x, self.y = x, y\n"
            "    def __add__(self, o): return V(self.x + o.x, self.y + o.y)\n"
            "    def __mul__(self, k): return V(self.x * k, self.y * k)\n"
            "    __rmul__ = __mul__\n    def __eq__(self, o): return (self.x, self.y) == (o.x, o.y)\n"
            "    def __abs__(self): return 5\n"
            "    def __repr__(self): return f'V({self.x}, {self.y})'",
            "assert V(1, 2) + V(3, 4) == V(4, 6)\nassert 2 * V(1, 2) == V(2, 4)\nassert abs(V(3, 4)) == 5\n"
            "assert repr(V(1, 2)) == 'V(1, 2)'",
        ),
        (
            "an iterator",
            "class Count:\n    def __init__(self, n): self.n = n\n    def __iter__(self): return self\n"
            "    def __next__(self):\n        if not self.n: raise StopIteration\n        self.n -= 1\n"
            "        return self.n",
            "assert list(Count(3)) == [2, 1, 0]\nassert sum(Count(3)) == 3\nfor x in Count(1): assert x == 0",
        ),
        (
            "a container",
            "class Box:\n    def __init__(self): self.d = {}\n    def __getitem__(self, k): return self.d[k]\n"
            "    def __setitem__(self, k, v): self.d[k] = v\n    def __delitem__(self, k): del self.d[k]\n"
            "    def __contains__(self, k): return k in self.d\n    def __len__(self): return len(self.d)",
            "b = Box()\nb['x'] = 1\nassert b['x'] == 1 and 'x' in b and len(b) == 1\ndel b['x']\nassert 'x' not in b",
        ),
        (
            "a context manager",
            "class Timer:\n    log = []\n    def __enter__(self):\n        self.log.append('in')\n        return self\n"
            "    def __exit__(self, *e): self.log.append('out')",
            "with Timer() as t:\n    assert t.log == ['in']\nassert t.log == ['in', 'out']",
        ),
        (
            "contextlib",
            "from contextlib import contextmanager\nlog = []\n@contextmanager\ndef within(n):\n    log.append(n)\n"
            "    try: yield n\n    finally: log.append(-n)",
            "with within(1) as n:\n    assert n == 1\nassert log == [1, -1]",
        ),
        (
            "a context manager that swallows",
            "class suppress:\n    def __enter__(self): return self\n"
            "    def __exit__(self, kind, *e): return kind is ValueError",
            "with suppress():\n    raise ValueError\nx = 1\nassert x == 1",
        ),
        (
            "inheritance, abstract classes",
            "from abc import ABC, abstractmethod\nclass A(ABC):\n    @abstractmethod\n    def f(self): ...\n"
            "class B(A):\n    def f(self): return 1",
            "assert B().f() == 1\nassert isinstance(B(), A) and issubclass(B, A)\ntry:\n    A()\nexcept TypeError:\n"
            "    pass\nelse:\n    assert False",
        ),
        (
            "a class of the tests beneath one of the program",
            "class Base:\n    def run(self): return self.step() + 1\n    def step(self): raise NotImplementedError",
            "class Mine(Base):\n    def step(self): return 1\nassert Mine().run() == 2",
        ),
        (
            "class and static methods",
            "class C:\n    made = 0\n    @classmethod\n    def make(cls):\n        cls.made += 1\n"
            "        return cls()\n"
            "    @staticmethod\n    def two(): return 2",
            "c = C.make()\nassert C.made == 1 and C.two() == 2 and isinstance(c, C)",
        ),
        (
            "a metaclass",
            "class M(type):\n    registry = []\n    def __new__(m, name, bases, ns):\n"
            "        c = super().__new__(m, name, bases, ns)\n"
            "        M.registry.append(name)\n        return c\nclass A(metaclass=M): pass",
            "assert M.registry == ['A']\nassert type(A) is M",
        ),
        (
            "a singleton",
            "class S:\n    _one = None\n    def __new__(cls):\n        cls._one = cls._one or super().__new__(cls)\n"
            "        return cls._one",
            "assert S() is S()",
        ),
        (
            "a descriptor",
            "class Positive:\n    def __set_name__(self, o, n): self.n = '_' + n\n"
            "    def __get__(self, o, t): return getattr(o, self.n)\n"
            "    def __set__(self, o, v):\n        if v < 0: raise ValueError\n        setattr(o, self.n, v)\n"
            "class A:\n    n = Positive()",
            "a = A()\na.n = 1\nassert a.n == 1\ntry:\n    a.n = -1\nexcept ValueError:\n    pass\nelse:\n"
            "    assert False",
        ),
        (
            "generics and protocols",
            "from typing import Generic, Protocol, TypeVar\nT = TypeVar('T')\nclass Box(Generic[T]):\n"
            "    def __init__(self, x: T): self.x = x\nclass HasX(Protocol):\n    x: int",
            "assert Box[int](1).x == 1",
        ),
        (
            "a linked list",
            "class Node:\n    def __init__(self, v, next=None): self.v, self.next = v, next\ndef length(n):\n"
            "    k = 0\n"
            "    while n: k, n = k + 1, n.next\n    return k",
            "assert length(Node(1, Node(2))) == 2\nassert length(None) == 0\n"
            "n = Node(1)\nn.next = Node(2)\nassert n.next.v == 2",
        ),
        (
            "pickle of its own class",
            "import pickle\nclass P:\n    def __init__(self): self.x = 1\n"
            "def again(p): return pickle.loads(pickle.dumps(p))",
            "p = P()\nassert again(p).x == 1",
        ),
        (
            "copy and deepcopy",
            "import copy\nclass P:\n    def __init__(self): self.xs = [1]\n"
            "def both(p): return copy.copy(p), copy.deepcopy(p)",
            "p = P()\na, b = both(p)\nassert a.xs is p.xs and b.xs is not p.xs and b.xs == [1]",
        ),
        (
            "weak references",
            "import weakref\nclass P: pass\np = P()\nr = weakref.ref(p)\ndef alive(): return r() is p",
            "assert alive()",
        ),
        (
            "the text of an object",
            "class P:\n    def __str__(self): return 'p'\n    def __format__(self, s): return 'f' + s",
            "assert str(P()) == 'p'\nassert f'{P():x}' == 'fx'",
        ),
        (
            "hash and membership",
            "class P:\n    def __init__(self, x): self.x = x\n    def __eq__(self, o): return self.x == o.x\n"
            "    def __hash__(self): return hash(self.x)",
            "assert P(1) in {P(1)}\nassert {P(1): 2}[P(1)] == 2\nassert P(1) in [P(1)]",
        ),
        (
            "truth of an object",
            "class P:\n    def __init__(self, x): self.x = x\n    def __bool__(self): return bool(self.x)",
            "assert P(1)\nassert not P(0)\nassert bool(P(0)) is False",
        ),
        (
            "objects in lists",
            "class P:\n    def __init__(self, n): self.n = n\ndef make(n): return [P(i) for i in range(n)]",
            "ps = make(3)\nassert len(ps) == 3\nassert [p.n for p in ps] == [0, 1, 2]\nassert isinstance(ps[0], P)",
        ),
        (
            "a match statement",
            "class P:\n    __match_args__ = ('x',)\n    def __init__(self, x): self.x = x\ndef f(p):\n    match p:\n"
            "        case P(0): return 'zero'\n        case P(x): return x",
            "assert f(P(0)) == 'zero'\nassert f(P(3)) == 3",
        ),
    )
)

_TOGETHER = tuple(
    _right(f"together: {name}", code, tests)
    for name, code, tests in (
        (
            "views of a dict against sets",
            "def k(d): return d.keys()\ndef i(d): return d.items()\ndef v(d): return d.values()",
            "assert k({'a': 1}) == {'a'}\nassert i({'a': 1}) == {('a', 1)}\nassert sorted(v({'a': 1})) == [1]\n"
            "assert set(k({'a': 1})) == {'a'}",
        ),
        (
            "a match object",
            "import re\ndef m(s): return re.match(r'(a+)b', s)",
            "assert m('aab')\nassert m('aab').group(1) == 'aa'\nassert not m('c')\nassert m('c') is None",
        ),
        (
            "a nested defaultdict",
            "from collections import defaultdict\ndef tree():\n    t = lambda: defaultdict(t)\n    return t()",
            "t = tree()\nt['a']['b'] = 1\nassert t['a']['b'] == 1",
        ),
        (
            "a trie",
            "class Trie:\n    def __init__(self): self.root = {}\n    def insert(self, w):\n        n = self.root\n"
            "        for c in w: n = n.setdefault(c, {})\n        n['$'] = True\n    def search(self, w):\n"
            "        n = self.root\n        for c in w:\n            if c not in n: return False\n"
            "            n = n[c]\n        return '$' in n",
            "t = Trie()\nt.insert('ab')\nassert t.search('ab') is True\nassert t.search('a') is False\n"
            "assert t.root == {'a': {'b': {'$': True}}}",
        ),
        (
            "a vector with operators",
            "class V:\n    def __init__(self, *x): self.x = x\n"
            "    def __mul__(self, k): return V(*(k * c for c in self.x))\n"
            "    def __matmul__(self, o): return sum(a * b for a, b in zip(self.x, o.x))\n"
            "    def __iter__(self): return iter(self.x)\n    def __eq__(self, o): return self.x == o.x\n"
            "    def __neg__(self): return V(*(-c for c in self.x))",
            "assert V(1, 2) @ V(3, 4) == 11\nassert V(1, 2) * 2 == V(2, 4)\nassert list(-V(1)) == [-1]\n"
            "assert tuple(V(1, 2)) == (1, 2)",
        ),
        (
            "objects in order",
            "import functools\n@functools.total_ordering\nclass P:\n    def __init__(self, n): self.n = n\n"
            "    def __eq__(self, o): return self.n == o.n\n    def __lt__(self, o): return self.n < o.n",
            "assert [p.n for p in sorted([P(2), P(1)])] == [1, 2]\nassert max(P(1), P(3)).n == 3\nassert P(1) <= P(1)",
        ),
        (
            "callbacks that are kept",
            "class E:\n    def __init__(self): self.h = {}\n"
            "    def on(self, n, f): self.h.setdefault(n, []).append(f)\n"
            "    def emit(self, n, *a): [f(*a) for f in self.h.get(n, [])]",
            "got = []\ne = E()\ne.on('x', got.append)\ne.on('x', lambda v: got.append(v * 2))\ne.emit('x', 1)\n"
            "assert got == [1, 2]",
        ),
        (
            "a decorator on a function of the tests",
            "def memoize(f):\n    c = {}\n    def g(*a):\n        if a not in c: c[a] = f(*a)\n        return c[a]\n"
            "    return g",
            "calls = []\n@memoize\ndef sq(x):\n    calls.append(x)\n    return x * x\n"
            "assert sq(2) == 4 and sq(2) == 4\nassert calls == [2]",
        ),
        (
            "a decorator with arguments on a function of the tests",
            "def retry(n):\n    def deco(f):\n        def g(*a, **k):\n            for i in range(n):\n"
            "                try: return f(*a, **k)\n                except ValueError:\n"
            "                    if i == n - 1: raise\n        return g\n    return deco",
            "n = [0]\n@retry(3)\ndef flaky():\n    n[0] += 1\n    if n[0] < 3: raise ValueError('no')\n"
            "    return 'ok'\nassert flaky() == 'ok'\nassert n == [3]\n@retry(2)\n"
            "def bad(): raise ValueError('never')\ntry:\n    bad()\n    assert False\nexcept ValueError as e:\n"
            "    assert str(e) == 'never'",
        ),
        (
            "an account with errors of its own",
            "class InsufficientFunds(Exception): pass\nclass Account:\n    def __init__(self, b=0): self.balance = b\n"
            "    def withdraw(self, n):\n"
            "        if n > self.balance: raise InsufficientFunds(f'need {n - self.balance} more')\n"
            "        self.balance -= n\n        return self.balance",
            "a = Account(10)\nassert a.withdraw(3) == 7\ntry:\n    a.withdraw(100)\n    assert False\n"
            "except InsufficientFunds as e:\n    assert 'need 93' in str(e)\nassert a.balance == 7\na.balance += 5\n"
            "assert a.balance == 12",
        ),
        (
            "an LRU cache",
            "from collections import OrderedDict\nclass LRU:\n"
            "    def __init__(self, n): self.n, self.d = n, OrderedDict()\n    def get(self, k):\n"
            "        if k not in self.d: return -1\n        self.d.move_to_end(k)\n        return self.d[k]\n"
            "    def put(self, k, v):\n        self.d[k] = v\n        self.d.move_to_end(k)\n"
            "        if len(self.d) > self.n: self.d.popitem(last=False)",
            "c = LRU(2)\nc.put(1, 1); c.put(2, 2)\nassert c.get(1) == 1\nc.put(3, 3)\nassert c.get(2) == -1\n"
            "assert list(c.d) == [1, 3]",
        ),
        (
            "a tree of its own nodes",
            "class TreeNode:\n"
            "    def __init__(self, val=0, left=None, right=None): self.val, self.left, self.right = val, left, "
            "right\ndef depth(t): return 0 if not t else 1 + max(depth(t.left), depth(t.right))\ndef invert(t):\n"
            "    if t: t.left, t.right = invert(t.right), invert(t.left)\n    return t",
            "t = TreeNode(1, TreeNode(2), None)\nassert depth(t) == 2\nassert invert(t).right.val == 2\n"
            "assert t.left is None",
        ),
        (
            "a tree of the tests' nodes",
            "def depth(t): return 0 if t is None else 1 + max(depth(t.left), depth(t.right))",
            "class N:\n    def __init__(self, l=None, r=None): self.left, self.right = l, r\n"
            "assert depth(N(N(), None)) == 2",
        ),
        (
            "flags",
            "from enum import Flag, auto\nclass P(Flag):\n    R = auto()\n    W = auto()\ndef both(): return P.R | P.W",
            "assert both() == P.R | P.W\nassert P.R in both()\nassert both() & P.W == P.W\nassert P.R.value == 1",
        ),
        (
            "an iterator that is used up",
            "def chunks(xs, n):\n    for i in range(0, len(xs), n): yield xs[i:i + n]",
            "it = chunks([1, 2, 3], 2)\nassert iter(it) is it\nassert next(it) == [1, 2]\nassert list(it) == [[3]]\n"
            "assert list(it) == []",
        ),
        (
            "a loop that leaves a generator",
            "def primes():\n    n = 2\n    while True:\n        if all(n % k for k in range(2, n)): yield n\n"
            "        n += 1",
            "got = []\nfor p in primes():\n    if p > 10: break\n    got.append(p)\nassert got == [2, 3, 5, 7]",
        ),
        (
            "endless generators in zip and takewhile",
            "def evens():\n    n = 0\n    while True:\n        yield n\n        n += 2",
            "assert [a + b for a, b in zip(evens(), range(3))] == [0, 3, 6]\nimport itertools\n"
            "assert list(itertools.takewhile(lambda n: n < 5, evens())) == [0, 2, 4]",
        ),
        (
            "an asyncio queue, and a loop of the tests",
            "import asyncio\nasync def produce(q, n):\n    for i in range(n): await q.put(i)\nasync def run(n):\n"
            "    q = asyncio.Queue()\n    await produce(q, n)\n    return q.qsize()",
            "import asyncio\nassert asyncio.run(run(3)) == 3\nloop = asyncio.new_event_loop()\n"
            "assert loop.run_until_complete(run(2)) == 2",
        ),
        (
            "coroutines gathered by the tests",
            "import asyncio\nasync def f(n):\n    await asyncio.sleep(0)\n    return n",
            "import asyncio\nasync def main(): return await asyncio.gather(f(1), f(2))\n"
            "assert asyncio.run(main()) == [1, 2]",
        ),
        (
            "an asynchronous context manager",
            "class C:\n    async def __aenter__(self): return 'in'\n    async def __aexit__(self, *e): return False",
            "import asyncio\nasync def main():\n    async with C() as c: return c\nassert asyncio.run(main()) == 'in'",
        ),
        (
            "what is printed, caught by redirect_stdout",
            "def hello(name): print(f'Hello, {name}!')",
            "import io, contextlib\nf = io.StringIO()\nwith contextlib.redirect_stdout(f):\n    hello('x')\n"
            "assert f.getvalue() == 'Hello, x!\\n'",
        ),
        (
            "what is printed, caught in sys.stdout",
            "def hello(): print('hi')",
            "import io, sys\nold, sys.stdout = sys.stdout, io.StringIO()\nhello()\ngot = sys.stdout.getvalue()\n"
            "sys.stdout = old\nassert got == 'hi\\n'",
        ),
        (
            "a file that the tests wrote",
            "def count(path):\n    with open(path) as f: return sum(1 for _ in f)",
            "import os, tempfile\nwith tempfile.NamedTemporaryFile('w', delete=False) as f:\n    f.write('a\\nb\\n')\n"
            "assert count(f.name) == 2\nos.unlink(f.name)",
        ),
        (
            "a file that the tests read",
            "def save(path, text):\n    with open(path, 'w') as f: f.write(text)",
            "save('out.txt', 'x')\nassert open('out.txt').read() == 'x'",
        ),
        (
            "tests that import the program",
            "def add(a, b): return a + b",
            "from solution import add\nimport solution\nassert add(1, 2) == 3\nassert solution.add(1, 1) == 2",
        ),
        (
            "the type of a generator",
            "def g(): yield 1",
            "import types, inspect\nassert isinstance(g(), types.GeneratorType)\nassert inspect.isgeneratorfunction(g)",
        ),
        (
            "what a class has, and the type of an object",
            "class A:\n    def go(self): pass\n    x = 1",
            "assert hasattr(A, 'go') and not hasattr(A, 'no')\nassert hasattr(A(), 'x')\nassert A.__name__ == 'A'\n"
            "assert type(A()) is A\nassert type(A()).__name__ == 'A'\nassert A().__class__ is A",
        ),
        (
            "bases and super",
            "class Animal:\n    def speak(self): return '...'\nclass Dog(Animal):\n"
            "    def speak(self): return super().speak() + 'woof'",
            "assert issubclass(Dog, Animal)\nassert Dog.__bases__ == (Animal,)\nassert Dog().speak() == '...woof'\n"
            "assert isinstance(Dog(), (Animal, int))\nassert Dog.__mro__[1] is Animal",
        ),
        (
            "the variables of an object",
            "class A:\n    def __init__(self): self.x = 1",
            "assert vars(A()) == {'x': 1}\nassert A().__dict__ == {'x': 1}",
        ),
        (
            "objects in a dict of an object",
            "class Item:\n    def __init__(self, n): self.n = n\nclass Inv:\n    def __init__(self): self.items = {}\n"
            "    def add(self, i): self.items[i.n] = i",
            "v = Inv()\ni = Item('a')\nv.add(i)\nassert v.items['a'] is i\nassert 'a' in v.items\n"
            "assert len(v.items) == 1",
        ),
        (
            "a list of an object, changed by the tests",
            "class A:\n    def __init__(self): self.xs = []\n    def total(self): return sum(self.xs)",
            "a = A()\na.xs.append(3)\na.xs.extend([1, 2])\nassert a.total() == 6\nassert a.xs == [3, 1, 2]",
        ),
        (
            "a dict of an object, changed by the tests",
            "class A:\n    def __init__(self): self.d = {}\n    def get(self, k): return self.d[k]",
            "a = A()\na.d['x'] = [1]\na.d['x'].append(2)\nassert a.get('x') == [1, 2]",
        ),
        (
            "a global list, changed by the tests",
            "stock = []\ndef count(): return len(stock)",
            "stock.append(1)\nassert count() == 1\nstock.clear()\nassert count() == 0",
        ),
        (
            "an object that is called",
            "class Counter:\n    def __init__(self): self.n = 0\n    def __call__(self):\n        self.n += 1\n"
            "        return self.n",
            "c = Counter()\nassert c() == 1 and c() == 2\nassert callable(c)",
        ),
        (
            "an exception that the tests suppress",
            "def f(): raise ZeroDivisionError('x')",
            "import contextlib\nwith contextlib.suppress(ZeroDivisionError):\n    f()\n    assert False",
        ),
        (
            "a group of exceptions",
            "def f(): raise ExceptionGroup('g', [ValueError('a'), TypeError('b')])",
            "try:\n    f()\nexcept* ValueError as g:\n    assert len(g.exceptions) == 1\nexcept* TypeError:\n    pass",
        ),
        (
            "an attribute that the tests set",
            "class A: pass\ndef get(a): return a.x",
            "a = A()\na.x = [1]\nassert get(a) == [1]\nassert a.x == [1]",
        ),
        (
            "a file of bytes as an argument",
            "import io\ndef head(f, n): return f.read(n)",
            "import io\nf = io.BytesIO(b'abc')\nassert head(f, 2) == b'ab'\nassert f.read() == b'c'",
        ),
        (
            "a deque that is turned in place",
            "from collections import deque\ndef rot(d, n): d.rotate(n)",
            "from collections import deque\nd = deque([1, 2, 3], maxlen=3)\nrot(d, 1)\nassert d == deque([3, 1, 2])\n"
            "assert d.maxlen == 3",
        ),
        (
            "a heap in place",
            "import heapq\ndef push(h, x): heapq.heappush(h, x)",
            "h = [2, 3]\npush(h, 1)\nassert h[0] == 1",
        ),
        (
            "an iterable of its own, unpacked",
            "class R:\n    def __init__(self, n): self.n = n\n    def __iter__(self):\n"
            "        for i in range(self.n): yield i",
            "r = R(2)\nassert list(r) == list(r) == [0, 1]\nassert sum(r) == 1\na, b = r\nassert b == 1",
        ),
        (
            "JSON of an object, and back",
            "import json\nclass P:\n    def __init__(self, x): self.x = x\n"
            "    def to_json(self): return json.dumps(self.__dict__)\n    @classmethod\n"
            "    def from_json(cls, s): return cls(**json.loads(s))",
            "assert P.from_json(P(3).to_json()).x == 3",
        ),
    )
)

_NOT_IMPORTED = {
    "antigravity", "this", "idlelib", "lib2to3", "turtledemo", "turtle", "tkinter", "test", "_tkinter", "ensurepip",
    "venv",
    "msilib", "msvcrt", "winreg", "winsound", "_winapi", "_msi", "nt", "_overlapped", "_wmi", "_scproxy", "nis", "spwd",
    "ossaudiodev",
}  # fmt: skip
_LIBRARY = sorted(name for name in sys.stdlib_module_names if name not in _NOT_IMPORTED and not name.startswith("_"))
_IMPORTS = (
    _right(
        "every module of the library",
        f"""
import importlib, importlib.util
# What this interpreter was built without is no fault of the sandbox.
missing = []
for name in {_LIBRARY!r}:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name and name not in ('nt',):
            missing.append(name)
    except ImportError:
        pass
def add(a, b): return a + b if len(missing) < 20 else missing
""",
    ),
    _right(
        "much of the library by name",
        """
import asyncio, bisect, collections, concurrent.futures, csv, ctypes.util, datetime, decimal, difflib, email.message
import fractions, functools, hashlib, heapq, html.parser, http.client, itertools, json, math, operator, random, re
import secrets, statistics, string, struct, textwrap, typing, unicodedata, urllib.parse, urllib.request, uuid
import xml.etree.ElementTree
import zoneinfo, encodings.idna, unittest.mock, sysconfig, importlib.metadata
hashlib.sha256(b'x'), uuid.uuid4(), secrets.token_hex(), unicodedata.name('a')
datetime.datetime.strptime('2020', '%Y'), xml.etree.ElementTree.fromstring('<a/>')
"""
        + _ADD,
    ),
    _right(
        "a package that is not there, handled",
        "try:\n    import no_such_package\nexcept ImportError:\n    no_such_package = None" + _ADD,
    ),
    _right(
        "ctypes",
        "import ctypes\nlibc = ctypes.CDLL(None)\ndef size(t): return libc.strlen(t)",
        "assert size(b'abc') == 3",
    ),
    _right(
        "its own module in a file",
        "open('helper_of_mine.py', 'w').write('x = 3')\nimport sys, os\nsys.path.insert(0, os.getcwd())\n"
        "import helper_of_mine\ndef get(): return helper_of_mine.x",
        "assert get() == 3",
    ),
    _right(
        "memory below the limit",
        "def f():\n    x = bytearray(200 * 2**20)\n    return len(x)",
        "assert f() == 200 * 2**20",
    ),
    _right(
        "memory again and again",
        "def f():\n    for _ in range(20): x = bytearray(100 * 2**20)\n    return len(x)",
        "assert f() == 100 * 2**20",
    ),
    _right(
        "one CPU second",
        "import time\ndef f():\n    end = time.process_time() + 1\n    while time.process_time() < end: pass\n"
        "    return 1",
        "assert f() == 1",
    ),
    _right("a second of sleep", "import time\ndef f():\n    time.sleep(1)\n    return 1", "assert f() == 1"),
    _right("no tests", "x = 1", ""),
    _right(
        "the garbage collector",
        "import gc\ndef f():\n    gc.disable()\n    gc.collect()\n    return len(gc.get_objects()) > 0",
        "assert f()",
    ),
    _right(
        "doctest: examples that hold",
        _ADD,
        "Add.\n\n>>> add(1, 2)\n3\n>>> [add(n, 1) for n in range(2)]\n[1, 2]\n",
        kind="doctest",
    ),
    _right(
        "doctest: an exception and a text",
        "def half(n):\n    if n % 2: raise ValueError('odd')\n    return f'{n // 2}'",
        ">>> half(4)\n'2'\n>>> half(3)\nTraceback (most recent call last):\n    ...\nValueError: odd\n",
        kind="doctest",
    ),
    _right(
        "doctest: a class",
        "class P:\n    def __init__(self, x): self.x = x\n    def __repr__(self): return f'P({self.x})'",
        ">>> p = P(1)\n>>> p\nP(1)\n>>> p.x\n1\n>>> print(p)\nP(1)\n",
        kind="doctest",
    ),
)

# Not correct at all, and no forgery either: each must be told for what it is.
_WRONG = tuple(
    Hostile(f"wrong: {name}", "awkward", "fails", code, tests, frozenset({status}))  # type: ignore[arg-type]
    for name, code, tests, status in (
        ("a wrong answer", "def add(a, b): return a - b", _TESTS, "wrong_answer"),
        ("an exception", "def add(a, b): return a[b]", _TESTS, "exception"),
        ("a name that is not there", "def plus(a, b): return a + b", _TESTS, "missing_entry_point"),
        ("no syntax", "def add(a, b:\n    return a", _TESTS, "syntax_error"),
        ("another package", "import numpy\n" + _ADD, _TESTS, "missing_dependency"),
        ("1 for True", "def f(): return 1", "assert f() is True", "wrong_answer"),
        ("NaN for a number", "def f(): return float('nan')", "assert f() == float('nan')", "wrong_answer"),
        ("a list for a tuple", "def f(): return [1]", "assert f() == (1,)", "wrong_answer"),
        ("nothing", "def f(): pass", "assert f() == 1", "wrong_answer"),
        ("too many arguments", "def add(a): return a", _TESTS, "exception"),
    )
)

_A_COPY = "lists and dictionaries of the program's objects come to the tests as copies"
_TWO_PROCESSES = "the tests run in a process and folders of their own"
_STAND_IN = "the tests see the program's objects through stand-ins of another type"
_LIMITATIONS = {
    "classes: a dataclass": _A_COPY,
    "classes: copy and deepcopy": _A_COPY,
    "together: a list of an object, changed by the tests": _A_COPY,
    "together: a dict of an object, changed by the tests": _A_COPY,
    "together: a global list, changed by the tests": _A_COPY,
    "together: a file that the tests wrote": _TWO_PROCESSES,
    "together: a file that the tests read": _TWO_PROCESSES,
    "classes: a metaclass": _STAND_IN,
    "together: the type of a generator": _STAND_IN,
}

PROGRAMS: tuple[Hostile, ...] = tuple(
    replace(program, limitation=_LIMITATIONS.get(program.name, ""))
    for program in (
        *_FILES, *_PROCESSES, *_OUTPUT, *_NAMES, *_VALUES, *_ERRORS, *_CLASSES, *_TOGETHER, *_IMPORTS, *_WRONG,
    )
)  # fmt: skip
