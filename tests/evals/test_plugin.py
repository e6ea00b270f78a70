"""The pytest plugin, by real runs of pytest."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest_plugins = ["pytester"]

PROJECT = Path(__file__).resolve().parents[2]
GATES = "predictions: {run: run}\nscorers: [pass@1, code_bleu]\ngates:\n"
LENIENT = f"{GATES}  - pass@1.tuned >= 0.30\n  - groups.unseen.pass@1.difference > 0\n"
STRICT = f"{GATES}  - pass@1.tuned >= 0.30\n  - pass@1.tuned > 90%\n  - verdict == better\n"
TUNED_FAILS, BASE_FAILS = (2, 7), range(1, 9)
# Two sides of ten rows, less the four rows (0, 2, 7, 9) on which both sides gave the same program.
PROGRAMS = 16


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with a run of ten rows: the tuned model fails two of them."""
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("EVALS_CACHE", str(pytester.path / "cache"))
    rows = [
        {"row_id": f"r{number}", "group": "unseen" if number % 2 else "seen", "instruction": f"Write f{number}.",
         "input": "", "output": f"def f():\n    return {number}", "tests": f"assert f() == {number}"}
        for number in range(10)
    ]  # fmt: skip
    write_lines(pytester.path / "run" / "rows" / "test.jsonl", rows)
    for side, wrong in (("base", BASE_FAILS), ("tuned", TUNED_FAILS)):
        lines = [
            {**row, "completion": f"def f():\n    return {-1 if number in wrong else number}", "settings_hash": side}
            for number, row in enumerate(rows)
        ]
        write_lines(pytester.path / "run" / "predictions" / f"{side}.jsonl", lines)
    (pytester.path / "my.eval.yaml").write_text(LENIENT)
    return pytester


def write_lines(path: Path, lines: list) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_subprocess("-p", "evals.plugin", "-p", "no:cacheprovider", *arguments)


def closing(result: pytest.RunResult) -> set[str]:
    """The counts of the last line."""
    return set(re.sub(r" in [0-9.]+s.*", "", result.outlines[-1]).strip("= ").split(", "))


