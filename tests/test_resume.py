"""A run that is killed at any moment, and gone on with, ends as the one that was not."""

import json
import random
from pathlib import Path

import pytest

from tests.children import Asked, Moment, run

KILLS = 25


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path, exercise_rows):
    """Makes what a child trains in a folder: two epochs of six steps, with dropout, warm-up and a cosine."""
    rows = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in exercise_rows[:32]))

    def make(folder: Path, *more: str, **words) -> Asked:
        settings = (
            f"base_model={tiny_llama}",
            "preprocessing.global_max_sequence_length=512",
            "preprocessing.split.probabilities=[0.7, 0.2, 0.1]",
            "adapter.r=2",
            "adapter.dropout=0.1",
            "trainer.batch_size=2",
            "trainer.epochs=2",
            "trainer.steps_per_checkpoint=3",
            "run.checkpoint_every=2 steps",
            "run.name=run",
            f"run.folder={folder}",
            *more,
        )
        return Asked(settings, str(rows), **words)

    return make


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, asked):
    """The folder of a run that nothing happened to, and what it passed through."""
    folder = tmp_path_factory.mktemp("whole")
    told = run(asked(folder), folder / "report.json")
    assert told["outcome"] == "finished", told
    return folder / "run", told["counts"]


def result(folder: Path) -> tuple[bytes, list[tuple], dict[str, float]]:
    """What must be the same: the adapter's bytes, the losses of all steps and evaluations, the final metrics."""
    log = [json.loads(line) for line in (folder / "train_log.jsonl").read_text().splitlines()]
    lines = [(line["type"], line["step"], line["loss"], line.get("learning_rate")) for line in log]
    manifest = json.loads((folder / "manifest.json").read_text())
    return (folder / "adapter" / "adapter_model.safetensors").read_bytes(), lines, manifest["validation"]


def moments(counts: dict[str, int]) -> list[Moment]:
    """Seeded ones, of each kind, and the very last; the writes are of checkpoints, and so are most of the files."""
    draw = random.Random(25)
    kinds = ["write"] * 9 + ["file"] * 9 + ["step"] * 7
    assert len(kinds) == KILLS
    return [*(Moment(kind, draw.randint(1, counts[kind])) for kind in kinds), Moment("file", counts["file"])]


@pytest.mark.parametrize(
    "number",
    # Each takes seconds: the first ones and the last stand for the rest where time is short.
    [pytest.param(number, marks=[pytest.mark.slow] if 2 <= number < KILLS else []) for number in range(KILLS + 1)],
)
def test_kill(number: int, asked, whole, tmp_path: Path) -> None:
    finished, counts = whole
    moment = moments(counts)[number]
    told = run(asked(tmp_path), tmp_path / "report.json", moment)
    assert told == {"exitcode": -9}, f"it was not killed at {moment}"
    told = run(asked(tmp_path), tmp_path / "report.json")
    assert told["outcome"] == "finished", told
    assert result(tmp_path / "run") == result(finished)
