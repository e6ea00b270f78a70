"""Training, generating and scoring on Ray, started on this machine with workers on its CPU."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

ray = pytest.importorskip("ray")

pytestmark = pytest.mark.ray

import pandas as pd  # noqa: E402
from ludwig.callbacks import Callback  # noqa: E402

from finetune_kit.training import train  # noqa: E402

PLAIN = (
    *("adapter.dropout=0", "quantization.bnb_4bit_compute_dtype=float32"),
    *("trainer.batch_size=2", "trainer.gradient_accumulation_steps=3", "trainer.epochs=2"),
)
"""Without dropout the order of the random numbers does not matter, so that workers can be held against one process."""


@contextlib.contextmanager
def a_ray(cpus: int, **words):
    """A Ray of its own with so many slots, also where another is there from tests before."""
    ray.shutdown()
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    ray.init(address="local", num_cpus=cpus, include_dashboard=False, log_to_driver=False, **words)
    try:
        yield
    finally:
        ray.shutdown()


@pytest.fixture(scope="module")
def cluster():
    """A Ray that lets more workers run than there are cores, for several trainings one after another."""
    with a_ray(8, namespace="finetune_kit"):
        yield


class Watch(Callback):
    """Writes down what each worker trains on, step by step, and what it is; in a file a worker and start."""

    def __init__(self, folder: Path, kill: tuple[int, int] | None = None) -> None:
        self.folder = folder
        self.kill = kill
        """Rank and step of the worker that ends itself by SIGKILL, the first time that it comes there."""

    def on_trainer_train_setup(self, trainer, save_path, is_coordinator) -> None:
        rank, add = trainer.workers.rank, trainer._add_gradients
        path = self.folder / f"rank-{rank}-{os.getpid()}.jsonl"

        def watched(rows):
            step = trainer.steps_tried
            if self.kill == (rank, step) and not (self.folder / "killed").exists():
                (self.folder / "killed").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            with path.open("a") as file:
                file.write(json.dumps({"step": step, "rank": rank, "rows": [row.row_id for row in rows]}) + "\n")
            return add(rows)

        trainer._add_gradients = watched


def lineage(folder: Path) -> dict[int, list[str]]:
    """The rows of each step in the lineage that survives: of a step that was done twice, those of the second time."""
    last: dict[int, dict[int, tuple[float, list[str]]]] = {}
    for path in folder.glob("rank-*.jsonl"):
        for line in map(json.loads, path.read_text().splitlines()):
            kept = last.setdefault(line["step"], {})
            when = path.stat().st_mtime
            if line["rank"] not in kept or kept[line["rank"]][0] < when:
                kept[line["rank"]] = when, line["rows"]
    return {step: [row for _, rows in by_rank.values() for row in rows] for step, by_rank in sorted(last.items())}


def losses(run) -> list[float]:
    return [line["loss"] for line in run.train_log() if line["type"] == "step"]


def adapter(run) -> dict:
    from safetensors.torch import load_file

    return load_file(run.adapter_path / "adapter_model.safetensors")


@pytest.fixture(scope="module")
def alone(tmp_path_factory, tiny_recipe, exercise_rows):
    """The same training in one process."""
    folder = tmp_path_factory.mktemp("alone")
    return train(tiny_recipe(*PLAIN, f"run.folder={folder}"), pd.DataFrame(exercise_rows))


def assert_same(run, alone) -> None:
    import torch

    assert losses(run) == pytest.approx(losses(alone), abs=1e-4) and len(losses(run)) > 10
    ours, theirs = adapter(run), adapter(alone)
    assert ours.keys() == theirs.keys()
    assert max(float((ours[name] - theirs[name]).abs().max()) for name in ours) < 1e-3
    assert any(float(weight.abs().max()) > 1e-3 for weight in map(torch.Tensor.float, ours.values()))
    assert run.manifest["validation"]["loss"] == pytest.approx(alone.manifest["validation"]["loss"], abs=1e-4)


@pytest.mark.parametrize("kill", [None, (1, 12), (0, 14)], ids=["none is lost", "the second is", "the first is"])
def test_two_workers_are_one_process(cluster, tmp_path, tiny_recipe, exercise_rows, alone, kill) -> None:
    """The same loss at every step and the same adapter, and no row twice or left out, also where one is killed."""
    seen = tmp_path / "seen"
    seen.mkdir()
    overrides = ["backend=ray", "backend.trainer.num_workers=2", "run.checkpoint_every=5 steps"]
    recipe = tiny_recipe(*PLAIN, f"run.folder={tmp_path}", *overrides)
    run = train(recipe, pd.DataFrame(exercise_rows), callbacks=[Watch(seen, kill)])
    assert_same(run, alone)
    assert (seen / "killed").exists() == (kill is not None)
    assert [one["node"] for one in run.manifest["workers"]] == [ray.util.get_node_ip_address()] * 2
    steps = lineage(seen)
    count = run.manifest["optimizer_steps"]
    assert list(steps) == list(range(1, count + 1))
    trained = Counter(row for rows in steps.values() for row in rows)
    expected = {row["row_id"] for row in run.rows("train")} - set(run.manifest["left_out"]["train"])
    assert set(trained) == expected and set(trained.values()) == {2}
    if kill is not None:
        assert run.manifest["resumed_at_steps"] and run.manifest["resumed_at_steps"][0] <= kill[1]
    assert (run.path / "ludwig_config.yaml").exists() and list((run.path / "tensorboard").rglob("events*"))
    assert "Training for" in (run.path / "ludwig" / "ludwig.log").read_text()


def test_workers_stop_and_free_their_place_when_what_started_them_fails(
    cluster, tmp_path, tiny_recipe, exercise_rows, monkeypatch
) -> None:
    """On a Ray that goes on after the training: nothing computes in vain, or is in the way of the next."""
    from finetune_kit.recorder import Recorder

    def fail(*_) -> None:
        raise RuntimeError("a defect here")

    monkeypatch.setattr(Recorder, "on_step", fail)
    settings = [*PLAIN, "trainer.epochs=200", f"run.folder={tmp_path}", "backend=ray", "backend.trainer.num_workers=2"]
    with pytest.raises(RuntimeError, match="a defect here"):
        train(tiny_recipe(*settings), pd.DataFrame(exercise_rows), callbacks=[Watch(tmp_path)])
    deadline = time.monotonic() + 90
    while ray.available_resources().get("CPU", 0) < 8:
        assert time.monotonic() < deadline, "the workers still hold their place"
        time.sleep(0.5)
    assert 0 < max(lineage(tmp_path)) < 1000  # of 1,800 steps


# Generating and scoring.


class KilledAtRandom:
    """An actor as the kit's, whose process ends by SIGKILL in the middle of some tasks, so many times in all."""

    KILLS = 4

    def __init__(self, files) -> None:
        from finetune_kit.on_ray.generation import Answerer

        self.inner = Answerer(files)
        self.notes = Path(os.environ["FINETUNE_KIT_TEST_NOTES"])

    def settings_hash(self, side):
        return self.inner.settings_hash(side)

    def way_to_ask(self):
        return self.inner.way_to_ask()

    def complete(self, rows, side):
        import random

        answers = self.inner.complete(rows, side)
        if random.random() < 0.4:
            for number in range(self.KILLS):
                try:
                    (self.notes / f"kill-{number}").touch(exist_ok=False)
                except FileExistsError:
                    continue
                os.kill(os.getpid(), signal.SIGKILL)
        return answers


