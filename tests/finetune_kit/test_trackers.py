"""Ludwig's callbacks hear of a run what they hear of Ludwig's own."""

from collections import Counter
from typing import get_args

import pandas as pd
import pytest

from finetune_kit.engine.trackers import TRACKERS, require_trackers
from finetune_kit.errors import KitError
from finetune_kit.recipe import RunSection
from finetune_kit.training import train


def test_the_names_are_those_of_ludwigs_registry() -> None:
    from ludwig.contribs import contrib_registry

    assert set(TRACKERS) == set(contrib_registry)
    assert set(get_args(get_args(RunSection.model_fields["trackers"].annotation)[0])) == set(TRACKERS)


def test_a_package_that_is_not_there_is_told_before_a_model_is_loaded(tiny_recipe, exercise_rows, tmp_path) -> None:
    with pytest.raises(KitError, match=r"run.trackers names 'aim', whose package 'aim' is not installed here"):
        train(tiny_recipe(f"run.folder={tmp_path}", "run.trackers=[aim]"), pd.DataFrame(exercise_rows))
    assert list(tmp_path.iterdir()) == []
    require_trackers([])


def test_a_callback_hears_of_every_step_and_evaluation(tiny_recipe, exercise_rows, tmp_path) -> None:
    from ludwig.callbacks import Callback

    heard: Counter[str] = Counter()
    losses, metrics = [], []

    class Recording(Callback):
        def __getattribute__(self, name: str):
            if name.startswith("on_"):
                heard[name] += 1
            return super().__getattribute__(name)

        def on_batch_end(self, trainer, progress_tracker, save_path, sync_step=True, **kwargs) -> None:
            losses.append(trainer.last_step.loss)

        def on_eval_end(self, trainer, progress_tracker, save_path, **kwargs) -> None:
            metrics.append(progress_tracker.log_metrics())

    recipe = tiny_recipe(f"run.folder={tmp_path}", "run.name=heard", "trainer.epochs=2")
    run = train(recipe, pd.DataFrame(exercise_rows), callbacks=[Recording()])
    log = run.train_log()
    steps = [line for line in log if line["type"] == "step"]
    evaluations = [line["loss"] for line in log if line["type"] == "validation"]
    assert losses == [line["loss"] for line in steps]
    told = [one["validation_metrics.output.loss"] for one in metrics]
    assert told == pytest.approx(evaluations) and len(told) >= 2
    count = {"on_batch_start": len(steps), "on_batch_end": len(steps), "on_eval_start": len(told)}
    once = ("on_train_init", "on_train_start", "on_train_end", "on_trainer_train_setup", "on_trainer_train_teardown")
    count |= {"on_epoch_start": 2, "on_epoch_end": 2, **dict.fromkeys(once, 1)}
    assert {name: heard[name] for name in count} == count


def test_what_a_recipe_names_is_loaded_and_called(tiny_recipe, exercise_rows, tmp_path, monkeypatch) -> None:
    """With a callback in the place of one whose package is not here."""
    from ludwig.callbacks import Callback
    from ludwig.contribs import ContribLoader, contrib_registry

    heard = []

    class Tracker(Callback):
        def on_train_end(self, output_directory, **kwargs) -> None:
            heard.append(output_directory)

    class Loader(ContribLoader):
        def load(self) -> Callback:
            return Tracker()

    class Broken(ContribLoader):
        def load(self) -> Callback:
            raise RuntimeError("no key was given")

    monkeypatch.setitem(contrib_registry, "wandb", Loader())
    monkeypatch.setitem(TRACKERS, "wandb", "json")
    recipe = tiny_recipe(f"run.folder={tmp_path}", "run.name=told", "run.trackers=[wandb]")
    run = train(recipe, pd.DataFrame(exercise_rows[:24]))
    assert len(heard) == 1 and heard[0].startswith(str(run.ludwig_path))

    monkeypatch.setitem(contrib_registry, "wandb", Broken())
    recipe = tiny_recipe(f"run.folder={tmp_path / 'none'}", "run.trackers=[wandb]")
    with pytest.raises(KitError, match="The tracker 'wandb' can't begin: no key was given"):
        train(recipe, pd.DataFrame(exercise_rows[:24]))
    assert list((tmp_path / "none").iterdir()) == []
