"""The pytest plugin: suites as tests, and a fixture that runs generated code.

`*.eval.yaml` files are collected: one item a row, then one a gate. A row shows whether the model got it right without
failing the run, which is what gates are for; with `--evals-strict` rows fail it too. This module loads with every
pytest run, so it imports nothing of weight: all else comes with the first suite.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from evals.pytest_suite import Findings, SuiteFile
    from evals.sandbox import Completed, Limits, Verdict

SUFFIX = ".eval.yaml"
TIERS = ("full", "confined", "limited")
FINDINGS: pytest.StashKey[Findings] = pytest.StashKey()
"""What was found out, where a suite was collected or reported; not there without one."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; all start with `--evals-`."""
    group = parser.getgroup("evals", "evaluation suites (*.eval.yaml)")
    group.addoption("--evals-strict", action="store_true", help="let a row that failed fail the run, as a test does")
    group.addoption(
        "--evals-tier", choices=TIERS, help="the sandbox's tier to demand; the suite's or the best there is"
    )
    group.addoption("--evals-run", metavar="RUN", help="the run folder whose predictions are scored, for all suites")
    group.addoption(
        "--evals-workers", type=_positive, metavar="N", help="programs run at a time; one a core without it"
    )
    group.addoption(
        "--evals-report", metavar="DIR", help="write report.html, summary.json and samples.jsonl to DIR/SUITE/eval"
    )


def _positive(text: str) -> int:
    import argparse

    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return int(text)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SuiteFile | None:
    """Collect suites."""
    if not file_path.name.endswith(SUFFIX):
        return None
    from evals.pytest_suite import SuiteFile

    return SuiteFile.from_parent(parent, path=file_path)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put gates after everything else, and note which rows are left to run."""
    if FINDINGS in config.stash:
        from evals.pytest_suite import after_collection

        after_collection(items)


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Say how programs are held, where a suite was collected."""
    quiet = config.get_verbosity() < 0 or config.getoption("collectonly")
    return config.stash[FINDINGS].header() if FINDINGS in config.stash and not quiet else []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let the report of a row carry what came of it; it crosses to xdist's main process with it."""
    report = yield
    if report.skipped and hasattr(item, "evals_told") and isinstance(report.longrepr, tuple):
        # Where the row or the gate stands, and not where it was skipped.
        file, line, _ = item.reportinfo()
        report.longrepr = (str(file), (line or 0) + 1, report.longrepr[2])
    told = getattr(item, "evals_told", None)
    if told is not None and call.when == "call":
        report.evals = told  # type: ignore[attr-defined]
    return report


def pytest_configure(config: pytest.Config) -> None:
    """Listen to reports, since they come from other processes with xdist."""
    config.pluginmanager.register(_Listener(config), "evals.listener")


class _Listener:
    """Gathers what the reports tell, in the process that prints."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        told = getattr(report, "evals", None)
        if told is not None:
            from evals.pytest_suite import Findings

            self._config.stash.setdefault(FINDINGS, Findings(self._config)).add(told)


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str, Any] | None:
    """Count rows apart from tests, unless they fail the run as tests do."""
    told: Mapping[str, Any] | None = getattr(report, "evals", None)
    if told is None or told["kind"] != "row" or told["strict"] or report.outcome != "passed":
        return None
    if told["passed"]:
        return "rows passed", ".", ("passed", {"green": True})
    return "rows failed", "f", ("failed", {"yellow": True})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what the gates found."""
    if FINDINGS in config.stash:
        config.stash[FINDINGS].print_to(terminalreporter)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the reports, in the process that was started by the user, and end the sandboxes."""
    if FINDINGS in session.config.stash:
        session.config.stash[FINDINGS].finish(session)


class _Sandboxes:
    """One sandbox a set of packages, for as long as the session lasts."""

    def __init__(self, tier: str | None) -> None:
        self._tier = tier
        self._stack = contextlib.ExitStack()
        self._open: dict[tuple[str, ...], Any] = {}

    def get(self, packages: tuple[str, ...]) -> Any:
        from evals.sandbox import Sandbox

        if packages not in self._open:
            self._open[packages] = self._stack.enter_context(Sandbox(workers=1, tier=self._tier, packages=packages))
        return self._open[packages]

    def close(self) -> None:
        self._stack.close()


@pytest.fixture(scope="session")
def _evals_sandboxes(pytestconfig: pytest.Config) -> Iterator[_Sandboxes]:
    sandboxes = _Sandboxes(pytestconfig.getoption("evals_tier"))
    yield sandboxes
    sandboxes.close()


@pytest.fixture
def run_code(_evals_sandboxes: _Sandboxes) -> Callable[..., Verdict | Completed]:
    """Run untrusted code in the sandbox.

    `run_code(code, tests)` judges it by assert lines and returns a `Verdict`; `run_code(code, stdin="...")` runs it as
    a program and returns a `Completed`, with what it printed as bytes. Further arguments: `limits`, a `Limits` or a
    dictionary of some of its values; `packages`, import names to offer; `kind`, `asserts` or `doctest`.
    """

    def run(
        code: str,
        tests: str = "",
        *,
        stdin: str | bytes | None = None,
        limits: Limits | Mapping[str, Any] | None = None,
        packages: Sequence[str] = (),
        kind: str = "asserts",
    ) -> Verdict | Completed:
        from evals.errors import EvalError
        from evals.sandbox import Job, Limits

        if stdin is not None and tests:
            raise EvalError("run_code takes tests or stdin: tests judge functions, stdin runs a whole program.")
        if not isinstance(limits, Limits):
            limits = Limits(**(limits or {}))
        sandbox = _evals_sandboxes.get(tuple(packages))
        if stdin is None:
            return sandbox.check_many([Job(code, tests, kind)], limits=limits)[0]  # type: ignore[arg-type]
        given = stdin.encode() if isinstance(stdin, str) else stdin
        return sandbox.run_many([(code, given)], limits=limits)[0]

    return run