@pytest.fixture(scope="module")
def scored_rows(exercise_rows):
    """The 2,017 rows where they are beside the project, else the exercises; with tests where there are any."""
    from tests.conftest import REAL_ROWS

    rows = json.loads(REAL_ROWS.read_text()) if REAL_ROWS.exists() else exercise_rows
    return [{"instruction": row["instruction"], "input": row["input"], "output": row["output"]} for row in rows]


@pytest.fixture(scope="module")
def in_float32(tmp_path_factory, tiny_recipe, exercise_rows):
    """A run in float32 whose answers are greedy."""
    folder = tmp_path_factory.mktemp("greedy")
    short = ("generation.do_sample=false", "generation.max_new_tokens=12", f"run.folder={folder}")
    return train(tiny_recipe(*PLAIN, *short), pd.DataFrame(exercise_rows))


def test_answers_on_ray_are_those_of_one_process(tmp_path, in_float32, scored_rows, monkeypatch) -> None:
    """Byte for byte, with workers killed at random; nothing is lost, nothing is there twice."""
    from finetune_kit.generation import _answer, predict_file
    from finetune_kit.on_ray.generation import RayGenerator
    from finetune_kit.progress import View
    from finetune_kit.question_file import QuestionFile

    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in scored_rows))
    alone = predict_file(in_float32, rows, "tuned", tmp_path / "alone.jsonl")
    monkeypatch.setenv("FINETUNE_KIT_TEST_NOTES", str(tmp_path))
    with a_ray(4, runtime_env={"env_vars": {"FINETUNE_KIT_TEST_NOTES": str(tmp_path)}}):
        generator = RayGenerator(in_float32, 3, {"CPU": 1}, KilledAtRandom)
        questions = QuestionFile(rows, {}, ["instruction"])
        _answer(generator, questions, "tuned", tmp_path / "on_ray.jsonl", View(quiet=True))
        generator.close()
    assert len(list(tmp_path.glob("kill-*"))) == KilledAtRandom.KILLS
    assert (tmp_path / "on_ray.jsonl").read_bytes() == alone.read_bytes()
    ids = [json.loads(line)["row_id"] for line in alone.read_text().splitlines()]
    assert len(ids) == len(set(ids)) == len(scored_rows)


