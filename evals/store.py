"""Verdicts that outlive the process: keyed by everything they depend on, so that a stale one cannot be found.

A store is a file of JSON lines that only grows. Each line is one result under the SHA-256 of the program, its tests and
their kind, the limits, the tier, the packages offered (with the size and the time of each of their files), the
sandbox's own source and Python's version. A line that a killed process left half written is passed over. What says
nothing of the program, `harness_error` and `inconclusive`, is never kept.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import platform
import sys
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.errors import EvalError
from evals.sandbox import Completed, Job, Limits, Sandbox, Verdict, protections

if TYPE_CHECKING:
    import filelock

    from evals.on_ray import RaySandbox
    from evals.sandbox.worker import Worker

Progress = Callable[[int, int], None]
Result = Verdict | Completed
CACHE_VARIABLE = "EVALS_CACHE"
_UNJUDGED = frozenset({"harness_error", "inconclusive"})
# A program that waited is run again at the end where the machine was busy; only then its verdict stands.
_PROVISIONAL = _UNJUDGED | {"timeout_wall"}
_LONG_TEXT = 1_000
_TEXTS = ("output", "stdout", "stderr")
_DEFAULT_LIMITS = Limits()


class VerdictStore:
    """Results by key, in a file that several processes may share.

    Args:
        path: The file; it and its folder are made with the first result.

    Examples:
        >>> import tempfile
        >>> store = VerdictStore(Path(tempfile.mkdtemp()) / "verdicts.jsonl")
        >>> [verdict.status for verdict in store.judge([("x = 1", "assert x == 1")], workers=1)], len(store)
        (['passed'], 1)
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._results: dict[str, Result] = {}
        self._offset = 0
        self._inode = -1
        self._mutex = threading.RLock()

    @classmethod
    def of_run(cls, run_dir: str | Path) -> VerdictStore:
        """Open the store of a run folder, `eval/verdicts.jsonl`."""
        return cls(Path(run_dir) / "eval" / "verdicts.jsonl")

    @classmethod
    def of_user(cls, name: str) -> VerdictStore:
        """Open a store in the user's cache, for predictions that belong to no run.

        Args:
            name: Of a suite; the folder is the environment's EVALS_CACHE, or the platform's cache folder.
        """
        import platformdirs

        folder = Path(os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_path("evals", appauthor=False))
        readable = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)[:80]
        return cls(folder / "verdicts" / f"{readable}.jsonl")

    def __len__(self) -> int:
        self.reload()
        return len(self._results)

    def find(self, keys: Iterable[str]) -> dict[str, Result]:
        """Return the results that there are under some keys, those of other processes among them."""
        with self._mutex:
            self.reload()
            return {key: self._results[key] for key in keys if key in self._results}

    def put(self, key: str, result: Result) -> None:
        """Keep a result, in one write that survives this process; one that is no judgement is not kept.

        Args:
            key: As `key_of` makes it.
            result: A verdict, or what came of a whole program.

        Raises:
            EvalError: If the file cannot be written.
        """
        if result.status in _UNJUDGED or key in self._results:
            return
        line = (json.dumps({"key": key, **_to_json(result)}) + "\n").encode()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._mutex, self._lock("writing"):
                descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
                try:
                    end = os.lseek(descriptor, 0, os.SEEK_END)
                    if end and os.pread(descriptor, 1, end - 1) != b"\n":
                        line = b"\n" + line  # Ends the line that a killed process left half written.
                    while line:
                        line = line[os.write(descriptor, line) :]
                finally:
                    os.close(descriptor)
                self._results[key] = result
        except OSError as error:
            raise EvalError(
                f"{self.path}: the verdict cannot be kept ({error.strerror}); free space, change the folder's rights, "
                f"or name another cache folder in the environment's {CACHE_VARIABLE}."
            ) from error

    def reload(self) -> None:
        """Read what other processes have added."""
        with self._mutex:
            try:
                with self.path.open("rb") as file:
                    status = os.fstat(file.fileno())
                    if status.st_ino != self._inode or status.st_size < self._offset:
                        self._results, self._offset, self._inode = {}, 0, status.st_ino
                    file.seek(self._offset)
                    added = file.read()
            except (FileNotFoundError, NotADirectoryError):
                self._results, self._offset, self._inode = {}, 0, -1
                return
            except OSError as error:
                raise EvalError(f"{self.path}: the verdicts cannot be read ({error.strerror}).") from error
            whole = added[: added.rfind(b"\n") + 1]
            self._offset += len(whole)
            for line in whole.splitlines():
                with contextlib.suppress(ValueError, TypeError, KeyError, zlib.error, RecursionError):
                    key, result = _from_json(json.loads(line))
                    self._results[key] = result

    def judge(
        self,
        jobs: Sequence[Job | tuple[str, str]],
        limits: Limits = _DEFAULT_LIMITS,
        workers: int | None = None,
        progress: Progress | None = None,
        *,
        tier: str | None = None,
        packages: Sequence[str] = (),
    ) -> list[Verdict]:
        """Judge programs as `evals.sandbox.check_many` does, but run only what no store line answers, and that once.

        Args:
            jobs: Programs with their tests.
            limits: What each may use.
            workers: How many run at a time; one a core if None.
            progress: Called with the number done and the number in all.
            tier: As `check_many` takes it.
            packages: As `check_many` takes it.

        Returns:
            The verdicts, in the order of the jobs.

        Raises:
            EvalError: As `check_many` raises, or if the file cannot be read or written.
        """
        with self.sandbox(limits, workers, tier, packages) as sandbox:
            return sandbox.check_many(jobs, progress)

    def sandbox(
        self,
        limits: Limits = _DEFAULT_LIMITS,
        workers: int | None = None,
        tier: str | None = None,
        packages: Sequence[str] = (),
        cluster: str | None = None,
    ) -> StoredSandbox:
        """Return what can be used in the place of a `Sandbox`, and starts a real one only where a result is missing.

        Args:
            limits: As `Sandbox` takes it.
            workers: As `Sandbox` takes it.
            tier: As `Sandbox` takes it.
            packages: As `Sandbox` takes it.
            cluster: Address of a Ray cluster that is to run the programs, as `evals.on_ray.connect` takes it, empty for
                the usual one; this machine if None.
        """
        return StoredSandbox(self, limits, workers, tier, packages, cluster)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Hold the right to run programs for this store; of several processes, one at a time has it."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = self._lock("running")
            lock.acquire()
        except OSError as error:
            raise EvalError(
                f"{self.path.parent}: no verdicts can be kept there ({error.strerror}); change the folder's rights, "
                f"or name another cache folder in the environment's {CACHE_VARIABLE}."
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _lock(self, what: str) -> filelock.BaseFileLock:
        import filelock

        # The kernel's lock: it ends with the process that holds it, however that ends.
        return filelock.FileLock(self.path.with_name(f".{self.path.name}.{what}.lock"))


class StoredSandbox:
    """A sandbox that looks into a store first; `with` starts and ends it.

    Attributes:
        ran: How many programs were really run.
    """

    def __init__(
        self,
        store: VerdictStore,
        limits: Limits,
        workers: int | None,
        tier: str | None,
        packages: Sequence[str],
        cluster: str | None = None,
    ) -> None:
        self.ran = 0
        self.limits = limits
        self._store = store
        self._settings = (workers, tier, tuple(packages))
        self._context = _context(tier, tuple(packages))
        self._cluster = cluster
        self._sandbox: _TellingSandbox | RaySandbox | None = None

    @property
    def tier(self) -> str:
        """The protections that programs run under."""
        return str(self._context["tier"])

    def __enter__(self) -> StoredSandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers, if any were started."""
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None

    def check_many(
        self, jobs: Sequence[Job | tuple[str, str]], progress: Progress | None = None, limits: Limits | None = None
    ) -> list[Verdict]:
        """Judge programs by their tests, as `Sandbox.check_many` does."""
        limits = limits or self.limits
        given = [job if isinstance(job, Job) else Job(*job) for job in jobs]
        keys = [self._key(limits, job.kind, job.code, job.tests) for job in given]

        def run(sandbox: Sandbox | RaySandbox, indices: Sequence[int], told: Progress | None) -> Sequence[Result]:
            return sandbox.check_many([given[index] for index in indices], told, limits)

        return self._results(keys, given, run, progress)  # type: ignore[return-value]

    def run_many(
        self, programs: Sequence[tuple[str, bytes]], progress: Progress | None = None, limits: Limits | None = None
    ) -> list[Completed]:
        """Run whole programs, as `Sandbox.run_many` does."""
        limits = limits or self.limits
        keys = [self._key(limits, "program", code, stdin.hex()) for code, stdin in programs]

        def run(sandbox: Sandbox | RaySandbox, indices: Sequence[int], told: Progress | None) -> Sequence[Result]:
            return sandbox.run_many([programs[index] for index in indices], told, limits)

        return self._results(keys, programs, run, progress)  # type: ignore[return-value]

    def _key(self, limits: Limits, kind: str, code: str, tests: str) -> str:
        return key_of({**self._context, "limits": asdict(limits), "kind": kind, "code": code, "tests": tests})

    def _results(
        self,
        keys: Sequence[str],
        inputs: Sequence[Any],
        run: Callable[[Sandbox | RaySandbox, Sequence[int], Progress | None], Sequence[Result]],
        progress: Progress | None,
    ) -> list[Result]:
        found = self._store.find(keys)
        if len(found) < len(set(keys)):
            with self._store.running():
                found = self._store.find(keys)  # Who had the right to run before may have run these.
                missing: dict[str, int] = {}
                for index, key in enumerate(keys):
                    if key not in found:
                        missing.setdefault(key, index)
                if missing:
                    told = _after(progress, len(keys) - len(missing), len(keys))
                    found |= self._run(missing, inputs, run, told)
                    return [found[key] for key in keys]
        if progress is not None:
            progress(len(keys), len(keys))
        return [found[key] for key in keys]

    def _run(
        self,
        missing: dict[str, int],
        inputs: Sequence[Any],
        run: Callable[[Sandbox | RaySandbox, Sequence[int], Progress | None], Sequence[Result]],
        progress: Progress | None,
    ) -> dict[str, Result]:
        sandbox = self._started()
        key_of_input = {_identity(inputs[index]): key for key, index in missing.items()}

        def keep(given: Any, result: Result) -> None:
            key = key_of_input.get(_identity(given))
            if key is not None and result.status not in _PROVISIONAL:
                self._store.put(key, result)

        sandbox.tell = keep
        results = run(sandbox, list(missing.values()), progress)
        self.ran += len(missing)
        found = dict(zip(missing, results, strict=True))
        for key, result in found.items():
            self._store.put(key, result)
        return found

    def _started(self) -> _TellingSandbox | RaySandbox:
        if self._sandbox is None:
            workers, tier, packages = self._settings
            sandbox: _TellingSandbox | RaySandbox
            if self._cluster is None:
                sandbox = _TellingSandbox(self.limits, workers, tier, packages)
            else:
                from evals.on_ray import RaySandbox

                sandbox = RaySandbox(self.limits, workers, tier, packages, self._cluster)
            sandbox.__enter__()
            self._sandbox = sandbox
        return self._sandbox


class _TellingSandbox(Sandbox):
    """A sandbox that hands on each result at once, so that a kill loses only what is running."""

    tell: Callable[[Any, Result], None] | None = None

    def _each(
        self, jobs: Sequence[Any], run: Callable[[Worker, Any, threading.Event], Any], progress: Progress | None
    ) -> list[Any]:
        def told(worker: Worker, job: Any, stop: threading.Event) -> Any:
            result = run(worker, job, stop)
            if self.tell is not None:
                self.tell(job, result)
            return result

        return super()._each(jobs, told, progress)


def key_of(parts: dict[str, Any]) -> str:
    """Return the SHA-256 of plain values, 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@cache
def sandbox_version() -> str:
    """Return a hash of the sandbox's source: a change of one character makes another sandbox of it."""
    import evals.sandbox

    folder = Path(evals.sandbox.__file__).parent
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.py"), *(folder / "child").rglob("*.py")]):
        digest.update(f"{path.relative_to(folder)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _context(tier: str | None, packages: tuple[str, ...]) -> dict[str, Any]:
    """What a result depends on beside its program, its tests and its limits; read anew for each sandbox."""
    return {
        "tier": protections(tier)["tier"],
        "packages": sorted(packages),
        "package_files": _fingerprint(packages),
        "sandbox": sandbox_version(),
        "python": sys.version,
        "machine": platform.machine(),
    }


def _fingerprint(packages: tuple[str, ...]) -> str:
    if not packages:
        return ""
    from evals.sandbox.packages import paths_of

    digest = hashlib.sha256()
    for top in map(Path, paths_of(packages)):
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if path.suffix != ".pyc" and path.is_file():
                status = path.stat()
                digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:16]


def _identity(given: Any) -> Any:
    return (given.kind, given.code, given.tests) if isinstance(given, Job) else tuple(given)


def _after(progress: Progress | None, before: int, total: int) -> Progress | None:
    return None if progress is None else lambda done, _: progress(before + done, total)


def _to_json(result: Result) -> dict[str, Any]:
    values = asdict(result)
    for name in _TEXTS:
        value = values.get(name)
        if isinstance(value, bytes) or (isinstance(value, str) and len(value) > _LONG_TEXT):
            raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
            values[name] = {"zlib": base64.b64encode(zlib.compress(raw)).decode()}
    return {"verdict" if isinstance(result, Verdict) else "completed": values}


def _from_json(line: dict[str, Any]) -> tuple[str, Result]:
    kind: type[Verdict] | type[Completed] = Verdict if "verdict" in line else Completed
    values = dict(line["verdict" if kind is Verdict else "completed"])
    for name in _TEXTS:
        if isinstance(values.get(name), dict):
            raw = zlib.decompress(base64.b64decode(values[name]["zlib"], validate=True))
            values[name] = raw if kind is Completed else raw.decode("utf-8", "surrogatepass")
    if not isinstance(line["key"], str) or {field.name for field in fields(kind)} != set(values):
        raise KeyError("fields")
    if not isinstance(values["status"], str) or values["status"] in _UNJUDGED:
        raise ValueError("status")
    return line["key"], kind(**values)
