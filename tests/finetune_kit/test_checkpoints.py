"""Checkpoints on disk, the lock of a run folder, and which run is gone on with. Without Ludwig."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from finetune_kit.checkpoints import ELSEWHERE, Checkpoints, Interval
from finetune_kit.data import rows_hash
from finetune_kit.errors import KitError
from finetune_kit.recipe import Recipe
from finetune_kit.resuming import interrupted_run, make_way, recipe_changes, require_unchanged
from finetune_kit.run import Run
from finetune_kit.run_lock import is_locked, locked
from finetune_kit.splits import Splits


def state(step: int) -> dict:
    return {"steps_tried": step, "weights": {"w": torch.full((1000,), float(step))}, "name": "x", "nested": [(1, 2.5)]}


def steps(checkpoints: Checkpoints) -> list[int]:
    return [file.step for file in checkpoints.files()]


def test_what_was_saved_is_read_again(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    assert checkpoints.newest() is None and checkpoints.kept() == ""
    checkpoints.save(state(3), 3)
    read = Checkpoints(tmp_path / "checkpoints").newest()
    assert read is not None and torch.equal(read.pop("weights")["w"], torch.full((1000,), 3.0))
    assert read == {"steps_tried": 3, "name": "x", "nested": [(1, 2.5)]}
    assert [path.name.count(".") for path in (tmp_path / "checkpoints").iterdir()] == [2], "nothing else is there"


def test_the_newest_and_the_best_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep_last=2)
    for step in range(1, 7):
        checkpoints.save(state(step), step, keep={2})
    assert steps(checkpoints) == [6, 5, 2]
    checkpoints.save({**state(6), "name": "y"}, 6, keep={2})
    assert steps(checkpoints) == [6, 5, 2] and checkpoints.newest()["name"] == "y", "of a step there is one"


def test_a_name_is_the_hash_of_the_content(tmp_path: Path) -> None:
    told: list[str] = []
    checkpoints = Checkpoints(tmp_path, tell=told.append)
    first, second = (checkpoints.save(state(step), step) for step in (1, 2))
    assert first.is_whole and second.is_whole
    data = bytearray(second.path.read_bytes())
    data[-1] ^= 1
    second.path.write_bytes(data)
    with pytest.raises(KitError, match="is torn: it does not hold what was written"):
        checkpoints.load(second)
    assert checkpoints.of_step(2) is None and checkpoints.kept() == "The checkpoint of step 1 is kept."
    assert checkpoints.newest()["steps_tried"] == 1
    assert told == ["The checkpoint of step 2 is torn; the one before it is taken."]
    assert [path.suffix for path in sorted(tmp_path.iterdir())] == [".pt", ".torn"], "it is set aside"


def test_those_that_ray_keeps_are_found_in_its_folders(tmp_path: Path) -> None:
    for step in (10, 9, 2):
        Checkpoints(tmp_path / "ray" / f"checkpoint_{step}").save(state(step), step)
    (tmp_path / "ray" / "step-00000011").mkdir()
    (tmp_path / "ray" / "step-00000011" / "snapshot.json").write_text("{}")
    checkpoints = Checkpoints(tmp_path)
    assert steps(checkpoints) == [10, 9, 2] and checkpoints.exist()
    assert checkpoints.newest()["steps_tried"] == 10 and checkpoints.of_step(2)["steps_tried"] == 2
    assert checkpoints.kept() == "The checkpoint of step 10 is kept."


def test_there_are_some_also_where_they_are_elsewhere(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    assert not checkpoints.exist() and steps(checkpoints) == []
    checkpoints.folder.mkdir()
    (checkpoints.folder / ".checkpoint.partial").touch()
    assert not checkpoints.exist()
    (checkpoints.folder / ELSEWHERE).write_text("s3://bucket")
    assert checkpoints.exist() and checkpoints.newest() is None and checkpoints.kept() == ""


def test_only_data_is_read(tmp_path: Path) -> None:
    """A checkpoint that someone else made runs nothing."""

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    saved = Checkpoints(tmp_path).save({"evil": Evil()}, 1)
    with pytest.raises(Exception, match="Weights only load failed"):
        Checkpoints(tmp_path).load(saved)
    assert not (tmp_path / "ran").exists()


def test_older_ones_make_room_and_the_last_good_one_and_the_best_never_do(tmp_path: Path, monkeypatch) -> None:
    checkpoints = Checkpoints(tmp_path, keep_last=4)
    for step in range(1, 5):
        checkpoints.save(state(step), step, keep={1})
    free = [0]
    monkeypatch.setattr("finetune_kit.checkpoints.shutil.disk_usage", lambda _: type("Usage", (), {"free": free[0]}))
    with pytest.raises(KitError) as error:
        checkpoints.save(state(5), 5, keep={1})
    assert str(error.value).startswith(f"A checkpoint can't be written into {tmp_path} (")
    assert "The checkpoint of step 4 is kept. Once that is mended, the same command goes on" in str(error.value)
    assert steps(checkpoints) == [4, 1]
    free[0] = 10**9
    checkpoints.save(state(5), 5, keep={1})
    assert steps(checkpoints) == [5, 4, 1]


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(state(1), 1)
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(KitError, match="No space left on device"):
        checkpoints.save(state(2), 2)
    assert [path.name for path in tmp_path.iterdir()] == [checkpoints.files()[0].path.name]


@pytest.mark.parametrize(
    ("text", "steps", "seconds", "is_over"),
    [
        ("10 min", 0, 601, True),
        ("10 min", 10**6, 599, False),
        ("30s", 0, 30, True),
        ("1.5 h", 0, 5399, False),
        ("200 steps", 200, 0, True),
        ("1 step", 0, 10**6, False),
        ("1 epoch", 10**6, 10**6, False),
    ],
)
def test_an_interval_is_over(text: str, steps: int, seconds: float, is_over: bool) -> None:
    assert Interval(text).is_over(steps, seconds) is is_over


@pytest.mark.parametrize("text", ["10", "ten minutes", "0 min", "0 steps", "1.5 steps", "2 epochs", "-3 s", ""])
def test_an_interval_that_is_none_is_named_with_its_place(text: str) -> None:
    with pytest.raises(KitError, match=r"run\.checkpoint_every: this must be a time, a number of steps, or an epoch"):
        Recipe.load("smollm2-135m", [f"run.checkpoint_every='{text}'"])


def test_a_lock_is_held_by_one_process_and_let_go_when_it_dies(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from finetune_kit.run_lock import locked\n"
        f"with locked(pathlib.Path({str(tmp_path)!r})): print('held', flush=True); sys.stdin.read()"
    )
    assert not is_locked(tmp_path)
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout.readline() == "held\n"
        assert is_locked(tmp_path)
        with pytest.raises(KitError, match=f"is in use by process {other.pid} on "), locked(tmp_path):
            pass
        other.kill()
        other.wait()
    assert not is_locked(tmp_path)
    with locked(tmp_path):
        assert is_locked(tmp_path)


def made(folder: Path, name: str, status: str, checkpoint: bool = True) -> Path:
    """A run folder as far as the search looks at it."""
    path = folder / name
    path.mkdir()
    (path / "recipe.yaml").write_text(Recipe.load("smollm2-135m", [f"run.folder={folder}"]).to_yaml())
    (path / "manifest.json").write_text(json.dumps({"status": status}))
    if checkpoint:
        Checkpoints(path / "checkpoints").save(state(1), 1)
    return path


def test_the_newest_interrupted_run_of_the_recipe_is_gone_on_with(tmp_path: Path) -> None:
    recipe = Recipe.load("smollm2-135m", [f"run.folder={tmp_path}"])
    assert interrupted_run(recipe, "mine") is None
    older = made(tmp_path, "mine-20260101-000000", "training")
    made(tmp_path, "mine-20260102-000000", "finished")
    made(tmp_path, "mine-20260103-000000", "interrupted", checkpoint=False)
    made(tmp_path, "mine-20260104-000000", "abandoned")
    made(tmp_path, "mine-two-20260105-000000", "interrupted")
    (tmp_path / "mine-20260106-000000").mkdir()
    (tmp_path / "latest").symlink_to(older.name)
    assert interrupted_run(recipe, "mine").path == older
    newer = made(tmp_path, "mine-20260107-000000", "failed")
    assert interrupted_run(recipe, "mine").path == newer
    with locked(newer):
        assert interrupted_run(recipe, "mine").path == older, "a run that goes on is not interrupted"
    make_way(recipe, interrupted_run(recipe, "mine"))
    assert interrupted_run(recipe, "mine").path == older and newer.is_dir()
    named = Recipe.load("smollm2-135m", [f"run.folder={tmp_path}", "run.name=mine-two-20260105-000000"])
    assert interrupted_run(named, "whatever").path.name == "mine-two-20260105-000000"


def test_a_run_whose_checkpoints_are_elsewhere_or_in_rays_folders_is_gone_on_with(tmp_path: Path) -> None:
    recipe = Recipe.load("smollm2-135m", [f"run.folder={tmp_path}", "run.name=mine"])
    path = made(tmp_path, "mine", "training", checkpoint=False)
    folder = path / "checkpoints" / "ray" / "checkpoint_1"
    Checkpoints(folder).save(state(1), 1)
    assert interrupted_run(recipe, "").path == path
    next(folder.iterdir()).unlink()
    assert interrupted_run(recipe, "") is None
    (path / "checkpoints" / ELSEWHERE).write_text("s3://bucket")
    assert interrupted_run(recipe, "").path == path
    make_way(recipe, None)
    assert path.exists()


def test_a_run_that_was_killed_before_a_checkpoint_makes_way_for_one_of_its_name(tmp_path: Path) -> None:
    recipe = Recipe.load("smollm2-135m", [f"run.folder={tmp_path}", "run.name=mine"])
    path = made(tmp_path, "mine", "training", checkpoint=False)
    assert interrupted_run(recipe, "mine") is None
    make_way(recipe, None)
    assert not path.exists()
    finished = made(tmp_path, "mine", "finished", checkpoint=False)
    make_way(recipe, None)
    assert finished.exists()


def test_a_folder_is_made_whole_or_not_at_all(tmp_path: Path, monkeypatch) -> None:
    recipe = Recipe.load("smollm2-135m", [f"run.folder={tmp_path}", "run.name=mine"])
    rows = {"train": [{"instruction": "a", "output": "b"}], "validation": [], "test": []}
    monkeypatch.setattr(Run, "write_manifest", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with (
        pytest.raises(KitError, match=r"mine can't be written \(No space left on device\)"),
        Run.create(recipe, "", rows, {}),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    leftover = tmp_path / ".mine.1.partial"
    leftover.mkdir()
    with Run.create(recipe, "", rows, {"status": "training"}) as run:
        assert is_locked(run.path) and run.rows("train") == rows["train"] and run.manifest == {"status": "training"}
    assert not leftover.exists(), "what a killed process left is swept away"
    with pytest.raises(KitError, match="exists already"), Run.create(recipe, "", rows, {}):
        pass


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (["backend=ray"], ["backend=ray://h:10001"], ""),
        (["backend=ray://h:10001"], ["backend=ray://g:10001", "backend.max_failures=-1", "run.keep_last=5"], ""),
        (["backend=ray", "backend.trainer.num_workers=4"], ["backend=ray", "backend.trainer.min_workers=1"], ""),
        (
            ["backend=ray"],
            ["backend=ray", "backend.trainer.resources_per_worker={CPU: 2}", "backend.trainer.use_gpu=true"],
            "",
        ),
        (["backend=ray"], ["backend=local"], 'backend.type was "ray" and is "local"'),
        (["backend=local"], ["backend=ray://h:10001"], 'backend.type was "local" and is "ray"'),
        (["backend=ray"], ["backend=ray", "backend.storage=s3://b"], 'backend.storage was null and is "s3://b"'),
        (["backend=ray"], ["backend=ray", "run.seed=1", "backend.address=auto"], "run.seed was 42 and is 1"),
    ],
)
def test_where_the_workers_are_may_change_and_what_the_result_depends_on_may_not(
    tmp_path: Path, before: list[str], now: list[str], said: str
) -> None:
    rows = {"train": [{"instruction": "a", "output": "b"}], "validation": [], "test": []}
    hashes = {name: {"rows": len(some), "sha256": rows_hash(some)} for name, some in rows.items()}
    folder = f"run.folder={tmp_path}"
    begun, recipe = (Recipe.load("smollm2-135m", [*overrides, folder]) for overrides in (before, now))
    with Run.create(begun, "mine", rows, {"rows": hashes, "versions": {}}) as run:
        pass
    if said:
        with pytest.raises(KitError) as caught:
            require_unchanged(run, recipe, Splits(**rows), {})
        assert str(caught.value).splitlines()[1:-1] == [f"  {said}"]
    else:
        require_unchanged(run, recipe, Splits(**rows), {})


def test_recipes_are_compared_key_by_key() -> None:
    before = Recipe.load("smollm2-135m")
    now = Recipe.load(
        "smollm2-135m", ["generation.stop_strings=[]", "data.columns={output: answer}", "quantization=null"]
    )
    assert recipe_changes(before, before) == {}
    changes = recipe_changes(before, now)
    assert changes["generation.stop_strings"] == ('["\\n### "]', "[]")
    assert changes["data.columns"] == ("{}", '{"output": "answer"}')
    assert changes["quantization.bits"] == ("4", "null")