MEASURED = ("cpu_seconds", "wall_seconds", "memory_bytes")


class Scripted:
    """A stand-in for a model: answers at once, with a code that passes, one that fails, one that never ends."""

    def __init__(self, files) -> None:
        pass

    def settings_hash(self, side):
        return "0123456789abcdef"

    def complete(self, rows, side):
        from finetune_kit.decoding import Completion

        return [Completion("x" * 200, 50, "end") for _ in rows]


@pytest.fixture
def small_cluster():
    """A Ray with four slots, torn down with what runs in it."""
    with a_ray(4):
        yield


def test_the_drivers_memory_does_not_grow_with_the_rows(small_cluster, tmp_path, in_float32) -> None:
    """From 2,000 rows to 200,000 with a stand-in for the model, each with 400 characters and an answer of 200."""
    import gc

    import psutil

    from finetune_kit.generation import _answer
    from finetune_kit.on_ray.generation import RayGenerator
    from finetune_kit.progress import View
    from finetune_kit.question_file import QuestionFile

    def peak_of(count: int) -> int:
        path = tmp_path / f"{count}.jsonl"
        with path.open("w") as file:
            for number in range(count):
                file.write(json.dumps({"instruction": f"Row {number}: " + "write it. " * 40, "output": "x"}) + "\n")
        generator = RayGenerator(in_float32, 3, {"CPU": 1}, Scripted)
        process, most = psutil.Process(), 0
        inner = generator.complete_some

        def watched(rows, side, on_done):
            nonlocal most
            for done in inner(rows, side, on_done):
                most = max(most, process.memory_info().rss)
                yield done

        generator.complete_some = watched
        _answer(
            generator, QuestionFile(path, {}, ["instruction"]), "tuned", tmp_path / f"{count}.out", View(quiet=True)
        )
        generator.close()
        with (tmp_path / f"{count}.out").open() as file:
            assert sum(1 for _ in file) == count
        gc.collect()
        return max(most, process.memory_info().rss)

    peak_of(2_000)
    small = peak_of(2_000)
    large = peak_of(200_000)
    print(f"2,000 rows: {small / 1e6:.1f} MB; 200,000 rows: {large / 1e6:.1f} MB")
    # The answers alone are 100 MB.
    assert large - small < 40e6


