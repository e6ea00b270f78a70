"""What the tests share: a tiny model with a tokenizer of its own, rows, and runs made from them."""

import json
import os
from functools import cache
from pathlib import Path

import pytest

# No test reaches for the network; the Hub's client reads this once, when it is imported.
os.environ["HF_HUB_OFFLINE"] = "1"

ROOT = Path(__file__).parent.parent
REAL_ROWS = ROOT.parent / "shared" / "data" / "code_alpaca_2k.json"
GUIDE_RECIPE = ROOT.parent / "shared" / "data" / "guide_recipe.yaml"


@pytest.fixture(scope="session")
def exercise_rows() -> list[dict[str, str]]:
    """60 rows of as many families of the built-in data set, with their ids; none of them is kept out of training."""
    from finetune_kit.data import load_rows

    return [row for row in load_rows("builtin:python-exercises") if row["group"] == "seen"][: 60 * 16 : 16]


@pytest.fixture(scope="session")
def tokenizer_factory():
    """Makes a byte-level BPE tokenizer; its pad token is its end token, as SmolLM2's, Zephyr's and Llama's are."""

    @cache
    def trained(vocab_size: int) -> str:
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

        from finetune_kit.exercises import rows

        bpe = Tokenizer(models.BPE())
        bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        bpe.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=["<unk>", "<s>", "</s>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )
        bpe.train_from_iterator([row["instruction"] + "\n" + row["output"] for row in rows()[:200]], trainer)
        return bpe.to_str()

    def make(adds_bos: bool = False, vocab_size: int = 400):
        from tokenizers import Tokenizer, processors
        from transformers import PreTrainedTokenizerFast

        bpe = Tokenizer.from_str(trained(vocab_size))
        if adds_bos:
            bpe.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
        return PreTrainedTokenizerFast(
            tokenizer_object=bpe, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="</s>"
        )

    return make


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory, tokenizer_factory) -> Path:
    """The folder of a random two-layer Llama with grouped queries."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=400,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    folder = tmp_path_factory.mktemp("models") / "tiny-llama"
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer_factory().save_pretrained(folder)
    return folder


@pytest.fixture
def rows_file(tmp_path: Path, exercise_rows) -> Path:
    """A JSONL file of 60 exercises."""
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in exercise_rows))
    return path


@pytest.fixture(scope="session")
def tiny_recipe(tiny_llama: Path):
    """Makes the default recipe on the tiny model, with more settings."""

    def make(*overrides: str):
        from finetune_kit.recipe import Recipe

        return Recipe.load(
            "smollm2-135m",
            [f"base_model={tiny_llama}", "preprocessing.global_max_sequence_length=512", "adapter.r=4", *overrides],
        )

    return make


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory, tiny_recipe, exercise_rows):
    """A finished run of the tiny model in 4 bits; not to be changed."""
    import pandas as pd

    from finetune_kit.training import train

    folder = tmp_path_factory.mktemp("runs")
    recipe = tiny_recipe(f"run.folder={folder}", "run.name=tiny", "generation.max_new_tokens=12")
    return train(recipe, pd.DataFrame(exercise_rows))


@pytest.fixture
def float32_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute in float32 also where the CPU has bfloat16 units: for comparisons to many digits."""
    from finetune_kit import devices
    from finetune_kit.engine import llm

    device = devices.Device("cpu", "CPU", "float32", "for the test")
    monkeypatch.setattr(devices, "pick_device", lambda: device)
    monkeypatch.setattr(llm, "pick_device", lambda: device)
