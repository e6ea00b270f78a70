"""A program as a module: its names, what it prints and reads, its threads, and what tests patch in it."""

from pathlib import Path

import pytest

from evals.sandbox import child
from tests.evals.talk import PASSED, POINT, cleaned

_OURS = sorted(path.stem for path in Path(child.__file__).parent.glob("*.py"))
# Correct programs, whose tests must pass without the program's word being taken for anything.
HONEST = cleaned(
    {
        "module": (
            POINT + "limit = 3\n",
            """
            import solution
            from solution import Point, limit
            assert limit == 3 and solution.Point is Point and solution.limit == 3
            """,
        ),
        "star": (
            """
            def f(x): return x
            def all(x): return True
            """,
            """
            from solution import *
            assert f(1) == 1
            assert not all([0])
            """,
        ),
        "changing global": (
            """
            n = 0
            def up():
                global n
                n += 1
            """,
            """
            up()
            assert n == 1
            up()
            assert n == 2
            """,
        ),
        "set by the tests": (
            """
            n = 1
            def f(): return n
            """,
            """
            import solution
            solution.n = 5
            assert f() == 5
            """,
        ),
        "helper called check": (
            """
            def check(x): return x > 1
            def candidate(x): return 0
            def f(x): return check(x)
            """,
            """
            def check(candidate):
                assert candidate(2) is True
                assert candidate(0) is False
            check(f)
            """,
        ),
        "tests' own names": (
            """
            def helper(x): return 99
            def f(x): return helper(x)
            """,
            """
            def helper(x): return 1
            assert helper(0) == 1 and f(0) == 99
            """,
        ),
        "under main": (
            "def f(): return 1",
            """
            ran = []
            if __name__ == '__main__':
                ran.append(f())
            assert ran == [1]
            """,
        ),
        "unittest": (
            "def f(x): return x + 1",
            """
            import unittest
            class T(unittest.TestCase):
                def test_f(self):
                    self.assertEqual(f(1), 2)
                    self.assertRaises(TypeError, f, 'a')
            if __name__ == '__main__':
                unittest.main()
            """,
        ),
        "prints much": (
            """
            def f():
                print('x' * 20_000_000)
                return 1
            """,
            "assert f() == 1",
        ),
        "threads": (
            """
            import threading
            def f(g):
                out = []
                threads = [threading.Thread(target=lambda i=i: out.append(g(i))) for i in range(4)]
                [t.start() for t in threads]
                [t.join() for t in threads]
                return sorted(out)
            """,
            "assert f(lambda i: i * 10) == [0, 10, 20, 30]",
        ),
        "pool of threads": (
            """
            from concurrent.futures import ThreadPoolExecutor
            def f(g, xs):
                with ThreadPoolExecutor(4) as pool:
                    return list(pool.map(g, xs))
            """,
            "assert f(lambda i: i + 1, range(8)) == list(range(1, 9))",
        ),
        "threads of the tests": (
            """
            class Counter:
                def __init__(self): self.n = 0
                def up(self): self.n += 1
            """,
            """
            import threading
            c = Counter()
            ts = [threading.Thread(target=c.up) for _ in range(5)]
            [t.start() for t in ts]
            [t.join() for t in ts]
            assert c.n == 5
            """,
        ),
        "pickles its own class": (
            """
            import pickle
            class A:
                def __init__(self): self.x = 3
            def f(): return pickle.loads(pickle.dumps(A())).x
            """,
            "assert f() == 3",
        ),
        "reads its own source": (
            """
            import inspect
            def f():
                return inspect.getsource(f)
            """,
            "assert f().startswith('def f():')",
        ),
        "names of ours": (
            f"""
            import sys
            def f(): return [n for n in {_OURS} if n in sys.modules]
            """,
            "assert f() == []",
        ),
        "forks": (
            """
            import os
            def f():
                pid = os.fork()
                if pid == 0:
                    return 'child'
                os.waitpid(pid, 0)
                return 'parent'
            """,
            "assert f() == 'parent' and f() == 'parent'",
        ),
        "many calls": (
            "def f(x): return x",
            "assert all(f(i) == i for i in range(2000))",
        ),
        "a large answer": (
            "def f(n): return list(range(n))",
            "assert f(500_000) == list(range(500_000))",
        ),
        "recursion of the tests": (
            "def f(g, n): return g(n)",
            """
            def g(n): return 0 if n == 0 else 1 + f(g, n - 1)
            assert f(g, 50) == 50
            """,
        ),
        "rewrites its sys": (
            """
            import sys, builtins, os
            sys.modules.clear()
            builtins.print = None
            os.write = None
            def f(): return [1]
            """,
            "assert f() == [1]",
        ),
        "copies": (
            POINT,
            """
            import copy
            p = Point(1, 2)
            q = copy.copy(p)
            r = copy.deepcopy(p)
            q.x = 9
            assert p.x == 1 and q.x == 9 and r.y == 2 and q is not p and isinstance(r, Point)
            """,
        ),
        "by one's own name, built in": (
            """
            def sum(xs):
                return -1 if not xs else 5
            """,
            """
            assert sum([]) == -1
            assert sum([1]) == 5
            """,
        ),
        "by one's own name, wrapped": (
            """
            def sorted(xs):
                yield 9
            """,
            """
            assert list(sorted([3])) == [9]
            assert tuple(sorted([])) == (9,)
            """,
        ),
        "defaults are shared": (
            """
            def f(x, seen=[]):
                seen.append(x)
                return seen
            """,
            """
            f(1)
            assert f(2) == [1, 2]
            """,
        ),
        "keywords": (
            "def f(*a, **k): return a, k",
            "assert f(1, *[2], b=3, **{'c': 4}) == ((1, 2), {'b': 3, 'c': 4})",
        ),
        "compares by its own rule": (
            """
            from collections import Counter
            import math
            def f(x): return Counter(x)
            """,
            "assert f('ab') == Counter('ba') and math.sqrt(4) == 2",
        ),
        "prints where the tests catch it": (
            """
            def f(x):
                print("got", x)
                return x
            def g(h):
                print("before")
                h()
                print("after")
            """,
            """
            import contextlib, io
            with contextlib.redirect_stdout(io.StringIO()) as out:
                assert f(1) == 1
                print("between")
                f(2)
                g(lambda: print("in"))
            assert out.getvalue() == "got 1\\nbetween\\ngot 2\\nbefore\\nin\\nafter\\n", out.getvalue()
            f(3)
            with contextlib.redirect_stdout(io.StringIO()) as out:
                f(4)
            assert out.getvalue() == "got 4\\n"
            """,
        ),
        "reads what the tests put in": (
            """
            import sys
            def f(): return int(input("n? ")) + 1
            def g(): return [line.strip() for line in sys.stdin]
            """,
            """
            import io, sys
            from unittest.mock import patch
            with patch("builtins.input", side_effect=["3", "4"]) as asked:
                assert f() == 4 and f() == 5
            asked.assert_called_with("n? ")
            usual, sys.stdin = sys.stdin, io.StringIO("7\\na\\nb\\n")
            assert f() == 8
            assert g() == ["a", "b"]
            sys.stdin = usual
            """,
        ),
        "patches a name of the program": (
            """
            def rate(): return 2
            def cost(x): return x * rate()
            """,
            """
            from unittest.mock import patch
            with patch("solution.rate", return_value=10):
                assert cost(3) == 30
            assert cost(3) == 6
            """,
        ),
        "patches with mock": (
            """
            import random
            def f(): return random.random() < 2
            class S:
                def get(self): return 1
            def use(s): return s.get() + 1
            """,
            """
            from unittest.mock import Mock
            m = Mock()
            m.get.return_value = 4
            assert use(m) == 5
            m.get.assert_called_once_with()
            assert f()
            """,
        ),
    }
)


@pytest.mark.parametrize("name", HONEST)
def test_a_correct_program_passes(judged, name):
    assert judged(*HONEST[name]) == PASSED
