"""What Ludwig 0.17.10 does wrong, and what bitsandbytes 0.50.2 does, each shown on its own code.

When one of these fails, the fault is mended upstream, and the workaround that the test names can go. The page
`docs/explanation/ludwig_faults.md` is made from their docstrings: the fault, then a line `Mended by`.
"""

import math
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch

ACCUMULATED = 2
OUTPUT = "output"
MEMORY_STATS = [
    f"{kind}_bytes.all.{which}"
    for kind in ("allocated", "reserved", "active")
    for which in ("current", "peak", "allocated", "freed")
]


@pytest.fixture(scope="module")
def stock_llm(tiny_llama, tiny_recipe):
    """Ludwig's own model type on the tiny model in 4 bits, ready for training."""
    from ludwig.features.feature_registries import update_config_with_metadata
    from ludwig.models.llm import LLM
    from ludwig.schema.model_types.base import ModelConfig

    from finetune_kit.engine.fit import _metadata
    from finetune_kit.prompt import Example

    config = {**tiny_recipe().ludwig_config("float32"), "base_model": str(tiny_llama)}
    rendered = ModelConfig.from_dict(config)
    update_config_with_metadata(rendered, _metadata(config, [Example("r", [1, 2, 3], 1)]))
    model = LLM(rendered, random_seed=0)
    model.prepare_for_training()
    return model


@dataclass
class StockRun:
    """What was seen of a run of Ludwig's own: five rows, one a batch, two batches a step."""

    trainer: Any = None
    inputs: list[Any] = field(default_factory=list)
    """What went into the model, a training batch each: ({feature: ids}, {feature: ids})."""
    merged: list[torch.Tensor] = field(default_factory=list)
    """The ids that it made of them, (1, tokens)."""
    outputs: list[dict[str, torch.Size]] = field(default_factory=list)
    """Shapes of what it gave back."""
    gradients: list[torch.Tensor] = field(default_factory=list)
    """The adapter's at each step of the optimiser, flat."""
    learning_rates: list[tuple[float, bool]] = field(default_factory=list)
    """After each batch, and whether the optimiser made a step."""
    validation: dict[str, float] = field(default_factory=dict)

    def gradient_of(self, batch: int) -> tuple[torch.Tensor, float, int]:
        """Of the mean loss of a training batch, by the stock model itself; the loss; how many tokens it is of."""
        model = self.trainer.model
        model.zero_grad()
        inputs, targets = copied(self.inputs[batch])
        loss, _ = model.train_loss(targets, model((inputs, targets)), None, None)
        loss.backward()
        return flat_gradient(model), loss.item(), int((self.inputs[batch][1][OUTPUT] != 2).sum()) + 1


def far(gradient: torch.Tensor, expected: torch.Tensor) -> float:
    """How far a gradient is from another, as a share of that one's norm."""
    return ((gradient - expected).norm() / expected.norm()).item()


def copied(inputs: tuple[dict[str, torch.Tensor], ...]) -> tuple[dict[str, torch.Tensor], ...]:
    """Copies: Ludwig fills the targets up with -100 in place."""
    return tuple({name: ids.clone() for name, ids in part.items()} for part in inputs)


def flat_gradient(model: Any) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]).clone()


@pytest.fixture(scope="module")
def stock_run(tmp_path_factory, tiny_llama, tokenizer_factory, tiny_recipe) -> StockRun:
    """Training by Ludwig alone, with a tokenizer that begins texts with BOS; the learning rate changes nothing."""
    from ludwig.api import LudwigModel
    from ludwig.callbacks import Callback
    from transformers import LlamaForCausalLM

    folder = tmp_path_factory.mktemp("stock")
    base = LlamaForCausalLM.from_pretrained(tiny_llama)
    base.lm_head.weight.data *= 40  # sure of itself, and wrong: its perplexity is far from the vocabulary's size
    base.save_pretrained(folder / "base")
    tokenizer_factory(adds_bos=True).save_pretrained(folder / "base")
    words = ["a", "a b c d e f g h i j k l", "a b", "a b c d e f", "a b c"]
    rows = pd.DataFrame({"instruction": ["Write"] * 5, "input": [""] * 5, "output": words})
    config = tiny_recipe("quantization=null", "adapter.dropout=0.0").ludwig_config("float32")
    config["base_model"] = str(folder / "base")
    config["trainer"] = {
        "type": "finetune",
        "epochs": 1,
        "batch_size": 1,
        "gradient_accumulation_steps": ACCUMULATED,
        "learning_rate": 1e-9,
        "learning_rate_scheduler": {"decay": "linear"},
        "gradient_clipping": {"clipglobalnorm": None},
        "should_shuffle": False,
    }
    seen = StockRun()

    class Spy(Callback):
        def on_epoch_start(self, trainer: Any, *arguments: Any) -> None:
            def record(module: Any, arguments: Any, outputs: Any) -> None:
                if module.training and len(seen.inputs) < 5:
                    seen.inputs.append(copied(arguments[0]))
                    seen.merged.append(module.model_inputs)
                    seen.outputs.append(
                        {name: value.shape for name, value in outputs.items() if torch.is_tensor(value)}
                    )

            seen.trainer = trainer
            trainer.model.register_forward_hook(record)
            trainer.clip_grads = lambda variables: seen.gradients.append(flat_gradient(trainer.model))

        def on_batch_end(self, trainer: Any, *arguments: Any, sync_step: bool = True) -> None:
            seen.learning_rates.append((trainer.optimizer.param_groups[0]["lr"], sync_step))

        def on_validation_end(self, trainer: Any, progress: Any, *arguments: Any) -> None:
            logged = progress.validation_metrics[OUTPUT]
            seen.validation = {name: values[-1].value for name, values in logged.items() if values}

    LudwigModel(config, callbacks=[Spy()]).train(training_set=rows, validation_set=rows, output_directory=str(folder))
    return seen


