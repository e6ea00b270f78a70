"""The forecast of memory against what torch's profiler counts of real steps with real numbers. Without Ludwig."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.profiler import ProfilerActivity, profile, record_function

from finetune_kit.devices import Device
from finetune_kit.engine.attention import use_packed_attention
from finetune_kit.engine.lean import lean_dropout, recompute_gates
from finetune_kit.engine.loss import batch_loss
from finetune_kit.engine.packing import pack, pad
from finetune_kit.forecast.meta_model import equal_layers, probe, stored_tensors
from finetune_kit.forecast.step import StepCount, count_all_layers, count_step
from finetune_kit.loading import load_model
from finetune_kit.prompt import Example
from finetune_kit.recipe import Adapter, Quantization

COMMON = {
    "vocab_size": 500,
    "hidden_size": 128,
    "intermediate_size": 320,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "pad_token_id": 2,
}
ARCHITECTURES = {
    "llama": ("llama", {}, ["q_proj", "v_proj"]),
    "mistral": ("mistral", {"sliding_window": None}, ["q_proj", "k_proj", "v_proj", "o_proj", "down_proj"]),
    "qwen2": ("qwen2", {}, ["q_proj", "gate_proj", "up_proj", "down_proj"]),
    "qwen3": ("qwen3", {}, ["q_proj", "v_proj"]),
    "gemma2": ("gemma2", {"query_pre_attn_scalar": 32}, ["q_proj", "o_proj"]),
    "starcoder2": ("starcoder2", {"use_bias": True}, ["q_proj", "v_proj", "c_fc", "c_proj"]),
    "phi": ("phi", {"partial_rotary_factor": 0.5}, ["q_proj", "v_proj", "fc1"]),
    "bloom": ("bloom", {"n_layer": 3, "n_head": 4}, ["query_key_value"]),
}
LENGTHS = (40, 120, 300)
FLOAT32 = Device("cpu", "CPU", "float32", "for the test")
DROPOUT = 0.1


def config_of(name: str) -> Any:
    from transformers import CONFIG_MAPPING

    kind, settings, _ = ARCHITECTURES[name]
    return CONFIG_MAPPING[kind](**{**COMMON, **settings})


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    from transformers import AutoModelForCausalLM

    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in made:
            torch.manual_seed(0)
            made[name] = tmp_path_factory.mktemp("models") / name
            AutoModelForCausalLM.from_config(config_of(name)).save_pretrained(made[name])
        return made[name]

    return make


def real_model(folder: Path, adapter: Adapter, quantization: Quantization | None, checkpointing: bool) -> Any:
    """As `KitLLM` prepares it, from weights on disk."""
    from peft import LoraConfig, get_peft_model

    model = load_model(str(folder), quantization, FLOAT32)
    if packs := use_packed_attention(model, max(LENGTHS)):
        recompute_gates(model)
    lora = LoraConfig(
        r=adapter.r,
        lora_dropout=adapter.dropout,
        target_modules=adapter.target_modules,
        use_dora=adapter.use_dora,
        task_type="CAUSAL_LM",
    )
    tuned = get_peft_model(model, lora)
    lean_dropout(tuned)
    if checkpointing:
        tuned.gradient_checkpointing_enable({"use_reentrant": False})
    return tuned.train(), packs


def measured(tuned: Any, packs: bool, lengths: list[int]) -> tuple[int, int]:
    """Bytes of tensors made and not freed at the end of the layers, and at most, by torch's profiler."""
    model = tuned.get_base_model()
    rows = [Example(str(i), [i, *[7] * (length - 1)], 1) for i, length in enumerate(lengths)]
    batch = (pack if packs else pad)(rows)

    def mark(*_: Any) -> None:
        with record_function("end of the layers"):
            pass

    # The first step makes what stays: gradients of the adapter, tables of the rotation.
    batch_loss(model, batch)[0].backward()
    hook = model.base_model.register_forward_hook(mark)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        loss, *_ = batch_loss(model, batch)
        loss.backward()
    hook.remove()
    events = sorted(profiler.profiler.kineto_results.events(), key=lambda event: event.start_ns())
    live = most = kept = 0
    for event in events:
        if event.name() == "[memory]":
            live += event.nbytes()
            most = max(most, live)
        elif event.name() == "end of the layers":
            kept = live
    return kept, most


