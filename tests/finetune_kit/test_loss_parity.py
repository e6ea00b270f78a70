"""The kit's losses against plain PyTorch and PEFT on the same rows."""

import math

import pandas as pd
import pytest
import torch

from finetune_kit.loading import load_tokenizer
from finetune_kit.prompt import Prompt, encode_rows
from finetune_kit.training import train

SEED = 11
pytestmark = pytest.mark.usefixtures("float32_device")


def plain_peft_losses(folder, examples, steps: int, rows: int) -> list[float]:
    """A loop as one would write it: row by row, no padding, the loss averaged over the answer tokens of a step."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    torch.manual_seed(SEED)
    targets = ["q_proj", "v_proj"]
    model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules=targets, task_type="CAUSAL_LM")).train()
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.01)
    losses = []
    for step in range(steps):
        start = step * rows % len(examples)
        batch = examples[start : start + rows]
        tokens = sum(len(e.input_ids) - e.prompt_length for e in batch)
        total = 0.0
        for example in batch:
            ids = torch.tensor([example.input_ids])
            logits = model(ids).logits[0, example.prompt_length - 1 : -1]
            loss = torch.nn.functional.cross_entropy(logits, ids[0, example.prompt_length :], reduction="sum") / tokens
            loss.backward()
            total += loss.item()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(total)
    return losses


@pytest.fixture(scope="module")
def parity_recipe(tiny_recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parity")

    def make(name: str, *overrides: str):
        return tiny_recipe(
            f"run.folder={folder}",
            f"run.name={name}",
            f"run.seed={SEED}",
            "quantization=null",
            "adapter={type: lora, r: 8, alpha: 16, dropout: 0.0, target_modules: [q_proj, v_proj]}",
            "trainer.optimizer.type=adam",
            "trainer.learning_rate=0.01",
            "trainer.learning_rate_scheduler={}",
            "trainer.gradient_clipping.clipglobalnorm=null",
            "trainer.should_shuffle=false",
            *overrides,
        )

    return make


def test_fifty_steps_have_the_losses_of_a_plain_peft_loop(parity_recipe, tiny_llama, exercise_rows) -> None:
    recipe = parity_recipe(
        "fifty",
        "trainer.batch_size=2",
        "trainer.gradient_accumulation_steps=2",
        "trainer.max_tokens_per_batch=150",
        "trainer.epochs=10",
        "preprocessing.split.probabilities=[1.0, 0.0, 0.0]",
    )
    run = train(recipe, pd.DataFrame(exercise_rows[:20]))
    ours = [line["loss"] for line in run.train_log() if line["type"] == "step"]
    prompt = Prompt.of(recipe)
    examples, _ = encode_rows(run.rows("train"), prompt, load_tokenizer(str(tiny_llama)), 10_000)
    theirs = plain_peft_losses(tiny_llama, examples, steps=50, rows=4)
    assert len(ours) == 50 and theirs[-1] < theirs[0] - 0.1
    assert ours == pytest.approx(theirs, abs=1e-4)


def test_the_validation_loss_does_not_depend_on_the_batch(parity_recipe, tiny_llama, exercise_rows) -> None:
    """Batch 1, batch 16 and plain PyTorch, with perplexity and token accuracy."""
    frame = pd.DataFrame([{**row, "split": int(n >= 8)} for n, row in enumerate(exercise_rows[:32])])
    runs = {
        size: train(
            parity_recipe(f"validation{size}", "data.split=column", "data.source=x", f"trainer.eval_batch_size={size}"),
            frame,
        )
        for size in (1, 16)
    }
    one, sixteen = (runs[size].manifest["validation"] for size in (1, 16))
    assert sixteen["loss"] == pytest.approx(one["loss"], abs=1e-5)

    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)
    model = PeftModel.from_pretrained(base, runs[16].adapter_path).eval()
    prompt = Prompt(runs[16].recipe.prompt.template)
    examples, _ = encode_rows(runs[16].rows("validation"), prompt, load_tokenizer(str(tiny_llama)), 10_000)
    losses, hits = [], []
    with torch.no_grad():
        for example in examples:
            ids = torch.tensor([example.input_ids])
            logits, answer = model(ids).logits[0, example.prompt_length - 1 : -1], ids[0, example.prompt_length :]
            losses.append(torch.nn.functional.cross_entropy(logits, answer, reduction="none"))
            hits.append(logits.argmax(-1) == answer)
    loss = torch.cat(losses).mean().item()
    assert sixteen["loss"] == pytest.approx(loss, abs=1e-5)
    assert sixteen["perplexity"] == pytest.approx(math.exp(loss), rel=1e-4)
    assert sixteen["token_accuracy"] == pytest.approx(torch.cat(hits).float().mean().item(), abs=1e-6)


def test_checkpointing_comes_on_where_memory_is_short(parity_recipe, exercise_rows, monkeypatch) -> None:
    from finetune_kit.engine import lean, trainer

    passes = [0, 0]
    forward = lean._gated_forward

    def counted(module, hidden):
        passes[-1] += hidden.device.type != "meta"  # where memory is forecast
        return forward(module, hidden)

    monkeypatch.setattr(lean, "_gated_forward", counted)
    plenty = train(parity_recipe("plenty"), pd.DataFrame(exercise_rows[:12]))
    passes.reverse()
    monkeypatch.setattr(trainer, "free_memory", lambda device: 10_000)
    short = train(parity_recipe("short"), pd.DataFrame(exercise_rows[:12]))
    assert passes[1] > 1.4 * passes[0], "layers are computed again"
    assert plenty.manifest["notices"] == []
    (notice,) = short.manifest["notices"]
    assert notice.startswith("Gradient checkpointing is on: without it,")
    losses = [[line["loss"] for line in run.train_log()] for run in (plenty, short)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


def test_a_model_that_can_not_be_packed_is_trained_padded_and_says_so(
    parity_recipe, tokenizer_factory, tmp_path, exercise_rows
) -> None:
    from transformers import BloomConfig, BloomForCausalLM

    torch.manual_seed(0)
    config = BloomConfig(vocab_size=400, hidden_size=32, n_layer=2, n_head=4, eos_token_id=2, pad_token_id=2)
    BloomForCausalLM(config).save_pretrained(tmp_path)
    tokenizer_factory().save_pretrained(tmp_path)
    recipe = parity_recipe("padded", f"base_model={tmp_path}", "adapter.target_modules=[query_key_value]")
    run = train(recipe, pd.DataFrame(exercise_rows[:12]))
    assert run.manifest["batches"] == "padded"
    assert "padded to the longest" in run.manifest["notices"][0]
