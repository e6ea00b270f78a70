"""Whether it fits, what makes it fit, and the shapes that are known without network. Without Ludwig."""

import json
from dataclasses import replace

import pytest

from finetune_kit.errors import KitError
from finetune_kit.forecast.fitting import fit
from finetune_kit.forecast.gpus import GPUS, find_gpu
from finetune_kit.forecast.memory import Forecast, Target, optimizer_bytes
from finetune_kit.forecast.model_configs import KEPT, model_config
from finetune_kit.forecast.speed import LAUNCH, forecast_time, measure_products

PUBLISHED = {
    "HuggingFaceH4/zephyr-7b-beta": 7_241_732_096,
    "mistralai/Mistral-7B-v0.1": 7_241_732_096,
    "meta-llama/Llama-2-7b-hf": 6_738_415_616,
    "codellama/CodeLlama-7b-hf": 6_738_546_688,
    "codellama/CodeLlama-7b-Instruct-hf": 6_738_546_688,
    "Qwen/Qwen2.5-Coder-1.5B": 1_543_714_304,
    "Qwen/Qwen2.5-Coder-1.5B-Instruct": 1_543_714_304,
    "Qwen/Qwen2.5-Coder-7B": 7_615_616_512,
    "Qwen/Qwen2.5-Coder-7B-Instruct": 7_615_616_512,
    "bigcode/starcoder2-3b": 3_030_371_328,
}
"""Numbers of each model, as the files of weights on the Hub hold them."""


def forecast_for(tiny_recipe, *overrides: str, memory: int = 10**12, lengths=None) -> Forecast:
    recipe = tiny_recipe(*overrides)
    return Forecast(
        recipe, model_config(recipe.base_model), Target("a card", "cuda", memory, "float16", 65e12), lengths
    )