def test_4_bit_weights_can_not_be_loaded_back(stock_llm) -> None:
    """4-bit training ends in an error and saves nothing, since the quantisation state can't be loaded back.

    Mended by `finetune_kit.engine.llm.KitLLM.state_dict`: it holds the trainable weights alone.
    """
    _, unexpected = stock_llm.load_state_dict(stock_llm.state_dict(), strict=False)
    assert any("absmax" in key for key in unexpected)


def test_padding_is_not_masked(stock_llm) -> None:
    """Rows of a batch are padded with id 0, and the tokenizer's pad id is masked: the loss is not that of the rows.

    Mended by `finetune_kit.engine.packing.pack`: rows are laid end to end, and nothing is padded.
    """
    from ludwig.utils.llm_utils import generate_merged_ids

    rows = torch.tensor([[5, 6, 7], [2, 2, 8]]), torch.tensor([[9, 10], [2, 11]])
    ids, masks = generate_merged_ids(*rows, stock_llm.tokenizer, 16)
    short, mask = ids[1], masks[1]
    assert mask[short == 0].sum() > 0


def test_a_prompt_loses_what_stands_before_a_pad_token(stock_llm) -> None:
    """A prompt that holds the pad token (which often is the end token) loses all that stands before it.

    Mended by `finetune_kit.engine.dataset.ExampleDataset`: rows come to the model as they were encoded.
    """
    from ludwig.utils.llm_utils import remove_left_padding

    assert stock_llm.tokenizer.pad_token_id == 2
    assert 5 not in remove_left_padding(torch.tensor([5, 6, 2, 7]), stock_llm.tokenizer)


def test_a_row_over_the_cap_is_cut(stock_llm) -> None:
    """A row over the cap is cut, and with the answer's end the end token goes.

    Mended by `finetune_kit.prompt.encode_rows`: such a row is left out whole, and counted.
    """
    from ludwig.utils.llm_utils import generate_merged_ids

    ids, _ = generate_merged_ids(torch.tensor([[5, 6, 7]]), torch.tensor([[9, 10, 11]]), stock_llm.tokenizer, 5)
    assert ids.shape[1] == 5 and ids[0, -1] != stock_llm.tokenizer.eos_token_id


def test_the_answer_has_a_bos_of_its_own(stock_run: StockRun) -> None:
    """A tokenizer that begins texts with a token puts one before the answer too.

    Mended by `finetune_kit.prompt.Prompt.encode_example`: the answer is encoded without special tokens.
    """
    assert [(ids == 1).sum().item() for ids in stock_run.merged] == [2] * 5


def test_loading_takes_eager_attention(stock_llm) -> None:
    """A quantised model is loaded with eager attention, whatever else it offers.

    Mended by `finetune_kit.loading.load_model`: attention stays as transformers chooses it.
    """
    assert stock_llm.model.config._attn_implementation == "eager"


def test_training_computes_predictions_and_probabilities(stock_run: StockRun) -> None:
    """Every training step computes predictions and probabilities over the whole vocabulary, and drops them.

    Mended by `finetune_kit.engine.llm.KitLLM.forward`: it gives the loss alone, from logits in chunks.
    """
    for outputs in stock_run.outputs:
        assert outputs["probabilities"][-1] == 400 and "predictions" in outputs


