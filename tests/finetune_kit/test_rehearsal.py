"""The rehearsal before a run: it changes nothing, and what would fail later fails in it."""

import pandas as pd
import pytest
import torch

from finetune_kit.errors import KitError
from finetune_kit.prompt import Example
from finetune_kit.training import train


def short(tiny_recipe, folder, name: str, *overrides: str):
    return tiny_recipe(f"run.folder={folder}", f"run.name={name}", "adapter.dropout=0.1", *overrides)


def test_the_largest_batch_is_of_the_longest_rows() -> None:
    from finetune_kit.engine.packing import packed_tokens
    from finetune_kit.engine.rehearsal import largest_batch

    rows = [Example(str(n), [n, *[0] * (n - 1)], 1) for n in (5, 40, 30, 20, 90)]
    assert [row.row_id for row in largest_batch(rows, 130, packed_tokens)] == ["90", "40"]
    assert [row.row_id for row in largest_batch(rows, 60, packed_tokens)] == ["90"], "a row over the budget is one"
    assert [row.row_id for row in largest_batch(rows, 1000, packed_tokens, 2)] == ["90", "40"], "a step has no more"


def test_a_run_is_the_same_with_and_without(tmp_path, tiny_recipe, exercise_rows, monkeypatch) -> None:
    from finetune_kit.engine import trainer
    from finetune_kit.engine.rehearsal import Rehearsal

    rows = pd.DataFrame(exercise_rows[:24])
    rehearsed = train(short(tiny_recipe, tmp_path, "with"), rows)
    monkeypatch.setattr(trainer, "rehearse", lambda *_: Rehearsal(0.0, 0, 0, 0))
    plain = train(short(tiny_recipe, tmp_path, "without"), rows)
    for line, other in zip(rehearsed.train_log(), plain.train_log(), strict=True):
        assert line.get("loss") == other.get("loss") and line.get("gradient_norm") == other.get("gradient_norm")
    weights = [(run.adapter_path / "adapter_model.safetensors").read_bytes() for run in (rehearsed, plain)]
    assert weights[0] == weights[1]
    found = rehearsed.manifest["rehearsal"]
    assert found["rows"] >= 1 and found["tokens"] > 50 and found["checkpoint_bytes"] > 3 * len(weights[0]) - 20_000
    assert not list(rehearsed.path.rglob("rehearsal*"))


def test_the_step_is_one_of_training(tmp_path, tiny_recipe, exercise_rows, monkeypatch) -> None:
    """With dropout and checkpointing, which a model leaves out in evaluation."""
    from finetune_kit.engine.trainer import KitFineTuneTrainer

    modes: list[bool] = []
    step = KitFineTuneTrainer.step

    def watched(trainer, rows, mine=None):
        modes.append(all(layer.training for layer in trainer.model.model.modules()))
        return step(trainer, rows, mine)

    monkeypatch.setattr(KitFineTuneTrainer, "step", watched)
    overrides = ["trainer.enable_gradient_checkpointing=true"]
    train(short(tiny_recipe, tmp_path, "modes", *overrides), pd.DataFrame(exercise_rows[:12]))
    assert len(modes) > 1 and all(modes)


@pytest.mark.parametrize(
    ("broken", "error", "message"),
    [
        ("ludwig memory", torch.OutOfMemoryError("CUDA out of memory"), "The memory is not enough for "),
        ("disk", OSError(28, "No space left on device"), "A checkpoint can't be written into "),
    ],
)
def test_what_would_fail_later_fails_before_the_first_step(
    broken: str, error: Exception, message: str, tmp_path, tiny_recipe, exercise_rows, monkeypatch
) -> None:
    from finetune_kit.engine.llm import KitLLM

    def fail(*_: object, **__: object) -> None:
        raise error

    if broken == "disk":
        monkeypatch.setattr(torch, "save", fail)
    else:
        monkeypatch.setattr(KitLLM, "forward", fail)
    recipe = short(tiny_recipe, tmp_path, "fails", "trainer.enable_gradient_checkpointing=false")
    with pytest.raises(KitError, match=message):
        train(recipe, pd.DataFrame(exercise_rows[:24]))
    assert list(tmp_path.iterdir()) == [], "nothing is left of a run that took no step"


def test_a_run_says_what_was_forecast(tiny_run) -> None:
    forecast = tiny_run.manifest["forecast"]
    assert forecast["verdict"] == "fits" and forecast["seconds"] > 0
    assert forecast["memory_bytes"] == sum(forecast["memory_parts"].values()) > 1e9
    assert tiny_run.manifest["seconds_forecast_after_20_steps"] is None, "it has fewer steps"
