"""What runs inside the sandbox to learn what a function does: its source is put into a program, never imported there.

It calls the function on each input and writes one line for each, with a mark that the harness chose. The lines are
no more trusted than the function is: the harness takes from them only literals, and texts to compare.
"""

# The imports stand in the program that `evals.ladder` writes, before this text.
import io
import os
import random
import signal
import sys
import types
from typing import Any

MAX_PRINTED = 4000
MAX_TOO_LONG = 15


class CallTookTooLong(BaseException):
    """One call used up its CPU time; not an Exception, so that the function does not swallow it by mistake."""


def observe(source: str, name: str, calls: list[str], mark: str, seconds: float, seed: int, literal: Any) -> None:
    """Call a function on each input and write what came of it.

    Args:
        source: The program that defines it.
        name: The function's name.
        calls: The arguments of each call, as source.
        mark: Begins each line.
        seconds: CPU time of one call.
        seed: Seeds `random`, so that two runs with different seeds show what depends on chance.
        literal: Writes a value as source; raises TypeError where there is no such form.
    """
    out = os.dup(1)
    printed = io.StringIO()
    sys.stdout = printed

    def tell(*fields: Any) -> None:
        os.write(out, (mark + repr(fields) + "\n").encode("utf-8", "backslashreplace"))

    def too_long(signum: int, frame: Any) -> None:
        raise CallTookTooLong

    random.seed(seed)
    # As the answers run: what stands under a main guard is part of the program.
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    try:
        program = compile(source, "solution.py", "exec", dont_inherit=True)
    except BaseException as error:
        tell("uncompiled", str(error)[:200])
        return
    try:
        exec(program, module.__dict__)
        function = module.__dict__[name]
    except BaseException as error:
        tell("failed", type(error).__name__)
        return
    tell("ran")
    signal.signal(signal.SIGVTALRM, too_long)
    late = 0
    for index, call in enumerate(calls):
        args, kwargs = eval(call, {})
        before = literal((args, kwargs))
        printed.seek(0)
        printed.truncate()
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
            value = function(*args, **kwargs)
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        except BaseException as error:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            tell("raised", index, type(error).__name__)
            late += isinstance(error, CallTookTooLong)
            if late == MAX_TOO_LONG:
                return
            continue
        try:
            text, after = literal(value), literal((args, kwargs))
        except Exception as error:
            tell("formless", index, str(error)[:200])
            continue
        tell("gave", index, text, printed.getvalue()[:MAX_PRINTED], after if after != before else "")