def test_a_short_answer_weighs_as_much_as_a_long_one(stock_run: StockRun) -> None:
    """The loss is a mean of micro-batches, so that a token of a short answer weighs more than one of a long answer.

    Mended by `finetune_kit.engine.trainer.KitFineTuneTrainer.train_step`: every answer token of a step weighs the same.
    """
    (first, _, few), (second, _, many) = stock_run.gradient_of(0), stock_run.gradient_of(1)
    assert many > 3 * few
    by_token = (few * first + many * second) / (few + many)
    assert far(stock_run.gradients[0], (first + second) / 2) < 1e-4
    assert far(stock_run.gradients[0], by_token) > 0.05


def test_an_unfinished_accumulation_is_divided_as_if_it_were_whole(stock_run: StockRun) -> None:
    """The gradient of the last, unfinished accumulation is divided as if it were whole.

    Mended by `finetune_kit.recipe.Recipe.ludwig_config`: Ludwig is told of whole steps, which the kit's trainer cuts.
    """
    assert len(stock_run.gradients) == 3
    alone, _, _ = stock_run.gradient_of(4)
    assert far(stock_run.gradients[2], alone / ACCUMULATED) < 1e-4


def test_the_schedule_steps_with_every_micro_batch(stock_run: StockRun) -> None:
    """The learning rate's schedule steps with every micro-batch, not with the optimiser.

    Mended by `finetune_kit.recipe.Recipe.ludwig_config`: Ludwig is told of whole steps, which the kit's trainer cuts.
    """
    rates = [rate for rate, _ in stock_run.learning_rates]
    assert [stepped for _, stepped in stock_run.learning_rates] == [False, True, False, True, True]
    assert len(set(rates)) == 5


def test_its_metrics_are_not_those_of_the_answers(stock_run: StockRun) -> None:
    """Its metrics, perplexity among them, are not those of the answers.

    Mended by `finetune_kit.engine.metrics.TokenMetrics`: sums over the answer tokens.
    """
    losses = [stock_run.gradient_of(batch)[1:] for batch in range(5)]
    mean = sum(loss * tokens for loss, tokens in losses) / sum(tokens for _, tokens in losses)
    assert abs(math.log(stock_run.validation["perplexity"]) - mean) > 1


def test_an_interrupted_run_ends_as_if_it_were_finished(stock_run: StockRun) -> None:
    """On Ctrl-C a run ends as if it were finished.

    Mended by `finetune_kit.engine.trainer.KitFineTuneTrainer.set_steps_to_1_or_quit`: the run stops, as failed.
    """
    stock_run.trainer.set_steps_to_1_or_quit(2, None)
    assert stock_run.trainer.total_steps == 1


def test_a_run_that_is_gone_on_with_begins_its_epoch_and_random_numbers_anew(stock_run: StockRun) -> None:
    """A checkpoint holds neither random numbers nor the place in the rows, and a run that is gone on with is another.

    Mended by `finetune_kit.engine.training_state.training_state`: all that the next step depends on is kept.
    """
    handle = stock_run.trainer.create_checkpoint_handle()
    with tempfile.TemporaryDirectory() as folder:
        handle.save(f"{folder}/latest.ckpt", 1)
        state = torch.load(f"{folder}/latest.ckpt", weights_only=True)
    assert set(state) == {"global_step", "optim_state", "scheduler_state"}


def test_a_last_batch_of_one_row_is_dropped() -> None:
    """The last batch of an epoch is dropped if it holds a single row.

    Mended by `finetune_kit.engine.dataset.ExampleBatcher`: every row is trained on.
    """
    from ludwig.data.batcher.random_access import RandomAccessBatcher

    class Rows:
        def __init__(self) -> None:
            self.features = {"row": {"proc_column": "row"}}

        def get(self, name: str, indices: list[int]) -> list[int]:
            return indices

    batcher = RandomAccessBatcher(Rows(), [0, 1, 2], batch_size=2, ignore_last=True)
    batcher.next_batch()
    assert batcher.last_batch()


def test_cosine_begins_again_at_every_checkpoint() -> None:
    """The cosine schedule begins again at every checkpoint.

    Mended by `finetune_kit.recipe.Recipe.ludwig_config`: it is given the length of the run.
    """
    from ludwig.modules.lr_scheduler import StepInfo, init_cosine_decay
    from ludwig.schema.lr_scheduler import LRSchedulerConfig

    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    config = LRSchedulerConfig(decay="cosine")
    schedule = init_cosine_decay(config, optimizer, StepInfo(5, 10, config))
    rates = []
    for _ in range(7):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[5] > rates[4]


def test_an_unknown_key_is_dropped(tiny_recipe, tiny_llama) -> None:
    """A key that is misspelt is dropped in silence, and the run trains at the default.

    Mended by `finetune_kit.recipe_section.Section`: a recipe is read strictly, and such a key is an error.
    """
    from ludwig.schema.model_types.base import ModelConfig

    config = {**tiny_recipe().ludwig_config("float32"), "base_model": str(tiny_llama)}
    config["trainer"] = {**config["trainer"], "learning_rat": 0.5}
    assert not hasattr(ModelConfig.from_dict(config).trainer, "learning_rat")


