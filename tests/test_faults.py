"""What goes wrong during a run ends well: it goes on, or stops with its last checkpoint kept and says what to do."""

import errno
import json
import os
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest

from finetune_kit.checkpoints import Checkpoints
from tests import children
from tests.children import Asked, run, start


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path, exercise_rows):
    """Makes what a child trains in a folder: an epoch of five steps, kept after each, evaluated after three."""
    rows = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in exercise_rows[:32]))

    def make(folder: Path, *more: str, data: Path = rows, **words) -> Asked:
        settings = (
            f"base_model={tiny_llama}",
            "preprocessing.global_max_sequence_length=512",
            "preprocessing.split.probabilities=[0.7, 0.2, 0.1]",
            "adapter.r=2",
            "trainer.batch_size=2",
            "trainer.steps_per_checkpoint=3",
            "run.checkpoint_every=1 step",
            "run.name=run",
            f"run.folder={folder}",
            *more,
        )
        return Asked(settings, str(data), **words)

    return make


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, asked) -> Path:
    """The folder of a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole")
    told = run(asked(folder), folder / "report.json")
    assert told["outcome"] == "finished", told
    return folder / "run"


def manifest(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())


def log(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "train_log.jsonl").read_text().splitlines()]


def losses(folder: Path) -> list[float]:
    return [line["loss"] for line in log(folder) if line["type"] == "step"]


def adapter(folder: Path) -> bytes:
    return (folder / "adapter" / "adapter_model.safetensors").read_bytes()


# What happens in the children. Each begins after some steps of the run.


def after_step(number: int, what) -> None:
    """Do something as soon as a step is done."""
    from finetune_kit.engine.trainer import KitFineTuneTrainer

    step = KitFineTuneTrainer.train_step

    def watched(trainer, *arguments, **words):
        outcome = step(trainer, *arguments, **words)
        if trainer.steps_tried == number:
            what()
        return outcome

    KitFineTuneTrainer.train_step = watched


def memory_is_enough_for(tokens: int) -> None:
    """From the third step on a batch of more tokens is too much, as CUDA says it."""
    import torch

    from finetune_kit.engine.llm import KitLLM

    forward, allowed = KitLLM.forward, [10**9]

    def limited(model, inputs, mask=None):
        outputs = forward(model, inputs, mask)
        if inputs.tokens > allowed[0]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return outputs

    KitLLM.forward = limited
    after_step(2, lambda: allowed.__setitem__(0, tokens))


def memory_has_a_real_end() -> None:
    """The system refuses a large block for once, in the words of torch's own allocator."""
    import resource

    import torch

    from finetune_kit.engine.llm import KitLLM

    forward, times = KitLLM.forward, [0]

    def limited(model, inputs, mask=None):
        times[0] += 1
        if times[0] == 4:
            before = resource.getrlimit(resource.RLIMIT_AS)
            used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
            resource.setrlimit(resource.RLIMIT_AS, (used + 2**20, before[1]))
            try:
                torch.empty(2**28)
            finally:
                resource.setrlimit(resource.RLIMIT_AS, before)
        return forward(model, inputs, mask)

    KitLLM.forward = limited


def loss_is_nan_at(rows: tuple[str, ...]) -> None:
    import torch

    from finetune_kit.engine.llm import KitLLM
    from finetune_kit.engine.trainer import KitFineTuneTrainer

    forward, add = KitLLM.forward, KitFineTuneTrainer._forward
    now: list[str] = []

    def watched(trainer, examples, most):
        for part in trainer.model.cut(examples, most):
            now[:] = [example.row_id for example in part]
            yield part, trainer.dist_model(trainer.model.collate(part))

    def broken(model, inputs, mask=None):
        outputs = forward(model, inputs, mask)
        if model.training and set(now) & set(rows) and torch.is_grad_enabled():
            outputs["loss"] = outputs["loss"] * torch.nan
        return outputs

    assert add is not watched
    KitFineTuneTrainer._forward = watched
    KitLLM.forward = broken


def gradient_is_infinite_once() -> None:
    """With a loss that is finite: nothing but the look at the gradient tells."""
    from finetune_kit.engine.trainer import KitFineTuneTrainer

    add = KitFineTuneTrainer._add_gradients

    def broken(trainer, rows):
        metrics = add(trainer, rows)
        if trainer.steps_tried == 4:
            next(p for p in trainer.dist_model.parameters() if p.grad is not None).grad.fill_(float("inf"))
        return metrics

    KitFineTuneTrainer._add_gradients = broken


