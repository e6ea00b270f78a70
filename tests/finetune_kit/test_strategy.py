"""`backend.trainer.strategy`: what it takes, and that it reaches Accelerate."""

import dataclasses
import json
from pathlib import Path

import pytest

from finetune_kit.errors import KitError
from finetune_kit.ludwig_keys import LUDWIG_KEYS
from finetune_kit.recipe import Recipe
from finetune_kit.recipe_strategy import FsdpConfig

ON_RAY = ("quantization=null", "backend=ray")
ZERO = {"zero_optimization": {"stage": 3, "offload_param": {"device": "cpu"}, "reduce_bucket_size": "auto"}}


def strategy_in(*overrides: str):
    return Recipe.load("smollm2-135m", [*ON_RAY, *overrides]).backend.trainer.strategy


def test_each_worker_has_the_whole_model_unless_something_else_is_said() -> None:
    assert Recipe.load("smollm2-135m").backend.trainer.strategy.kind == "ddp"
    assert strategy_in("backend.trainer.strategy=ddp").kind == "ddp"


def test_a_word_is_enough_and_accelerate_is_what_its_config_says() -> None:
    key = "backend.trainer.strategy"
    assert strategy_in(f"{key}=fsdp").kind == "fsdp"
    assert strategy_in(f"{key}=accelerate").kind == "ddp"
    assert strategy_in(f"{key}={{type: accelerate, fsdp_config: {{reshard_after_forward: false}}}}").kind == "fsdp"
    assert strategy_in(f"{key}={{type: accelerate, deepspeed_config: {json.dumps(ZERO)}}}").kind == "deepspeed"


def test_a_recipe_with_a_strategy_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    recipe = Recipe.load(
        "smollm2-135m", [*ON_RAY, f"backend.trainer.strategy={{type: deepspeed, deepspeed_config: {ZERO}}}"]
    )
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    assert Recipe.load(str(tmp_path / "recipe.yaml")) == recipe
    assert any("does not train with DeepSpeed yet" in note for note in recipe.notes())


def test_deepspeeds_file_is_read_with_the_recipe(tmp_path: Path) -> None:
    """It travels in the recipe, to workers that do not see the file."""
    path = tmp_path / "ds.json"
    path.write_text(json.dumps({**ZERO, "train_batch_size": "auto", "bf16": {"enabled": "auto"}}))
    override = f"backend.trainer.strategy={{type: deepspeed, deepspeed_config: {path}}}"
    found = strategy_in(override).deepspeed_config
    assert found is not None and found.zero_optimization.offload_param.device == "cpu" and found.dtype is None
    path.write_text("{")
    with pytest.raises(KitError, match="which is not JSON"):
        strategy_in(override)


@pytest.mark.parametrize("optimizer", ["paged_adamw", "adamw_8bit"])
def test_bitsandbytes_optimisers_do_not_take_cut_weights(optimizer: str) -> None:
    with pytest.raises(KitError, match=r"trainer\.optimizer\.type: .* does not take weights that fsdp has cut"):
        strategy_in("backend.trainer.strategy=fsdp", f"trainer.optimizer.type={optimizer}")


def test_every_key_of_accelerates_plugin_is_known_and_no_other() -> None:
    from accelerate import FullyShardedDataParallelPlugin

    prefix = "backend.trainer.strategy.fsdp_config."
    refused = {key.removeprefix(prefix) for key in LUDWIG_KEYS if key.startswith(prefix)}
    taken = set(FsdpConfig.model_fields)
    assert taken | refused == {field.name for field in dataclasses.fields(FullyShardedDataParallelPlugin)}
    assert not taken & refused


def test_what_the_kit_takes_accelerate_takes() -> None:
    from accelerate import FullyShardedDataParallelPlugin

    config = FsdpConfig(reshard_after_forward=False, transformer_cls_names_to_wrap=["LlamaDecoderLayer"])
    plugin = FullyShardedDataParallelPlugin(**config.model_dump(exclude_none=True))
    assert plugin.fsdp_version == 2 and plugin.reshard_after_forward is False
    assert plugin.transformer_cls_names_to_wrap == ["LlamaDecoderLayer"]


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """What a stand-in for Accelerate's plugin of DeepSpeed was given; DeepSpeed itself is not here."""
    import accelerate

    given: list[dict] = []

    class Plugin:
        def __init__(self, **words) -> None:
            given.append(words)

    class Accelerator:
        distributed_type, num_processes, device = "DEEPSPEED", 2, "cuda:0"

        def __init__(self, deepspeed_plugin: Plugin) -> None:
            assert isinstance(deepspeed_plugin, Plugin)

    monkeypatch.setattr(accelerate, "DeepSpeedPlugin", Plugin)
    monkeypatch.setattr(accelerate, "Accelerator", Accelerator)
    return given


def test_deepspeeds_config_reaches_its_plugin_and_no_training_begins(plugins) -> None:
    from finetune_kit.engine.sharded import ZeroThree

    asked = strategy_in(f"backend.trainer.strategy={{type: deepspeed, deepspeed_config: {ZERO}}}")
    strategy = ZeroThree(asked.deepspeed_config, "bfloat16")
    offload = {"device": "cpu"}
    assert plugins == [{"hf_ds_config": {"zero_optimization": {**ZERO["zero_optimization"], "offload_param": offload}}}]
    with pytest.raises(KitError, match="the kit does not train with DeepSpeed yet"):
        strategy.prepare(None, None, 0.1)


def test_deepspeeds_dtype_must_be_what_the_workers_compute_in(plugins) -> None:
    from finetune_kit.engine.sharded import ZeroThree

    half = json.dumps({**ZERO, "bf16": {"enabled": True}})
    asked = strategy_in(f"backend.trainer.strategy={{type: deepspeed, deepspeed_config: {half}}}")
    with pytest.raises(KitError, match="is for bfloat16, and the workers compute in float16"):
        ZeroThree(asked.deepspeed_config, "float16")
    assert plugins == []


def test_without_deepspeed_it_is_said() -> None:
    from finetune_kit.engine.sharded import ZeroThree

    asked = strategy_in(f"backend.trainer.strategy={{type: deepspeed, deepspeed_config: {ZERO}}}")
    with pytest.raises(KitError, match=r"DeepSpeed can't be used here .*; write fsdp"):
        ZeroThree(asked.deepspeed_config, "bfloat16")