def forecast(
    name: str, adapter: Adapter, quantization: Quantization | None, checkpointing: bool, lengths: list[int]
) -> StepCount:
    config = config_of(name)
    shape = probe(config, max(LENGTHS))
    return count_step(config, shape, adapter, quantization, torch.float32, lengths, checkpointing, "cpu")


@pytest.mark.parametrize("checkpointing", [False, True], ids=["", "checkpointing"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_activations_are_those_of_a_real_step(name: str, checkpointing: bool, model_folder) -> None:
    adapter = Adapter(type="lora", r=8, dropout=DROPOUT, target_modules=ARCHITECTURES[name][2])
    tuned, packs = real_model(model_folder(name), adapter, Quantization(bits=4), checkpointing)
    for length in LENGTHS:
        lengths = [length, length]
        count = forecast(name, adapter, Quantization(bits=4), checkpointing, lengths)
        kept, most = measured(tuned, packs, lengths)
        assert count.packs == packs == (name != "bloom")
        assert count.activations == pytest.approx(kept, rel=0.05)
        assert sum(count.at_peak.values()) == pytest.approx(most, rel=0.02)


@pytest.mark.parametrize("kind", ["8 bits", "not quantised", "DoRA"])
def test_other_ways_to_store_and_to_adapt(kind: str, model_folder) -> None:
    quantization = {"8 bits": Quantization(bits=8), "not quantised": None, "DoRA": Quantization(bits=4)}[kind]
    adapter = Adapter(type="lora", r=8, dropout=0.0, use_dora=kind == "DoRA", target_modules=["q_proj", "down_proj"])
    tuned, packs = real_model(model_folder("llama"), adapter, quantization, False)
    count = forecast("llama", adapter, quantization, False, [120, 120])
    kept, most = measured(tuned, packs, [120, 120])
    assert count.activations == pytest.approx(kept, rel=0.05)
    assert sum(count.at_peak.values()) == pytest.approx(most, rel=0.02)


@pytest.mark.parametrize("kind", ["4 bits", "4 bits, one scale", "8 bits", "not quantised"])
def test_weights_are_those_of_a_loaded_model(kind: str, model_folder) -> None:
    quantization = {
        "4 bits": Quantization(bits=4),
        "4 bits, one scale": Quantization(bits=4, bnb_4bit_use_double_quant=False),
        "8 bits": Quantization(bits=8),
        "not quantised": None,
    }[kind]
    adapter = Adapter(type="lora", target_modules=["q_proj"])
    tuned, _ = real_model(model_folder("qwen2"), adapter, quantization, False)
    storages = {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
        for module in tuned.modules()
        for tensor in stored_tensors(module)
    }
    count = forecast("qwen2", adapter, quantization, False, [40])
    assert sum(count.weights.values()) == pytest.approx(sum(storages.values()), rel=0.001)


@pytest.mark.parametrize("checkpointing", [False, True], ids=["", "checkpointing"])
@pytest.mark.parametrize("name", ["llama", "starcoder2"])
def test_many_equal_layers_are_counted_by_two_and_three(name: str, checkpointing: bool) -> None:
    config = config_of(name)
    config.num_hidden_layers = 7
    assert equal_layers(config) == 7
    adapter = Adapter(type="lora", r=8, dropout=DROPOUT, target_modules=ARCHITECTURES[name][2])
    rest = probe(config, 120), adapter, Quantization(bits=4), torch.float32, [120, 60], checkpointing, "cpu"
    short, whole = count_step(config, *rest), count_all_layers(config, *rest)
    assert sorted(short.trainable) == sorted(whole.trainable)
    assert replace(short, trainable=[]) == replace(whole, trainable=[])


def test_layers_of_two_kinds_are_all_counted() -> None:
    from transformers import CONFIG_MAPPING

    config = CONFIG_MAPPING["gemma2"](**{**COMMON, "num_hidden_layers": 6, "sliding_window": 32})
    assert len(set(config.layer_types)) == 2
    assert equal_layers(config) == 0