def clock_jumps() -> None:
    """An hour back after the second step, a day on after the fourth."""
    now, shift = time.time, [0]
    time.time = lambda: now() + shift[0]
    after_step(2, lambda: shift.__setitem__(0, -3600))
    after_step(4, lambda: shift.__setitem__(0, 86400))


def signal_comes(number: int, times: int = 1) -> None:
    def send() -> None:
        for _ in range(times):
            signal.raise_signal(number)

    after_step(3, send)


def wait_for(file: Path) -> None:
    def wait() -> None:
        file.with_suffix(".here").touch()
        while not file.exists():
            time.sleep(0.05)

    after_step(2, wait)


# Memory.


def test_out_of_memory_halves_what_is_done_at_once_and_goes_on(asked, whole, tmp_path) -> None:
    told = run(asked(tmp_path), tmp_path / "report.json", prepare=partial(memory_is_enough_for, 200))
    assert told["outcome"] == "finished", told
    notices = [text for text in manifest(tmp_path / "run")["notices"] if text.startswith("The memory was not enough")]
    assert notices and "tokens at once; in training it is at most" in notices[0] and "from step 3 on" in notices[0]
    assert losses(tmp_path / "run") == pytest.approx(losses(whole), rel=1e-4), "the steps are of the same rows"
    assert [line["rows"] for line in log(tmp_path / "run") if "rows" in line] == [
        line["rows"] for line in log(whole) if "rows" in line
    ]


@pytest.mark.slow
def test_what_was_learnt_of_the_memory_is_kept_when_the_run_is_gone_on_with(asked, tmp_path) -> None:
    told = run(
        asked(tmp_path),
        tmp_path / "report.json",
        children.Moment("step", 5),
        partial(memory_is_enough_for, 200),
    )
    assert told == {"exitcode": -9}
    told = run(asked(tmp_path), tmp_path / "report.json")
    assert told["outcome"] == "finished", told
    assert any(text.startswith("The memory was not enough") for text in manifest(tmp_path / "run")["notices"])


@pytest.mark.slow
def test_a_row_that_does_not_fit_alone_turns_checkpointing_on_and_then_ends_the_run(asked, tmp_path) -> None:
    told = run(asked(tmp_path), tmp_path / "report.json", prepare=partial(memory_is_enough_for, 10))
    assert told["outcome"].startswith("The memory is not enough for 1 row of "), told
    assert "The checkpoint of step 2 is kept." in told["outcome"]
    assert manifest(tmp_path / "run")["status"] == "failed"
    told = run(asked(tmp_path), tmp_path / "report.json")
    assert told["outcome"] == "finished", "with more memory it goes on"


def test_a_block_that_the_system_refuses_is_out_of_memory_too(asked, whole, tmp_path) -> None:
    told = run(asked(tmp_path), tmp_path / "report.json", prepare=memory_has_a_real_end)
    assert told["outcome"] == "finished", told
    assert any(text.startswith("The memory was not enough") for text in manifest(tmp_path / "run")["notices"])
    assert losses(tmp_path / "run") == pytest.approx(losses(whole), rel=1e-4)


# Losses that are not finite.


def test_a_step_without_a_finite_loss_is_skipped_and_its_rows_named(asked, whole, tmp_path) -> None:
    row = json.loads((whole / "rows" / "train.jsonl").read_text().splitlines()[0])["row_id"]
    longest = "trainer.max_tokens_per_batch=512"
    told = run(asked(tmp_path, longest), tmp_path / "report.json", prepare=partial(loss_is_nan_at, (row,)))
    assert told["outcome"] == "finished", told
    (skipped,) = manifest(tmp_path / "run")["skipped_steps"]
    assert row in skipped["rows"] and skipped["reason"].startswith("the loss is nan at the batch of rows")
    assert next(line for line in log(tmp_path / "run") if line["type"] == "skipped")["step"] == skipped["step"]
    steps = [line["step"] for line in log(tmp_path / "run") if line["type"] in {"step", "skipped"}]
    assert steps == list(range(1, len(steps) + 1))
    assert manifest(tmp_path / "run")["optimizer_steps"] == len(steps) - 1


def test_too_many_skipped_steps_end_the_run_with_its_checkpoint_kept(asked, whole, tmp_path) -> None:
    ids = tuple(json.loads(line)["row_id"] for line in (whole / "rows" / "train.jsonl").read_text().splitlines())
    told = run(
        asked(tmp_path, "trainer.max_skipped_steps=1"), tmp_path / "report.json", prepare=partial(after_two_nan, ids)
    )
    assert "That makes 2 skipped steps, and trainer.max_skipped_steps allows 1." in told["outcome"], told
    assert "The checkpoint of step 3 is kept." in told["outcome"]
    assert Checkpoints(tmp_path / "run" / "checkpoints").newest() is not None