def test_an_adapter_in_a_folder_is_looked_for_on_the_hub(tmp_path) -> None:
    """An adapter in a local folder is looked for on the Hub.

    Mended by `finetune_kit.generation.Generator`: it loads adapters with PEFT.
    """
    from huggingface_hub.errors import HFValidationError
    from ludwig.utils.llm_utils import _load_peft_config

    with pytest.raises(HFValidationError):
        _load_peft_config(str(tmp_path))


def test_bitsandbytes_changes_weights_on_a_cpu_with_bfloat16_units(tiny_llama) -> None:
    """On a CPU with bfloat16 units, bitsandbytes repacks 4-bit weights, and rounds them.

    Mended by `finetune_kit.loading._keep_4_bit_layout`: layers are told that the CPU has none.
    """
    import bitsandbytes as bnb

    layer = bnb.nn.Linear4bit(64, 64, bias=False, quant_type="nf4", compute_dtype=torch.bfloat16)
    layer.weight = bnb.nn.Params4bit(torch.randn(64, 64), requires_grad=False, quant_type="nf4").to("cpu")
    if not layer.support_avx512bf16_for_cpu:
        pytest.skip("this CPU has no AVX512-BF16")
    before = layer.weight.data.clone()
    layer.eval()(torch.randn(2, 64, dtype=torch.bfloat16))
    assert layer.weight.data.shape != before.shape or not torch.equal(layer.weight.data, before)


def test_an_8_bit_optimiser_trains_the_embedding(tiny_llama) -> None:
    """With an 8-bit optimiser the embedding is replaced by one that is trained, and that no adapter holds.

    Mended by `finetune_kit.engine.trainer.KitFineTuneTrainer.prepare`: the embedding stays, and stays frozen.
    """
    from ludwig.utils.llm_utils import update_embedding_layer
    from transformers import LlamaForCausalLM

    model = LlamaForCausalLM.from_pretrained(tiny_llama).requires_grad_(False)
    update_embedding_layer(model, SimpleNamespace(optimizer=SimpleNamespace(is_8bit=True)))
    assert model.get_input_embeddings().weight.requires_grad


@pytest.mark.parametrize("name", ["adamw_8bit", "paged_adamw", "paged_adamw_8bit"])
def test_optimisers_of_bitsandbytes_can_not_be_made(name: str) -> None:
    """The optimisers of bitsandbytes are given settings that they no longer have, and refuse them.

    Mended by `finetune_kit.engine.optimizers.with_known_settings`: these settings, which change nothing, are left out.
    """
    from ludwig.modules.optimization_modules import get_optimizer_class_and_kwargs
    from ludwig.schema.optimizers import optimizer_registry

    from finetune_kit.engine.optimizers import with_known_settings

    optimizer, settings = get_optimizer_class_and_kwargs(
        optimizer_registry[name][1].model_validate({"type": name}), 0.1
    )
    weights = [torch.nn.Parameter(torch.zeros(4))]
    with pytest.raises(TypeError, match="block_wise"):
        optimizer(weights, **settings)
    assert with_known_settings(optimizer)(weights, **settings).defaults["lr"] == 0.1


def test_every_step_asks_for_the_load_of_the_gpu(monkeypatch) -> None:
    """Each step asks NVIDIA's library for the load of every GPU, and the run ends where it gives no answer.

    Mended by `finetune_kit.engine.trainer.KitFineTuneTrainer.write_step_summary`: nobody asks.
    """
    from ludwig.trainers.trainer_llm import FineTuneTrainer

    from finetune_kit.engine.trainer import KitFineTuneTrainer

    def refuse(device: Any) -> int:
        raise RuntimeError("Not Supported")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "memory_stats", lambda device: defaultdict(int, dict.fromkeys(MEMORY_STATS, 1)))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1, 1))
    monkeypatch.setattr(torch.cuda, "utilization", refuse)
    written: dict[str, float] = {}
    writer = SimpleNamespace(add_scalar=lambda tag, value, global_step: written.update({tag: value}), flush=str)
    figures = (writer, torch.tensor(2.0), {OUTPUT: torch.tensor(2.0)}, 1, 10, 20, 0.5)
    with pytest.raises(RuntimeError, match="Not Supported"):
        FineTuneTrainer.write_step_summary(*figures)
    stock = {tag for tag in written if not tag.startswith("cuda/")}
    written.clear()
    KitFineTuneTrainer.write_step_summary(*figures)
    assert set(written) == stock
    assert written["combined/step_training_loss"] == 2.0