def at(forecast: Forecast, memory: int) -> Forecast:
    """The same on a device with so much memory; what was counted is not counted again."""
    other = Forecast(forecast.recipe, forecast.config, replace(forecast.target, memory=memory), forecast.lengths)
    other._known = forecast._known
    return other


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_kept_config_makes_the_published_number_of_weights(name: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(model_config(name))
    assert sum({id(one): one.numel() for one in model.parameters()}.values()) == PUBLISHED[name]


def test_every_kept_config_is_compared() -> None:
    assert set(json.loads(KEPT.read_text())) == set(PUBLISHED)


def test_the_verdict_goes_by_what_is_needed_and_what_is_there(tiny_recipe) -> None:
    forecast = forecast_for(tiny_recipe)
    without, checkpointed = forecast.estimate(False), forecast.estimate(True)
    assert checkpointed.total < without.total
    for memory, verdict, chosen in (
        (without.total, "fits", without),
        (without.total - 1, "fits with gradient checkpointing", checkpointed),
        (checkpointed.total, "fits with gradient checkpointing", checkpointed),
        (checkpointed.total - 1, "does not fit", checkpointed),
    ):
        found = fit(at(forecast, memory))
        assert (found.verdict, found.estimate) == (verdict, chosen)
        assert bool(found.changes) == (verdict == "does not fit")


def test_checkpointing_that_is_asked_for_is_taken_and_one_that_is_not_is_offered(tiny_recipe) -> None:
    forecast = forecast_for(tiny_recipe, "trainer.enable_gradient_checkpointing=true")
    assert fit(forecast).estimate.checkpointing
    forecast = forecast_for(tiny_recipe, "trainer.enable_gradient_checkpointing=false")
    without, checkpointed = forecast.estimate(False), forecast.estimate(True)
    found = fit(at(forecast, checkpointed.total))
    assert found.verdict == "does not fit" and found.estimate == without
    settings = [change.settings for change in found.changes]
    assert ("trainer.enable_gradient_checkpointing=true",) in settings
    assert all(change.fits and change.total <= checkpointed.total for change in found.changes)


def test_the_cheapest_change_that_is_enough_comes_first(tiny_recipe) -> None:
    lengths = [300, 200, 100, 90]
    forecast = forecast_for(tiny_recipe, "trainer.batch_size=8", lengths=lengths)
    needed = forecast.estimate(True, max_tokens=300).total
    found = fit(at(forecast, needed))
    assert found.verdict == "does not fit"
    first = found.changes[0]
    assert first.settings == ("trainer.max_tokens_per_batch=300",) and first.total == needed
    caps = {one.settings[0]: one.cost for one in found.changes if "max_sequence" in one.settings[0]}
    assert caps.get("preprocessing.global_max_sequence_length=128", "2 longer rows") == "2 longer rows"


def test_where_nothing_is_enough_that_is_said(tiny_recipe) -> None:
    (change,) = fit(forecast_for(tiny_recipe, memory=1000)).changes
    assert not change.fits and len(change.settings) > 1
    assert sum("global_max_sequence_length" in one for one in change.settings) == 1


def test_rows_decide_on_the_batch_and_the_cap_stands_in_for_them(tiny_recipe) -> None:
    by_cap = forecast_for(tiny_recipe, "trainer.batch_size=2")
    assert by_cap.estimate(False).tokens == 2 * 512 and by_cap.longest == 512
    by_rows = forecast_for(tiny_recipe, "trainer.batch_size=2", lengths=[600, 100, 40])
    assert by_rows.longest == 100, "a row over the cap is not trained on"
    assert by_rows.estimate(False).tokens == 140, "all rows together are less than the budget"


def test_parts_add_up_and_the_adapter_is_the_recipes(tiny_recipe) -> None:
    estimate = forecast_for(tiny_recipe).estimate(False)
    assert estimate.total == sum(estimate.parts.values())
    # Two layers, rank 4, on q, o (64 to 64), k, v (64 to 32), gate, up (64 to 128) and down (128 to 64).
    assert estimate.trainable == 2 * 4 * (2 * 128 + 2 * 96 + 3 * 192)
    assert estimate.parts["adapter"] == 4 * estimate.trainable == estimate.parts["adapter gradients"]
    assert estimate.parts["optimiser"] == 8 * estimate.trainable
    # Half of the weights' numbers, and a scale of 1 byte for 64, of 4 for 256 of these, and tables of 272 numbers.
    linear = 2 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128)
    tables = 14 * (4 * 272 + 4)
    scales = sum(4 * -(-size // 64 // 256) for size in 2 * [4096, 2048, 2048, 4096, 8192, 8192, 8192])
    assert estimate.parts["quantised weights"] == linear // 2 + linear // 64 + scales + tables
    # In float16, twice: the head of this model is a matrix of its own.
    assert estimate.parts["embeddings and head"] == 2 * 2 * 400 * 64


def test_a_target_module_that_is_not_there_is_named(tiny_recipe) -> None:
    with pytest.raises(KitError, match=r"adapter.target_modules: .*The linear layers here are: .*q_proj"):
        forecast_for(tiny_recipe, "adapter.target_modules=[query]").estimate(False)


@pytest.mark.parametrize(
    ("kind", "sizes", "expected"),
    [
        ("adam", [10, 5000], 8 * 5010),
        ("sgd", [10, 5000], 0),
        ("adamw_8bit", [10, 5000], 80 + 2 * 5000 + 8 * 20),
    ],
)
def test_the_optimisers_state(kind: str, sizes: list[int], expected: int) -> None:
    assert optimizer_bytes(kind, sizes) == expected


def test_gpus_are_found_by_what_people_call_them() -> None:
    assert find_gpu("t4").name == "T4" and find_gpu("NVIDIA A100").name == "A100-40GB"
    drivers = {
        "NVIDIA H100 80GB HBM3": "H100",
        "NVIDIA A100-SXM4-80GB": "A100-80GB",
        "NVIDIA A100 80GB PCIe": "A100-80GB",
        "NVIDIA A100-PCIE-40GB": "A100-40GB",
        "Tesla V100-SXM2-32GB": "V100-32GB",
        "NVIDIA GeForce RTX 4090": "RTX 4090",
        "NVIDIA L4": "L4",
    }
    assert {name: find_gpu(name).name for name in drivers} == drivers
    for other in ("NVIDIA H100 PCIe", "NVIDIA H100 80GB HBM3 MIG 1g.10gb", "NVIDIA GeForce RTX 4090 Laptop GPU"):
        with pytest.raises(KitError):
            find_gpu(other)
    assert find_gpu("Tesla T4").compute_dtype == "float16" and find_gpu("L4").compute_dtype == "bfloat16"
    for gpu in GPUS:
        assert find_gpu(gpu.name) is gpu
        assert 4e9 < gpu.memory < 2e11 and 1e13 < gpu.flops < 1e15 and 1e11 < gpu.bandwidth < 1e13
    with pytest.raises(KitError, match="Did you mean 'RTX 4090'"):
        find_gpu("RTX 4091")


def test_time_is_operations_over_what_the_device_does(tiny_recipe) -> None:
    forecast = forecast_for(tiny_recipe)
    estimate = replace(forecast.estimate(False), layers=0)
    time = forecast_time(estimate, forecast.target, tokens=1_000_000)
    assert time is not None and "25% of 65 TFLOP/s" in time.basis
    rate = 0.25 * 65e12 / (estimate.flops / estimate.tokens)
    assert time.tokens_per_second == pytest.approx(rate) and time.seconds == pytest.approx(1_000_000 / rate)
    assert forecast_time(estimate, replace(forecast.target, flops=None), 1) is None
    assert measure_products("float32", 0.05) > 1e8
    assert len({measure_products("float32", 0.05) for _ in range(5)}) == 1, "caps are compared at one speed"


def test_a_large_gpu_waits_for_the_processor(tiny_recipe) -> None:
    estimate = forecast_for(tiny_recipe).estimate(False)
    target = forecast_for(tiny_recipe).target
    time = forecast_time(estimate, target, tokens=1_000_000)
    assert time is not None and time.basis.startswith("22 ms a batch")
    assert estimate.layers == 2 and time.tokens_per_second == pytest.approx(estimate.tokens / (2 * LAUNCH[False]))
    slower = forecast_time(replace(estimate, checkpointing=True), target, tokens=1_000_000)
    assert slower is not None and slower.seconds > 1.4 * time.seconds
    on_cpu = forecast_time(estimate, replace(target, type="cpu"), tokens=1_000_000)
    assert on_cpu is not None and "measured now" in on_cpu.basis


def test_operations_are_those_that_can_be_counted_by_hand(tiny_recipe) -> None:
    """The linear layers' forward pass and their inputs' gradients, the adapter's three, and the head on the answers."""
    forecast = forecast_for(tiny_recipe, "adapter.target_modules=[q_proj]", "adapter.dropout=0.0", lengths=[256])
    estimate = forecast.estimate(False)
    linear = 2 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128)
    first = 64 * 64 + 2 * 64 * 32  # the input of the first layer needs no gradient of its q, k and v
    adapter = 2 * 4 * (64 + 64)
    tokens, answers = 256, 255
    products = tokens * (4 * linear - 2 * first + 6 * adapter - 2 * 4 * 64) + 4 * answers * 400 * 64
    attention = estimate.flops - products
    # Scores and weighted sums of two layers, forward, again for the gradient, and back.
    one = 2 * 4 * 64 * tokens * tokens
    assert 2 * one <= attention <= 4.5 * one


@pytest.mark.slow
def test_what_is_named_has_the_effect_that_is_told(tiny_recipe) -> None:
    """By an independent route: the recipe with the settings, as the command line sets them, is forecast anew."""
    for overrides, lengths in (
        (["trainer.batch_size=2"], [100, 90]),  # the cap is far above the longest row
        (["trainer.max_tokens_per_batch=1024"], None),  # a lower cap makes no batch smaller
        (["trainer.batch_size=2", "quantization={bits: 8, llm_int8_threshold: 5.0}"], None),
        (["trainer.batch_size=2", "adapter.r=64"], None),
    ):
        forecast = forecast_for(tiny_recipe, *overrides, lengths=lengths)
        for memory in (forecast.estimate(True).total - 1, 1000):
            for change in fit(at(forecast, memory)).changes:
                other = tiny_recipe(*overrides, *change.settings)
                cap = other.preprocessing.global_max_sequence_length
                left = lengths and [min(length, cap) for length in lengths]
                again = Forecast(other, forecast.config, forecast.target, left)
                checkpointing = other.trainer.enable_gradient_checkpointing is not False
                assert change.total == again.estimate(checkpointing).total, (overrides, change.settings)


@pytest.mark.parametrize(
    ("overrides", "lengths", "caps"),
    [
        ([], [500, 400], []),
        ([], [500, 200], [384]),
        (["preprocessing.on_truncation=error"], [500, 200], []),
        (["preprocessing.on_truncation=trim_answer"], [500, 400], [384]),
    ],
)
def test_a_cap_that_leaves_no_row_or_stops_the_run_is_not_offered(overrides, lengths, caps, tiny_recipe) -> None:
    words = ["adapter.target_modules=[q_proj]", "trainer.batch_size=1", "trainer.max_tokens_per_batch=1", *overrides]
    forecast = forecast_for(tiny_recipe, *words, lengths=lengths)
    memory = forecast.estimate(True, longest=384).total
    changes = fit(at(forecast, memory)).changes
    assert [change.settings for change in changes][: len(caps)] == [
        (f"preprocessing.global_max_sequence_length={cap}",) for cap in caps
    ]
    assert bool(changes) == bool(caps)


def test_a_batch_has_no_more_rows_than_a_step(tiny_recipe) -> None:
    steps = ["trainer.batch_size=1", "trainer.gradient_accumulation_steps=2", "trainer.max_tokens_per_batch=1000"]
    forecast = forecast_for(tiny_recipe, *steps, lengths=[100, 90, 80, 70])
    assert forecast.batch(1000, 100) == [100, 90]
    assert forecast_for(tiny_recipe, *steps).batch(2000, 512) == [512, 512]
    forecast.shape = replace(forecast.shape, packs=False)
    assert forecast.batch(1000, 100) == [100, 100], "the shorter row is padded"
    assert forecast.batch(150, 100) == forecast.batch(50, 100) == [100]