def verdicts(project: pytest.Pytester) -> dict[str, str]:
    lines = (project.path / "run" / "eval" / "verdicts.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    assert len({line["key"] for line in found}) == len(found)
    return {line["key"]: line["verdict"]["status"] for line in found}


def test_rows_are_shown_and_gates_decide(project):
    result = run(project, "-v")
    assert result.ret == 0
    assert closing(result) == {"2 passed", "2 rows failed", "8 rows passed"}
    shown = [line for line in result.outlines if line.startswith("my.eval.yaml::")]
    assert [line.split(" [")[0].strip() for line in shown[:3]] == [
        "my.eval.yaml::r0 passed", "my.eval.yaml::r1 passed", "my.eval.yaml::r2 failed",
    ]  # fmt: skip
    assert "gate pass@1.tuned >= 0.30 PASSED" in shown[-2]
    result.stdout.fnmatch_lines(
        [
            "evals: my: 10 rows, sandbox tier *",
            "my: 8 rows passed, 2 failed (sandbox tier *)",
            "  The tuned model is better: pass@1 is 0.800 against 0.200 (+0.600, *) on 10 rows.",
            "  gate pass@1.tuned >= 0.30 holds: it is 0.8",
        ]
    )


def test_a_gate_that_does_not_hold_fails_the_run_with_its_place(project):
    (project.path / "my.eval.yaml").write_text(STRICT)
    result = run(project)
    assert result.ret == 1
    assert closing(result) == {"1 failed", "2 passed", "2 rows failed", "8 rows passed"}
    result.stdout.fnmatch_lines(["*my.eval.yaml:5: pass@1.tuned > 90% fails: it is 0.8"])
    assert "Traceback" not in result.stdout.str()


def test_gates_come_after_all_rows_and_tests(project):
    (project.path / "a.eval.yaml").write_text(LENIENT)
    project.makepyfile(test_z="def test_z(): pass")
    names = run(project, "--collect-only", "-q").outlines
    places = [number for number, line in enumerate(names) if "gate" in line]
    assert places == [21, 22, 23, 24]
    assert not (project.path / "run" / "eval").exists()


def test_strict_rows_fail_as_tests_do_and_x_stops(project):
    result = run(project, "--evals-strict")
    assert result.ret == 1
    assert closing(result) == {"2 failed", "10 passed"}
    result.stdout.fnmatch_lines(["*test.jsonl:3: row r2", "base: wrong_answer: assert f() == 2", "    return -1"])
    result = run(project, "--evals-strict", "-x")
    assert closing(result) == {"1 failed", "2 passed"}


@pytest.mark.slow
def test_lf_runs_what_failed_last(project):
    first = project.runpytest_subprocess("-p", "evals.plugin", "--evals-strict")
    assert closing(first) == {"2 failed", "10 passed"}
    again = project.runpytest_subprocess("-p", "evals.plugin", "--evals-strict", "--lf")
    assert closing(again) == {"2 failed"}
    write_lines(
        project.path / "run" / "predictions" / "tuned.jsonl",
        [
            json.loads(line.replace("return -1", "return 2"))
            for line in (project.path / "run" / "predictions" / "tuned.jsonl").read_text().splitlines()
        ],
    )
    assert closing(project.runpytest_subprocess("-p", "evals.plugin", "--evals-strict", "--lf")) == {
        "1 failed",
        "1 passed",
    }


@pytest.mark.slow
def test_rows_that_fail_without_strict_are_no_last_failures(project):
    project.runpytest_subprocess("-p", "evals.plugin")
    again = project.runpytest_subprocess("-p", "evals.plugin", "--lf")
    assert closing(again) == {"2 passed", "2 rows failed", "8 rows passed"}


def test_k_selects_and_gates_still_count_all_rows(project):
    result = run(project, "-k", "unseen")
    # Rows of that group, and the gate that names it.
    assert closing(result) == {"1 passed", "6 deselected", "1 rows failed", "4 rows passed"}
    assert len(verdicts(project)) == PROGRAMS
    result = run(project, "-k", "gate and tuned")
    assert closing(result) == {"1 passed", "11 deselected"}
    result.stdout.fnmatch_lines(["  gate pass@1.tuned >= 0.30 holds: it is 0.8"])


def test_only_the_selected_rows_run_where_no_gate_is_asked(project):
    result = run(project, "my.eval.yaml::r2", "my.eval.yaml::r3")
    assert closing(result) == {"1 rows failed", "1 rows passed"}
    # Both sides of two rows, of which the first has the same program on both.
    assert sorted(verdicts(project).values()) == ["passed", "wrong_answer", "wrong_answer"]


@pytest.mark.parametrize("workers", [pytest.param("1", marks=pytest.mark.slow), "2"])
def test_xdist_changes_no_verdict_and_runs_nothing_twice(project, workers):
    alone = run(project)
    expected = verdicts(project)
    (project.path / "run" / "eval" / "verdicts.jsonl").unlink()
    result = run(project, "-p", "xdist", "-n", workers, "--evals-report", "out")
    assert result.ret == 0
    assert closing(result) == closing(alone) == {"2 passed", "2 rows failed", "8 rows passed"}
    assert verdicts(project) == expected
    assert len(expected) == PROGRAMS
    assert (project.path / "out" / "my" / "eval" / "report.html").is_file()
    result.stdout.fnmatch_lines(["my: 8 rows passed, 2 failed (sandbox tier *)", "  gate pass@1.tuned >= 0.30 holds*"])


def test_a_second_run_runs_no_program(project):
    run(project)
    path = project.path / "run" / "eval" / "verdicts.jsonl"
    before = path.read_bytes()
    assert closing(run(project)) == {"2 passed", "2 rows failed", "8 rows passed"}
    assert path.read_bytes() == before


def test_junit_has_all_items_and_their_properties(project):
    (project.path / "my.eval.yaml").write_text(STRICT)
    run(project, "--junitxml", "junit.xml")
    suite = ElementTree.parse(project.path / "junit.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("13", "1", "0")
    properties = {
        case.get("name"): {one.get("name"): one.get("value") for one in case.iter("property")} for case in suite
    }
    assert properties["r2"]["evals.outcome"] == "failed"
    assert properties["r2"]["evals.tuned"] == "wrong_answer"
    assert properties["r2"]["evals.tuned.detail"] == "assert f() == 2"
    assert properties["r1"]["evals.outcome"] == "passed"
    assert properties["gate pass@1.tuned > 90%"]["evals.observed"] == "0.8"


def test_missing_predictions_are_skipped_with_the_command(project):
    (project.path / "run" / "predictions" / "tuned.jsonl").unlink()
    (project.path / "run" / "predictions" / "base.jsonl").unlink()
    result = run(project, "-rs")
    assert result.ret == 0
    assert closing(result) == {"12 skipped"}
    result.stdout.fnmatch_lines(["SKIPPED*make it with: finetune-kit predict *run", "SKIPPED*make them with*"])


def test_a_gate_is_not_told_from_some_of_the_rows(project):
    path = project.path / "run" / "predictions" / "tuned.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    result = run(project)
    assert result.ret == 1
    assert closing(result) == {"2 failed", "1 skipped", "2 rows failed", "7 rows passed"}
    result.stdout.fnmatch_lines(["*my.eval.yaml:4: * cannot be told: 1 of 10 rows have no prediction*predict*run"])


def test_a_gate_is_not_told_where_a_row_could_not_be_judged(project):
    project.makeconftest(
        """
        from evals import outcomes
        from evals.sandbox import Verdict

        judge_many = outcomes.judge_many

        def busy(items, *more):
            verdicts = judge_many(items, *more)
            return [
                Verdict("inconclusive", "too busy") if "return 3" in code else one
                for (_, code), one in zip(items, verdicts)
            ]

        outcomes.judge_many = busy
        """
    )
    result = run(project, "-rs")
    assert result.ret == 1
    assert closing(result) == {"2 failed", "1 skipped", "2 rows failed", "7 rows passed"}
    result.stdout.fnmatch_lines(["*my.eval.yaml:4: * cannot be told: 1 of 10 rows could not be judged*(row r3)"])


def test_a_run_that_is_not_there_is_skipped_or_an_error(project):
    (project.path / "my.eval.yaml").write_text("predictions: {run: gone}\ngates: [pass@1.tuned > 0]\n")
    result = run(project, "-rs")
    assert (result.ret, closing(result)) == (0, {"2 skipped"})
    result.stdout.fnmatch_lines(["SKIPPED*finetune-kit train && finetune-kit predict *gone"])
    result = run(project, "--evals-run", "nowhere")
    assert result.ret == 2
    result.stdout.fnmatch_lines(["--evals-run nowhere: there is no such run folder*"])
    assert closing(run(project, "--evals-run", "run")) == {"1 passed", "2 rows failed", "8 rows passed"}


def test_a_suite_with_problems_is_an_error_with_all_of_them(project):
    (project.path / "my.eval.yaml").write_text("gtaes: []\nscorers: [blue]\n")
    result = run(project)
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*my.eval.yaml:1: there is no key 'gtaes'*", "*my.eval.yaml:2: there is no scorer*"])
    assert "Traceback" not in result.stdout.str()


def test_the_tier_can_be_demanded(project):
    result = run(project, "--evals-tier", "limited")
    result.stdout.fnmatch_lines(["evals: my: 10 rows, sandbox tier limited", "my: 8 rows passed, 2 failed (*limited)"])
    assert run(project, "--evals-tier", "none").ret == pytest.ExitCode.USAGE_ERROR
    assert run(project, "--evals-workers", "0").ret == pytest.ExitCode.USAGE_ERROR


def test_the_report_is_that_of_the_suite(project):
    result = run(project, "--evals-report", "out", "--evals-workers", "1")
    folder = project.path / "out" / "my" / "eval"
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["metrics"]["pass@1"]["tuned"] == 0.8
    assert summary["verdict"]["word"] == "better"
    samples = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    assert len(samples) == 20
    assert "<html" in (folder / "report.html").read_text()
    result.stdout.fnmatch_lines(["wrote *report.html"])
    from jsonschema import validate

    validate(summary, json.loads((PROJECT / "evals" / "summary.schema.json").read_text()))


def test_the_fixture_runs_code_in_the_sandbox(project):
    (project.path / "my.eval.yaml").unlink()
    project.makepyfile(
        """
        import pytest
        from evals.errors import EvalError

        def test_tests(run_code):
            assert run_code("def f(): return 2", "assert f() == 2").passed
            verdict = run_code("def f(): return 2", "assert f() == 3")
            assert (verdict.status, verdict.detail) == ("wrong_answer", "assert f() == 3")

        def test_doctest(run_code):
            assert run_code("def f(): return 2", ">>> f()\\n2", kind="doctest").passed

        def test_program(run_code):
            done = run_code("print(input()[::-1])", stdin="abc")
            assert (done.status, done.stdout) == ("exited", b"cba\\n")

        def test_limits(run_code):
            assert run_code("while True: pass", limits={"cpu_seconds": 0.2}).status == "timeout_cpu"

        def test_packages(run_code):
            assert run_code("import pluggy").status == "missing_dependency"
            assert run_code("import pluggy", packages=["pluggy"]).passed

        def test_both(run_code):
            with pytest.raises(EvalError, match="tests or stdin"):
                run_code("", "assert 1", stdin="")
        """
    )
    result = run(project)
    assert closing(result) == {"6 passed"}
    assert "evals" not in result.stdout.str().replace("evals.plugin", "")


def test_a_plain_run_loads_and_prints_nothing_of_ours(project):
    (project.path / "my.eval.yaml").unlink()
    project.makepyfile("def test_plain(): pass")
    project.makeconftest(
        """
        import json, sys
        def pytest_unconfigure(config):
            with open(config.getoption("modules"), "w") as file:
                json.dump(sorted(sys.modules), file)
        def pytest_addoption(parser):
            parser.addoption("--modules")
        """
    )
    outputs, modules = [], []
    for number, plugin in enumerate([(), ("-p", "evals.plugin")]):
        result = project.runpytest_subprocess(*plugin, "-p", "no:cacheprovider", "--modules", f"{number}.json")
        # Where the package is installed, pytest itself names all plugins in its header.
        own = [line for line in result.outlines if not line.startswith("plugins: ")]
        outputs.append([re.sub(r"[0-9.]+s", "", line) for line in own])
        modules.append(set(json.loads((project.path / f"{number}.json").read_text())))
    assert outputs[0] == outputs[1]
    assert modules[1] - modules[0] == {"evals", "evals.plugin"}


def test_the_options_all_start_alike(project):
    text = run(project, "--help").stdout.str()
    options = re.findall(r"^\s+(--[\w-]+)", text[text.index("evaluation suites") :].split("\n\n")[0], re.MULTILINE)
    assert set(options) == {"--evals-strict", "--evals-tier", "--evals-run", "--evals-workers", "--evals-report"}


@pytest.mark.skipif(
    not metadata.entry_points(group="pytest11", name="evals.plugin"), reason="needs the package to be installed"
)
def test_naming_the_plugin_beside_the_installed_one_loads_it_once(project, monkeypatch):
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    monkeypatch.delenv("PYTHONPATH")
    project.makeconftest(
        """
        import sys

        def pytest_report_header(config):
            plugins = config.pluginmanager.list_name_plugin()
            names = [name for name, one in plugins if one is sys.modules.get("evals.plugin")]
            listeners = [name for name, one in plugins if type(one).__module__ == "evals.plugin"]
            return f"ours: {names} {listeners}"
        """
    )
    for arguments in ((), ("-p", "evals.plugin")):
        result = project.runpytest_subprocess(*arguments, "-p", "no:cacheprovider", "--collect-only")
        assert closing(result) == {"12 tests collected"}
        assert "ours: ['evals.plugin'] ['evals.listener']" in result.outlines