def test_verdicts_on_ray_are_those_of_this_machine(small_cluster, tmp_path, scored_rows) -> None:
    """The same samples for 2,017 answers, while workers are killed at random."""
    import random
    import threading

    import psutil

    from evals import score_run

    def answers(side: str) -> list[dict]:
        lines = []
        for number, row in enumerate(scored_rows):
            code = [row["output"], "def f(:", f"def f{number}():\n    return {number}"][
                (number + (side == "tuned")) % 3
            ]
            tests = f"assert f{number}() == {number}" if number % 3 == 2 else ""
            reference = f"def f{number}():\n    return {number}" if tests else row["output"]
            line = {**row, "row_id": f"r{number}", "group": None, "tests": tests, "output": reference}
            lines.append({**line, "completion": code, "finish_reason": "end", "settings_hash": side})
        return lines

    for name in ("here", "on_ray"):
        for side in ("base", "tuned"):
            path = tmp_path / name / "predictions" / f"{side}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(json.dumps(line) + "\n" for line in answers(side)))
    score_run(tmp_path / "here")
    killed: list[int] = []
    over = threading.Event()

    def kill() -> None:
        while len(killed) < 5 and not over.wait(1.0):
            found = []
            for one in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):  # sandboxes come and go
                    if "ray::_Judge" in " ".join(one.cmdline()[:1]):
                        found.append(one)
            if found:
                victim = random.choice(found)
                victim.kill()
                killed.append(victim.pid)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        score_run(tmp_path / "on_ray", cluster="auto")
    finally:
        over.set()
        thread.join()
    assert killed, "the scoring was over before a worker could be killed"
    here, there = ([] for _ in range(2))
    for name, samples in (("here", here), ("on_ray", there)):
        for line in (tmp_path / name / "eval" / "samples.jsonl").open():
            sample = json.loads(line)
            samples.append({key: sample[key] for key in sample if key not in MEASURED})
    assert here == there and len(here) == 2 * len(scored_rows)
    assert {"passed", "syntax_error"} <= {sample["status"] for sample in here}
    kept = [json.loads(line)["key"] for line in (tmp_path / "on_ray" / "eval" / "verdicts.jsonl").open()]
    assert len(kept) == len(set(kept))


# Two machines: network namespaces with addresses of their own.


def _run(*command: str, **words) -> None:

    subprocess.run(command, check=True, capture_output=True, **words)