def after_two_nan(ids: tuple[str, ...]) -> None:
    after_step(2, partial(loss_is_nan_at, ids))


def test_a_gradient_that_is_not_finite_never_reaches_the_weights(asked, tmp_path) -> None:
    told = run(asked(tmp_path), tmp_path / "report.json", prepare=gradient_is_infinite_once)
    assert told["outcome"] == "finished", told
    (skipped,) = manifest(tmp_path / "run")["skipped_steps"]
    assert skipped["step"] == 4 and skipped["reason"].startswith("the gradient is inf at")


# Disks.


@pytest.fixture
def small_disk(tmp_path: Path):
    """A folder on a disk of 4 MB of its own; skipped where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Leave not a byte."""
    with (folder / "filler").open("wb", buffering=0) as file:
        try:
            for size in (2**20, 2**12, 1):
                try:
                    while file.write(b"0" * size):
                        pass
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
        except OSError:
            pass


def disk_fills(folder: Path) -> None:
    after_step(3, partial(fill, folder))


def remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)


def disk_becomes_read_only(folder: Path) -> None:
    # Open files keep a disk from becoming read-only: this is the state in which writing fails.
    after_step(3, partial(_refuse_writing, folder))


def _refuse_writing(folder: Path) -> None:
    from finetune_kit import checkpoints

    def refuse(*_: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(folder))

    checkpoints._HashingWriter.write = refuse


def test_a_full_disk_ends_the_run_and_none_of_its_checkpoints_is_lost(asked, whole, small_disk, tmp_path) -> None:
    told = run(asked(small_disk), tmp_path / "report.json", prepare=partial(disk_fills, small_disk))
    assert "No space left on device" in told["outcome"] or "MB are free" in told["outcome"], told
    assert "The checkpoint of step 2 is kept." in told["outcome"] and "the same command goes on" in told["outcome"]
    assert Checkpoints(small_disk / "run" / "checkpoints").newest()["steps_tried"] == 2
    told = run(asked(small_disk), tmp_path / "report.json")
    assert told["outcome"] != "finished", "it is full still"
    assert Checkpoints(small_disk / "run" / "checkpoints").newest()["steps_tried"] == 2
    (small_disk / "filler").unlink()
    told = run(asked(small_disk), tmp_path / "report.json")
    assert told["outcome"] == "finished", told
    assert adapter(small_disk / "run") == adapter(whole) and losses(small_disk / "run") == losses(whole)


def test_a_folder_that_becomes_read_only_ends_the_run_likewise(asked, whole, tmp_path) -> None:
    told = run(asked(tmp_path), tmp_path / "report.json", prepare=partial(disk_becomes_read_only, tmp_path))
    assert "Read-only file system" in told["outcome"] and "The checkpoint of step 2 is kept." in told["outcome"]
    told = run(asked(tmp_path), tmp_path / "report.json")
    assert told["outcome"] == "finished", told
    assert adapter(tmp_path / "run") == adapter(whole)


def test_a_disk_that_is_read_only_from_the_start_is_a_mistake_that_is_named(asked, small_disk, tmp_path) -> None:
    remount(small_disk, "ro")
    told = run(asked(small_disk), tmp_path / "report.json")
    assert told["outcome"].endswith("can't be written (Read-only file system); set run.folder to another folder."), told


# Torn checkpoints.


def stop_after_four(asked, folder: Path) -> list[Path]:
    told = run(asked(folder), folder / "report.json", children.Moment("step", 5))
    assert told == {"exitcode": -9}
    return [file.path for file in Checkpoints(folder / "run" / "checkpoints").files()]


