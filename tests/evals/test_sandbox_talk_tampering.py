"""Wrong programs that leave, patch, write or reach where they should not: none passes."""

import pytest

from tests.evals.talk import ANSWER, cleaned

# What writes to every descriptor, in the words of the report and of the talk.
_REPORT = """
import os, json, struct
report = json.dumps({"status": "passed", "line": 0, "detail": "", "relied_on_program": False}).encode()
def flood():
    for descriptor in range(64):
        try:
            os.write(descriptor, DATA)
        except OSError:
            pass
"""
# An answer as the talk has them: a head, and an instruction for the number 9.
_OWN_FRAME = "struct.pack('>IBII', 6, 4, {number}, 0) + struct.pack('>BI', 1, 1) + bytes([9])"
# Wrong programs that set out to pass. None may.
FORGERIES = cleaned(
    {
        "patched builtins": (
            """
            import builtins
            builtins.all = builtins.any = lambda x: True
            builtins.isinstance = lambda *a: True
            builtins.AssertionError = type('X', (Exception,), {})
            builtins.abs = lambda x: 0
            def answer(n): return 0
            """,
            "assert all(answer(n) == n * n for n in (3, 4)) and abs(answer(3) - 9) < 1",
        ),
        "own builtins": (
            """
            def all(x): return True
            any = isinstance = abs = round = len = all
            def answer(n): return 0
            """,
            """
            assert all([answer(3) == 9])
            assert isinstance(answer(3), str)
            """,
        ),
        "own len": (
            """
            def len(x): return 9
            def answer(n): return []
            """,
            "assert len(answer(3)) == 9",
        ),
        "own print and super": (
            """
            def __build_class__(*a): return 1
            def __import__(*a): return 1
            def super(): return 1
            def answer(n): return 0
            """,
            """
            import math
            class A: pass
            assert answer(3) == math.pow(3, 2)
            """,
        ),
        "own sorted, judged": (
            """
            def sorted(x): return [1, 2]
            def answer(n): return [5]
            """,
            "assert sorted(answer(3)) == [1, 2]",
        ),
        "own sum with comparisons": (
            """
            def sum(x): return 2
            def answer(n): return 0
            """,
            "assert sum(answer(n) == n for n in (3, 4)) == 2",
        ),
        "own AssertionError": (
            """
            class AssertionError(Exception): pass
            class BaseException(Exception): pass
            def answer(n): return 0
            """,
            ANSWER,
        ),
        "leaves": (
            """
            import sys
            def answer(n): sys.exit(0)
            """,
            ANSWER,
        ),
        "leaves at once": (
            """
            import sys
            sys.exit()
            """,
            ANSWER,
        ),
        "leaves hard": (
            """
            import os
            def answer(n): os._exit(0)
            """,
            ANSWER,
        ),
        "leaves hard at once": (
            """
            import os
            os._exit(0)
            """,
            ANSWER,
        ),
        "leaves by exception": (
            """
            class Bye(SystemExit): pass
            def answer(n): raise Bye(0)
            """,
            ANSWER,
        ),
        "walks the frames": (
            """
            import sys
            def answer(n):
                frame = sys._getframe()
                while frame:
                    for name, value in list(frame.f_locals.items()) + list(frame.f_globals.items()):
                        if isinstance(value, int) and name == 'expected': return value
                    frame = frame.f_back
                return 0
            """,
            """
            expected = 9
            assert answer(3) == expected
            """,
        ),
        "searches its memory": (
            """
            import gc
            def answer(n):
                for x in gc.get_objects():
                    if isinstance(x, str) and 'assert answer' in x: return 9
                return 0
            """,
            "assert answer(3) == 9",
        ),
        "writes the report": (
            _REPORT + "DATA = len(report).to_bytes(8) + report\nflood()\ndef answer(n):\n    flood()\n    return 0",
            ANSWER,
        ),
        "writes frames": (
            _REPORT
            + "DATA = b''.join("
            + _OWN_FRAME.format(number="i")
            + " for i in range(1, 9))\nflood()\ndef answer(n):\n    flood()\n    return 0",
            ANSWER,
        ),
        "writes junk": (
            _REPORT + "DATA = b'\\xff' * 100\ndef answer(n):\n    flood()\n    return 0",
            ANSWER,
        ),
        "half a frame": (
            _REPORT + "DATA = b'\\0\\0'\ndef answer(n):\n    flood()\n    os._exit(0)",
            ANSWER,
        ),
        "a frame of 4 GB": (
            _REPORT + "DATA = b'\\xff\\xff\\xff\\xff' + b'\\4' * 9\ndef answer(n):\n    flood()\n    os._exit(0)",
            ANSWER,
        ),
        "closes all": (
            """
            import os
            os.closerange(0, 64)
            def answer(n): return 0
            """,
            ANSWER,
        ),
        "a thread that answers": (
            _REPORT
            + "import threading, time\nDATA = "
            + _OWN_FRAME.format(number="3")
            + "\ndef answer(n):\n    threading.Thread(target=flood).start()\n    time.sleep(0.2)\n    return 0",
            ANSWER,
        ),
        "a child that answers": (
            _REPORT
            + "DATA = "
            + _OWN_FRAME.format(number="2")
            + "\ndef answer(n):\n    if os.fork() == 0:\n        flood()\n        os._exit(0)\n    return 0",
            ANSWER,
        ),
        "at exit": (
            """
            import atexit, os
            atexit.register(lambda: os._exit(0))
            def answer(n): return 0
            """,
            ANSWER,
        ),
        "at its end": (
            """
            class D:
                def __del__(self):
                    import os
                    os._exit(0)
            d = D()
            def answer(n):
                global d
                d = None
                return 0
            """,
            ANSWER,
        ),
        "traces": (
            """
            import sys
            def trace(frame, event, arg):
                frame.f_trace_lines = False
                return trace
            sys.settrace(trace)
            sys.setprofile(lambda *a: None)
            def answer(n): return 0
            """,
            ANSWER,
        ),
        "a star over the tests' imports": (
            """
            class math:
                def isclose(*a, **k): return True
            def expect(*a): pass
            def answer(n): return 0.0
            """,
            """
            import math
            def expect(x): assert x
            from solution import *
            expect(math.isclose(answer(3), 9.0))
            """,
        ),
        "own math": (
            """
            import math
            math.isclose = lambda *a, **k: True
            def answer(n): return 0.0
            """,
            "assert math.isclose(answer(3), 9.0)",
        ),
        "changes the tests' names": (
            """
            import sys
            sys.modules['__main__'].__dict__['expected'] = 0
            def answer(n): return 0
            """,
            """
            expected = 9
            assert answer(3) == expected
            """,
        ),
        "reaches through a callback": (
            """
            def answer(n, g):
                ways = '__globals__', '__builtins__', '__closure__', '__code__.co_consts', '__call__.__self__'
                for path in (way.split('.') for way in ways):
                    found = g
                    try:
                        for name in path: found = getattr(found, name)
                    except Exception: continue
                    try:
                        found['expected'] = 0
                    except Exception: pass
                    if 9 in found: return 9
                return 0
            """,
            """
            expected = 9
            def g(x): return x + 9
            assert answer(3, g) == expected
            """,
        ),
        "reaches through an object": (
            """
            def answer(n, o):
                for get in (lambda: o.meth.__func__.__globals__, lambda: o.__class__.meth.__globals__,
                            lambda: o.__init__.__globals__, lambda: type(o).meth.__globals__, lambda: o.__dict__):
                    try:
                        get()['expected'] = 0
                    except Exception: pass
                return 0
            """,
            """
            expected = 9
            class O:
                def __init__(self): pass
                def meth(self): return 1
            assert answer(3, O()) == expected
            """,
        ),
        "reaches through a generator": (
            """
            def answer(n, g):
                try:
                    g.gi_frame.f_globals['expected'] = 0
                except Exception: pass
                try:
                    g.gi_code
                    return 9
                except Exception: return 0
            """,
            """
            expected = 9
            assert answer(3, (i for i in [1])) == expected
            """,
        ),
        "reaches through an error": (
            """
            def answer(n, g):
                try:
                    g()
                except Exception as e:
                    t = e.__traceback__
                    while t:
                        t.tb_frame.f_globals['expected'] = 0
                        t = t.tb_next
                return 0
            """,
            """
            expected = 9
            def g(): 1 / 0
            assert answer(3, g) == expected
            """,
        ),
        "patches its own side": (
            """
            import gc
            def answer(n): return 0
            for o in gc.get_objects():
                if type(o).__name__ == 'Peer':
                    o.operations['call'] = lambda *a: E()
                    o.judges = True
            class E:
                def __eq__(self, o): return True
            """,
            ANSWER,
        ),
        "tells other facts": (
            """
            import gc, sys
            for o in gc.get_objects():
                if type(o) is dict and 'facts_of' in o and callable(o['facts_of']):
                    o['facts_of'] = lambda v: ('value', int, 9)
            class E:
                def __eq__(self, o): return True
            def answer(n): return E()
            """,
            "assert answer(3) == 10",
        ),
        "signals": (
            """
            import os, signal
            def answer(n):
                os.kill(os.getpid(), signal.SIGTERM)
            """,
            ANSWER,
        ),
    }
)


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_does_not_pass(judged, name):
    found = judged(*FORGERIES[name])
    assert found["status"] in ("wrong_answer", "exception", "exited_early", "unsupported_type"), found
