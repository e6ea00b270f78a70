"""The first process of a worker: forks the two wardens from one clean interpreter, and waits for their end."""

import _signal
import _socket
import gc
import importlib
import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from evals.sandbox.child import cell, own_root, warden
else:
    import cell
    import own_root
    import warden

# What programs most often import: done once here, it costs them nothing.
_WARM = (
    "abc", "bisect", "collections", "collections.abc", "contextlib", "copy", "dataclasses", "datetime", "enum",
    "functools", "hashlib", "heapq", "itertools", "json", "math", "operator", "random", "re", "string", "typing",
)  # fmt: skip


def main() -> "NoReturn":
    """Start the wardens that the first argument, a JSON object, describes; never returns."""
    told = json.loads(sys.argv[1])
    _forget_signal_settings()
    for name in _WARM:
        importlib.import_module(name)
    os.umask(0o022)
    gc.collect()
    gc.freeze()
    controls = [warden_told["control"] for warden_told in told["wardens"]]
    for one in told["wardens"]:
        if os.fork() == 0:
            for other in controls:
                if other != one["control"]:
                    os.close(other)
            _serve(told, one)
    for control in controls:
        os.close(control)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            os._exit(0)


def _forget_signal_settings() -> None:
    """Take signals as any fresh process does, whatever the harness ignores or blocks, which would be inherited."""
    numbers = _signal.valid_signals() - {_signal.SIGKILL, _signal.SIGSTOP, _signal.SIGPIPE, _signal.SIGXFSZ}
    for number in numbers:  # Python itself ignores the last two.
        _signal.signal(number, _signal.default_int_handler if number == _signal.SIGINT else _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())


def _serve(told: "dict[str, Any]", one: "dict[str, Any]") -> "NoReturn":
    control = _socket.socket(fileno=one["control"])
    settings = cell.Settings({**told, **one})
    if settings.tier == "full":
        try:
            own_root.leave_namespaces(settings)
        except OSError as error:
            warden.send(control, {"failed": f"namespaces: {error.strerror or error}"})
            os._exit(1)
        if os.fork():
            control.close()
            os.wait()
            os._exit(0)
    warden.Warden(control, settings, told["limits"]).serve()