@pytest.mark.parametrize(
    "damage", ["cut", *(pytest.param(one, marks=pytest.mark.slow) for one in ("changed", "empty"))]
)
def test_a_torn_checkpoint_is_found_and_the_one_before_is_taken(damage: str, asked, whole, tmp_path) -> None:
    newest, before, *_ = stop_after_four(asked, tmp_path)
    assert newest.name.startswith("step-00000004") and before.name.startswith("step-00000003")
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes({"cut": data[: len(data) // 2], "changed": data, "empty": b""}[damage])
    told = run(asked(tmp_path), tmp_path / "report.json")
    assert told["outcome"] == "finished", told
    assert manifest(tmp_path / "run")["resumed_at_steps"] == [3]
    assert adapter(tmp_path / "run") == adapter(whole) and losses(tmp_path / "run") == losses(whole)


@pytest.mark.slow
def test_where_all_are_torn_the_run_begins_anew(asked, whole, tmp_path) -> None:
    for path in stop_after_four(asked, tmp_path):
        path.write_bytes(path.read_bytes()[:-10])
    told = run(asked(tmp_path), tmp_path / "report.json")
    assert told["outcome"] == "finished", told
    assert adapter(tmp_path / "run") == adapter(whole) and losses(tmp_path / "run") == losses(whole)


@pytest.mark.slow
def test_best_weights_that_are_torn_are_told_of(asked, tmp_path) -> None:
    paths = stop_after_four(asked, tmp_path)
    best = next(path for path in paths if path.name.startswith("step-00000003"))
    best.write_bytes(b"")
    told = run(asked(tmp_path), tmp_path / "report.json")
    assert told["outcome"] == "finished", told
    assert any(
        "with the best weights so far, is torn or gone" in text for text in manifest(tmp_path / "run")["notices"]
    )


# Clocks, signals, and two at once.


def test_a_clock_that_jumps_changes_nothing(asked, whole, tmp_path) -> None:
    told = run(asked(tmp_path), tmp_path / "report.json", prepare=clock_jumps)
    assert told["outcome"] == "finished", told
    assert adapter(tmp_path / "run") == adapter(whole)
    assert all(0 <= line["seconds"] < 3600 for line in log(tmp_path / "run") if line["type"] == "step")


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_signal_finishes_the_step_and_saves(number: int, asked, whole, tmp_path) -> None:
    told = run(
        asked(tmp_path, "run.checkpoint_every=1 h"), tmp_path / "report.json", prepare=partial(signal_comes, number)
    )
    assert told["outcome"].startswith("Stopped after step 3 of 5, which is saved."), told
    assert manifest(tmp_path / "run")["status"] == "interrupted"
    assert log(tmp_path / "run")[-1]["step"] == 3 and log(tmp_path / "run")[-1]["type"] == "step"
    told = run(asked(tmp_path), tmp_path / "report.json")
    assert told["outcome"] == "finished", told
    assert manifest(tmp_path / "run")["resumed_at_steps"] == [3]
    assert adapter(tmp_path / "run") == adapter(whole) and losses(tmp_path / "run") == losses(whole)


def test_a_second_signal_quits_at_once(asked, tmp_path) -> None:
    told = run(asked(tmp_path), tmp_path / "report.json", prepare=partial(signal_comes, signal.SIGINT, 2))
    assert "KeyboardInterrupt" in told["outcome"] and "Stopped after" not in told["outcome"], told
    assert Checkpoints(tmp_path / "run" / "checkpoints").newest()["steps_tried"] == 2


def test_two_runs_at_once_do_not_share_a_folder(asked, whole, tmp_path) -> None:
    go_on = tmp_path / "go_on"
    first = start(asked(tmp_path), tmp_path / "first.json", prepare=partial(wait_for, go_on))
    while first.exitcode is None and not go_on.with_suffix(".here").exists():
        time.sleep(0.05)
    told = run(asked(tmp_path), tmp_path / "second.json")
    go_on.touch()
    first.join(60)
    assert f"is in use by process {first.pid} on " in told["outcome"], told
    assert json.loads((tmp_path / "first.json").read_text())["outcome"] == "finished"
    assert adapter(tmp_path / "run") == adapter(whole)


# What a run is gone on with.


def test_what_has_changed_is_named_and_fresh_begins_anew(asked, exercise_rows, tmp_path) -> None:
    stop_after_four(asked, tmp_path)
    others = tmp_path / "others.jsonl"
    others.write_text("".join(json.dumps(row) + "\n" for row in exercise_rows[1:33]))
    changed = asked(tmp_path, "trainer.learning_rate=0.5", data=others)
    told = run(changed, tmp_path / "report.json")
    for part in (
        "can't be gone on with, since what it is made from has changed:",
        "trainer.learning_rate was 0.001 and is 0.5",
        "the train rows are others",
        "--fresh begins a new run",
    ):
        assert part in told["outcome"], told
    before = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    told = run(asked(tmp_path, data=others, fresh=True), tmp_path / "report.json")
    assert told["outcome"] == "finished", told
    assert "resumed_at_steps" in manifest(tmp_path / "run") and not manifest(tmp_path / "run")["resumed_at_steps"]
    left = tmp_path / "run-abandoned-1"
    assert sorted(path.name for path in (left / "checkpoints").iterdir()) == before
    assert manifest(left)["status"] == "abandoned"