@pytest.fixture
def two_machines(tmp_path):
    """Two nodes of Ray in network namespaces: the head's address, its namespace, and what cuts it off."""
    import shutil

    import psutil

    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("network namespaces need root and iproute2")
    names = [f"ftk{os.getpid()}{end}" for end in "ab"]
    cables = [f"f{os.getpid() % 10**8}{end}" for end in "ab"]
    addresses = ["10.77.0.1", "10.77.0.2"]
    program = str(Path(sys.executable).with_name("ray"))
    # A node that does not answer is given up after seconds instead of half a minute.
    quick = {
        "RAY_health_check_initial_delay_ms": "1000",
        "RAY_health_check_period_ms": "1000",
        "RAY_health_check_timeout_ms": "2000",
        "RAY_health_check_failure_threshold": "3",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",
    }
    environment = {**os.environ, **quick, "OMP_NUM_THREADS": "1"}
    nodes: list[subprocess.Popen] = []
    try:
        for name in names:
            _run("ip", "netns", "add", name)
        _run("ip", "link", "add", cables[0], "netns", names[0], "type", "veth", "peer", cables[1], "netns", names[1])
        for name, cable, address in zip(names, cables, addresses, strict=True):
            inside = ("ip", "-n", name)
            _run(*inside, "address", "add", f"{address}/24", "dev", cable)
            _run(*inside, "link", "set", cable, "up")
            _run(*inside, "link", "set", "lo", "up")
        where = [["--head", "--port=6379", "--include-dashboard=false"], [f"--address={addresses[0]}:6379"]]
        for name, address, words in zip(names, addresses, where, strict=True):
            command = ["ip", "netns", "exec", name, program, "start", "--block", f"--node-ip-address={address}"]
            with (tmp_path / f"{name}.log").open("w") as log:
                nodes.append(
                    subprocess.Popen(
                        [*command, "--num-cpus=1", *words],
                        env=environment,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                )
            deadline = time.monotonic() + 60
            while "Ray runtime started" not in (said := (tmp_path / f"{name}.log").read_text()):
                assert nodes[-1].poll() is None and time.monotonic() < deadline, said
                time.sleep(0.2)
        yield f"{addresses[0]}:6379", names[0], lambda: _run("ip", "-n", names[0], "link", "set", cables[0], "down")
    finally:
        for node in nodes:
            with contextlib.suppress(psutil.NoSuchProcess):
                for one in [*psutil.Process(node.pid).children(recursive=True), psutil.Process(node.pid)]:
                    one.kill()
            node.wait(30)
        for name in names:
            with contextlib.suppress(subprocess.CalledProcessError):
                _run("ip", "netns", "delete", name)


def test_a_machine_that_is_cut_off_costs_the_steps_since_the_last_checkpoint(
    two_machines, tmp_path, tiny_recipe, exercise_rows, rows_file
) -> None:
    """The run goes on with the worker that is left, says so, and ends as it would have in one process."""

    address, namespace, cut = two_machines
    settings = [*PLAIN, "trainer.epochs=12", f"run.folder={tmp_path}", "run.checkpoint_every=15 steps"]
    alone = train(tiny_recipe(*settings, "run.name=alone"), pd.DataFrame(exercise_rows))
    recipe = tmp_path / "recipe.yaml"
    workers = ["backend.trainer.num_workers=2", "backend.trainer.min_workers=1"]
    on_ray = ["backend.type=ray", f"backend.address={address}", *workers]
    recipe.write_text(tiny_recipe(*settings, "run.name=two", *on_ray, f"data={rows_file}").to_yaml())
    command = ["ip", "netns", "exec", namespace, sys.executable, "-m", "finetune_kit", "train", str(recipe)]
    log = tmp_path / "two" / "train_log.jsonl"
    with (tmp_path / "told.txt").open("w") as file:
        environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "OMP_NUM_THREADS": "1"}
        driver = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment)
        try:
            deadline = time.monotonic() + 240
            while not log.exists() or log.read_text().count('"step"') < 40:
                assert driver.poll() is None and time.monotonic() < deadline, (tmp_path / "told.txt").read_text()
                time.sleep(0.02)
            cut()
            assert driver.wait(300) == 0, (tmp_path / "told.txt").read_text()
        finally:
            driver.kill()
    told = (tmp_path / "told.txt").read_text()
    print(told)
    assert re.search(r"^Workers     2: 1 on 10\.77\.0\.[12], 1 on 10\.77\.0\.[12]$", told, re.MULTILINE)
    assert "Workers     1: 1 on 10.77.0.1" in told
    assert "was lost: " in told and "Resumed     at step " in told
    from finetune_kit.run import Run

    assert_same(Run.load(tmp_path / "two"), alone)


def test_ctrl_c_stops_the_workers_where_the_run_can_be_gone_on_with(
    tmp_path, tiny_recipe, exercise_rows, rows_file
) -> None:
    """As a terminal sends it, to the whole group; the same command goes on, and ends as one process would have."""

    settings = [*PLAIN, "trainer.epochs=12", f"run.folder={tmp_path}"]
    alone = train(tiny_recipe(*settings, "run.name=alone"), pd.DataFrame(exercise_rows))
    recipe = tmp_path / "recipe.yaml"
    on_ray = ["backend.type=ray", "backend.trainer.num_workers=2", f"data={rows_file}"]
    recipe.write_text(tiny_recipe(*settings, "run.name=two", *on_ray).to_yaml())
    command = [sys.executable, "-m", "finetune_kit", "train", str(recipe)]
    log = tmp_path / "two" / "train_log.jsonl"
    first = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 180
        while not log.exists() or log.read_text().count('"step"') < 5:
            assert first.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(first.pid, signal.SIGINT)
        told = first.communicate(timeout=120)[0]
    finally:
        first.kill()
    print(told)
    assert first.returncode == 130 and "The same command goes on from there." in told and "Traceback" not in told
    again = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Resumed     at step " in again.stdout
    from finetune_kit.run import Run

    assert_same(Run.load(tmp_path / "two"), alone)
