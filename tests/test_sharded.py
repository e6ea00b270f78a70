"""Training whose workers hold a part of the model each, on this machine's CPU."""

import json
import math
import os
from pathlib import Path

import pytest

ray = pytest.importorskip("ray")

pytestmark = pytest.mark.ray

import pandas as pd  # noqa: E402
from ludwig.callbacks import Callback  # noqa: E402

from finetune_kit.errors import KitError  # noqa: E402
from finetune_kit.training import train  # noqa: E402
from tests.test_ray import PLAIN, Watch, adapter, assert_same, losses  # noqa: E402

UNQUANTISED = (*(setting for setting in PLAIN if "quantization" not in setting), "quantization=null")
FSDP = ("backend=ray", "backend.trainer.num_workers=2", "backend.trainer.strategy=fsdp", "run.checkpoint_every=5 steps")


class InFloat32(Callback):
    """Has the worker compute in float32 also where the CPU has bfloat16 units, and writes down what it holds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_init(self, *_, **__) -> None:
        from finetune_kit import devices
        from finetune_kit.engine import llm

        llm.pick_device = lambda: devices.Device("cpu", "CPU", "float32", "for the test")

    def on_trainer_train_setup(self, trainer, save_path, is_coordinator) -> None:
        from torch.distributed.tensor import DTensor

        every = list(trainer.dist_model.parameters())
        state = [value for values in trainer.optimizer.state.values() for value in values.values()]
        held = {
            "cut": all(isinstance(parameter, DTensor) for parameter in every),
            "here": sum(parameter.to_local().nbytes for parameter in every),
            "whole": sum(parameter.numel() * parameter.element_size() for parameter in every),
            "dtypes": sorted({str(parameter.dtype) for parameter in every}),
            "state": len(state),
        }
        (self.folder / f"held-{trainer.workers.rank}-{os.getpid()}.json").write_text(json.dumps(held))


@pytest.fixture(scope="module")
def cluster():
    """A Ray of its own, which lets more workers run than there are cores."""
    import sys

    for name in (__name__, "tests.test_ray"):
        ray.cloudpickle.register_pickle_by_value(sys.modules[name])
    ray.init(address="local", num_cpus=8, include_dashboard=False, log_to_driver=False, namespace="finetune_kit")
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def alone(tmp_path_factory, tiny_recipe, exercise_rows):
    """The same training in one process that holds the whole model."""
    from finetune_kit import devices
    from finetune_kit.engine import llm

    folder = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as patch:
        device = devices.Device("cpu", "CPU", "float32", "for the test")
        patch.setattr(llm, "pick_device", lambda: device)
        return train(tiny_recipe(*UNQUANTISED, f"run.folder={folder}"), pd.DataFrame(exercise_rows))


@pytest.mark.parametrize("kill", [None, (1, 12), (0, 14)], ids=["none is lost", "the second is", "the first is"])
def test_two_workers_with_half_a_model_each_are_one_process(
    cluster, tmp_path, tiny_recipe, exercise_rows, alone, kill
) -> None:
    """The same loss at every step and the same adapter, plain PEFT, also where one is killed."""
    seen = tmp_path / "seen"
    seen.mkdir()
    recipe = tiny_recipe(*UNQUANTISED, f"run.folder={tmp_path}", *FSDP)
    run = train(recipe, pd.DataFrame(exercise_rows), callbacks=[InFloat32(seen), Watch(seen, kill)])
    assert_same(run, alone)
    assert (seen / "killed").exists() == (kill is not None)
    held = [json.loads(path.read_text()) for path in seen.glob("held-*")]
    assert len(held) == (2 if kill is None else 4)
    for one in held:
        assert one["cut"] and one["dtypes"] == ["torch.float32"]
        assert 0.49 < one["here"] / one["whole"] < 0.51
    if kill is not None:
        assert run.manifest["resumed_at_steps"] and run.manifest["resumed_at_steps"][0] <= kill[1]


class NotFinite(Callback):
    """The second worker's loss is not a number at a step, in the first of its batches."""

    def on_trainer_train_setup(self, trainer, save_path, is_coordinator) -> None:
        import torch

        forward = trainer._forward

        def broken(examples, max_tokens):
            for number, (part, outputs) in enumerate(forward(examples, max_tokens)):
                if (trainer.workers.rank, trainer.steps_tried, number) == (1, 7, 0) and torch.is_grad_enabled():
                    outputs["loss"] = outputs["loss"] * math.nan
                yield part, outputs

        trainer._forward = broken


def test_workers_have_other_numbers_of_batches_and_skip_a_step_together(
    cluster, tmp_path, tiny_recipe, exercise_rows
) -> None:
    """Three workers, of which some have no row in a step of two, and others have it in pieces."""
    settings = ("trainer.epochs=1", "trainer.gradient_accumulation_steps=1", "trainer.max_tokens_per_batch=150")
    recipe = tiny_recipe(*UNQUANTISED, *settings, f"run.folder={tmp_path}", *FSDP, "backend.trainer.num_workers=3")
    run = train(recipe, pd.DataFrame(exercise_rows), callbacks=[NotFinite()])
    (skipped,) = run.manifest["skipped_steps"]
    assert skipped["step"] == 7 and "loss is nan" in skipped["reason"]
    assert len(losses(run)) == run.manifest["optimizer_steps"] > 20
    assert all(math.isfinite(loss) for loss in losses(run))
    assert all(bool(weight.isfinite().all()) for weight in adapter(run).values())


class OutOfMemory(Callback):
    """The memory of the second worker is not enough at a step."""

    def on_trainer_train_setup(self, trainer, save_path, is_coordinator) -> None:
        import torch

        add = trainer._add_gradients

        def full(rows):
            if (trainer.workers.rank, trainer.steps_tried) == (1, 7):
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return add(rows)

        trainer._add_gradients = full


def test_a_worker_without_memory_ends_the_run_and_no_other_waits_for_it(
    cluster, tmp_path, tiny_recipe, exercise_rows
) -> None:
    recipe = tiny_recipe(*UNQUANTISED, f"run.folder={tmp_path}", *FSDP)
    with pytest.raises(KitError, match=r"The memory of worker 1 was not enough.* The checkpoint of step 5 is kept\."):
        train(recipe, pd.DataFrame(exercise_rows), callbacks=[OutOfMemory()])
