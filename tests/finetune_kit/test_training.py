"""Training through Ludwig, on a tiny model. Ludwig is imported here, once for the whole test run."""

import hashlib
import json
import math
import signal
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
import yaml

from finetune_kit.checkpoints import Checkpoints
from finetune_kit.errors import KitError, TrainingInterrupted
from finetune_kit.loading import dequantize, load_model, load_tokenizer
from finetune_kit.progress import View
from finetune_kit.prompt import Prompt, encode_rows
from finetune_kit.recipe import Recipe
from finetune_kit.run import Run
from finetune_kit.training import train
from tests.conftest import ROOT


def test_the_run_folder_holds_what_it_should(tiny_run: Run, exercise_rows) -> None:
    files = {str(path.relative_to(tiny_run.path)) for path in tiny_run.path.rglob("*") if path.is_file()}
    assert {
        "recipe.yaml",
        "ludwig_config.yaml",
        "manifest.json",
        "rows/train.jsonl",
        "rows/validation.jsonl",
        "rows/test.jsonl",
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
        "adapter/tokenizer.json",
        "train_log.jsonl",
        "loss.png",
        "ludwig/ludwig.log",
    } <= files
    manifest = tiny_run.manifest
    assert manifest["status"] == "finished"
    assert manifest["seed"] == 42
    assert manifest["versions"]["ludwig"].startswith("0.17.")
    assert manifest["device"]["type"] in {"cpu", "cuda"}
    assert sum(manifest["rows"][split]["rows"] for split in ("train", "validation", "test")) == len(exercise_rows)
    assert manifest["peak_memory_bytes"] > 10**8 and manifest["tokens_per_second"] > 0
    assert (tiny_run.path / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert (tiny_run.path.parent / "latest").resolve() == tiny_run.path
    assert Run.load(tiny_run.path.parent / "latest").path == tiny_run.path


def test_the_log_has_every_step_and_every_token(tiny_run: Run, tiny_llama) -> None:
    log = tiny_run.train_log()
    steps = [line for line in log if line["type"] == "step"]
    recipe = tiny_run.recipe
    examples, _ = encode_rows(tiny_run.rows("train"), Prompt.of(recipe), load_tokenizer(str(tiny_llama)), 512)
    assert [line["step"] for line in steps] == list(range(1, len(steps) + 1))
    assert sum(line["tokens"] for line in steps) == sum(len(example.input_ids) for example in examples)
    assert sum(line["rows"] for line in steps) == len(examples)
    assert log[-1]["type"] == "validation"
    assert log[-1]["perplexity"] == pytest.approx(math.exp(log[-1]["loss"]))


def test_tensorboard_reads_the_losses(tiny_run: Run) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = tiny_run.train_log()
    for folder, kind, tag in (
        ("training", "step", "combined/step_training_loss"),
        ("validation", "validation", "combined/epoch_loss"),
    ):
        events = EventAccumulator(str(tiny_run.path / "tensorboard" / folder)).Reload().Scalars(tag)
        losses = [line["loss"] for line in log if line["type"] == kind]
        assert [event.value for event in events] == pytest.approx(losses)


def test_the_adapter_names_its_base_model_as_the_recipe_does(tiny_run: Run) -> None:
    config = json.loads((tiny_run.adapter_path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == tiny_run.recipe.base_model
    assert (
        yaml.safe_load((tiny_run.path / "ludwig_config.yaml").read_text())["base_model"] == tiny_run.recipe.base_model
    )


def test_checkpoints_hold_the_adapter_and_its_optimiser_only(tiny_run: Run) -> None:
    adapter = (tiny_run.adapter_path / "adapter_model.safetensors").stat().st_size
    sizes = [file.path.stat().st_size for file in Checkpoints(tiny_run.checkpoints_path).files()]
    assert sizes and max(sizes) < 3.3 * adapter + 30_000


def reference_loss(model, tokenizer, recipe: Recipe, rows) -> torch.Tensor:
    """Loss per answer token in plain PyTorch: row by row, no batch, no mask, no kit."""
    losses = []
    for row in rows:
        prompt = tokenizer(Prompt.of(recipe).render(row)).input_ids
        answer = [*tokenizer(row["output"], add_special_tokens=False).input_ids, tokenizer.eos_token_id]
        logits = model(input_ids=torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
        losses.append(torch.nn.functional.cross_entropy(logits, torch.tensor(answer), reduction="none"))
    return torch.cat(losses).mean()


@pytest.mark.usefixtures("float32_device")
def test_the_loss_is_that_of_the_rows_at_any_batch_size(tmp_path, tiny_recipe, tiny_llama, exercise_rows) -> None:
    """One step over all rows from an adapter that starts as the identity: its loss is the base model's."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    losses, adapters = {}, {}
    for batch, accumulation in ((1, 16), (4, 4), (8, 2), (16, 1)):
        recipe = tiny_recipe(
            f"run.folder={tmp_path}",
            f"run.name=batch{batch}",
            "quantization=null",
            f"trainer.batch_size={batch}",
            f"trainer.gradient_accumulation_steps={accumulation}",
            "preprocessing.split.probabilities=[1.0, 0.0, 0.0]",
            # One plain step of size 1: what the adapter has moved by is the gradient.
            "trainer.optimizer.type=sgd",
            "trainer.learning_rate=1.0",
            "trainer.learning_rate_scheduler={}",
            "trainer.gradient_clipping.clipglobalnorm=null",
        )
        run = train(recipe, pd.DataFrame(exercise_rows[:16]))
        (step,) = run.train_log()
        losses[batch] = step["loss"]
        adapters[batch] = (run.adapter_path / "adapter_model.safetensors").read_bytes()
        assert step["rows"] == 16
    loaded = [_tensors(adapter) for adapter in adapters.values()]
    for other in loaded[1:]:
        for name, value in loaded[0].items():
            torch.testing.assert_close(other[name], value, atol=1e-6, rtol=1e-4)

    # By an independent route: plain PEFT from where the adapter began (B is zero, and so A has no gradient yet).
    base = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)
    peft = PeftModel.from_pretrained(base, run.adapter_path, is_trainable=True).eval()
    halves = {name: parameter for name, parameter in peft.named_parameters() if "lora_B" in name}
    moved_by = {name: parameter.detach().clone() for name, parameter in halves.items()}
    for parameter in halves.values():
        parameter.data.zero_()
    expected = reference_loss(peft, load_tokenizer(str(tiny_llama)), recipe, exercise_rows[:16])
    expected.backward()
    assert list(losses.values()) == pytest.approx([expected.item()] * 4, abs=1e-5)
    for name, parameter in halves.items():
        torch.testing.assert_close(moved_by[name], -parameter.grad, atol=1e-6, rtol=1e-3)
    assert max(value.abs().max() for value in moved_by.values()) > 1e-3


def _tensors(data: bytes) -> dict[str, torch.Tensor]:
    from safetensors.torch import load

    return load(data)


def test_an_unfinished_accumulation_makes_a_step(tmp_path, tiny_recipe, exercise_rows) -> None:
    recipe = tiny_recipe(
        f"run.folder={tmp_path}",
        "run.name=rest",
        "trainer.batch_size=1",
        "trainer.gradient_accumulation_steps=4",
        "trainer.epochs=2",
        "preprocessing.split.probabilities=[1.0, 0.0, 0.0]",
    )
    log = train(recipe, pd.DataFrame(exercise_rows[:6])).train_log()
    assert [line["rows"] for line in log] == [4, 2, 4, 2]


def test_the_same_seed_gives_the_same_adapter_and_another_one_another(tmp_path, tiny_recipe, exercise_rows) -> None:
    digests = []
    for name, seed in (("one", 7), ("two", 7), ("three", 8)):
        recipe = tiny_recipe(
            f"run.folder={tmp_path}", f"run.name={name}", f"run.seed={seed}", "adapter.dropout=0.1", "data.limit=12"
        )
        run = train(recipe, pd.DataFrame(exercise_rows[:12]))
        digests.append(hashlib.sha256((run.adapter_path / "adapter_model.safetensors").read_bytes()).hexdigest())
    assert digests[0] == digests[1] != digests[2]


def test_training_learns(tmp_path, tiny_recipe, exercise_rows) -> None:
    recipe = tiny_recipe(f"run.folder={tmp_path}", "run.name=learn", "trainer.epochs=8", "trainer.learning_rate=0.01")
    losses = [line["loss"] for line in train(recipe, pd.DataFrame(exercise_rows)).train_log() if line["type"] == "step"]
    assert losses[-1] < losses[0] - 0.2


@pytest.mark.parametrize(
    "settings",
    ["quantization.bits=8", "quantization=null", "adapter.use_dora=true", "trainer.enable_gradient_checkpointing=true"],
)
def test_other_kinds_of_adapter_and_quantisation_train_and_generate(
    tmp_path, tiny_recipe, exercise_rows, settings
) -> None:
    from finetune_kit.generation import generate

    recipe = tiny_recipe(f"run.folder={tmp_path}", "run.name=kind", "generation.max_new_tokens=4", settings)
    run = train(recipe, pd.DataFrame(exercise_rows[:12]))
    assert len(generate(run, exercise_rows[:3])) == 3


def test_layers_that_the_model_has_not_are_named_and_nothing_is_left(tmp_path, tiny_recipe, exercise_rows) -> None:
    recipe = tiny_recipe(f"run.folder={tmp_path}", "run.name=layers", "adapter.target_modules=[q_proj, v_proy]")
    with pytest.raises(KitError, match=r"adapter\.target_modules names v_proy, .* linear layers are q_proj, k_proj"):
        train(recipe, pd.DataFrame(exercise_rows[:8]))
    assert list(tmp_path.iterdir()) == []


def test_what_the_device_cannot_do_is_said_before_a_model_is_loaded(
    tmp_path, tiny_recipe, exercise_rows, monkeypatch
) -> None:
    from finetune_kit import devices

    monkeypatch.setattr(devices, "pick_device", lambda: devices.Device("cpu", "some CPU", "float32", "for the test"))
    recipe = tiny_recipe(f"run.folder={tmp_path}", "run.name=paged", "trainer.optimizer.type=paged_adamw")
    with pytest.raises(KitError, match=r"trainer\.optimizer\.type: paged_adamw needs a CUDA device"):
        train(recipe, pd.DataFrame(exercise_rows[:8]))
    assert list(tmp_path.iterdir()) == []


def test_float16_trains_with_a_scaled_loss(tmp_path, tiny_recipe, exercise_rows, monkeypatch) -> None:
    from finetune_kit import devices
    from finetune_kit.engine import llm

    half = devices.Device("cpu", "stand-in for a T4", "float16", "as on capability 7.5")
    monkeypatch.setattr(llm, "pick_device", lambda: half)
    monkeypatch.setattr(devices, "pick_device", lambda: half)
    recipe = tiny_recipe(f"run.folder={tmp_path}", "run.name=half", "quantization=null", "trainer.epochs=2")
    run = train(recipe, pd.DataFrame(exercise_rows[:24]))
    assert run.manifest["device"]["compute_dtype"] == "float16"
    losses = [line["loss"] for line in run.train_log() if line["type"] == "step"]
    assert all(math.isfinite(loss) for loss in losses) and losses[-1] < losses[0]


@pytest.mark.parametrize("kind", ["adamw_8bit", "paged_adamw_8bit"])
def test_an_8_bit_optimiser_trains_the_adapter_alone(tmp_path, tiny_recipe, exercise_rows, monkeypatch, kind) -> None:
    """In float16, as on a T4; bitsandbytes makes such steps on a CPU too, and the kit and Ludwig are told to let it."""
    from ludwig.modules import optimization_modules

    from finetune_kit import devices, outlook
    from finetune_kit.engine import llm

    half = devices.Device("cpu", "stand-in for a T4", "float16", "as on capability 7.5")
    monkeypatch.setattr(llm, "pick_device", lambda: half)
    monkeypatch.setattr(devices, "pick_device", lambda: half)
    monkeypatch.setattr(outlook, "device_problems", lambda recipe, device: [])
    gpu = SimpleNamespace(is_available=lambda: True, device_count=lambda: 1)
    monkeypatch.setattr(optimization_modules, "torch", SimpleNamespace(cuda=gpu, optim=torch.optim))
    runs = {}
    for optimizer in (kind, "adamw"):
        recipe = tiny_recipe(f"run.folder={tmp_path}", f"run.name={optimizer}", f"trainer.optimizer.type={optimizer}")
        runs[optimizer] = train(recipe, pd.DataFrame(exercise_rows[:24]))
    one, other = (run.manifest for run in runs.values())
    assert one["trainable_parameters"] == other["trainable_parameters"]
    assert one["validation"]["loss"] == pytest.approx(other["validation"]["loss"], rel=1e-3)


def test_rows_over_the_cap_are_left_out_and_counted(tmp_path, tiny_recipe, exercise_rows) -> None:
    long = {**exercise_rows[0], "output": "x = 1\n" * 400, "split": 0}
    frame = pd.DataFrame([long, *[{**row, "split": 0} for row in exercise_rows[1:9]]]).drop(columns="row_id")
    recipe = tiny_recipe(f"run.folder={tmp_path}", "run.name=cap", "data.split=column")
    manifest = train(recipe, frame).manifest
    assert len(manifest["left_out"]["train"]) == 1 and manifest["left_out"]["trimmed"]["train"] == []
    with pytest.raises(KitError, match="1 of 9 rows are longer than 512 tokens"):
        strict = ["preprocessing.on_truncation=error", f"run.folder={tmp_path / 'none'}"]
        train(tiny_recipe("data.split=column", *strict), frame)
    assert not (tmp_path / "none").exists()


def test_chats_trimmed_rows_and_spelt_tokens_are_trained_counted_and_said(
    tmp_path, tiny_recipe, tiny_llama, exercise_rows
) -> None:
    """One run with all that the sections `prompt` and `preprocessing` may ask for."""
    import shutil
    from io import StringIO

    from finetune_kit.generation import Generator
    from tests.finetune_kit.test_prompt import CHAT

    base = shutil.copytree(tiny_llama, tmp_path / "chatty")
    tokenizer = load_tokenizer(str(base))
    tokenizer.chat_template = CHAT.replace("</s>", "<unk>")
    tokenizer.save_pretrained(base)
    long = {**exercise_rows[0], "output": "x = 1\n" * 400}
    spelt = {**exercise_rows[1], "instruction": "Print </s>", "input": ""}
    frame = pd.DataFrame([long, spelt, *exercise_rows[2:9]]).assign(split=0).drop(columns="row_id")
    recipe = tiny_recipe(
        f"base_model={base}",
        f"run.folder={tmp_path}",
        "run.name=chat",
        "data.split=column",
        "prompt.chat_template=true",
        "prompt.template_without_input='Do: {instruction}'",
        "preprocessing.on_truncation=trim_answer",
        "generation.max_new_tokens=4",
    )
    said = StringIO()
    run = train(recipe, frame, view=View(said))
    manifest = run.manifest
    (trimmed,) = manifest["left_out"]["trimmed"]["train"]
    assert trimmed == run.rows("train")[0]["row_id"] and manifest["left_out"]["train"] == []
    assert manifest["special_tokens"] == {"instruction": 1} and manifest["prompts_proved"] == 9
    text = said.getvalue()
    assert "Rows        9 to train on, 0 to validate, 0 to test; 1 longer than 512 tokens trimmed" in text
    assert "1 row(s) spell a special token of the tokenizer in 'instruction'; it stays text" in text
    # What generation sends, and where it stops, is what was trained on.
    generator = Generator(run)
    assert generator.prompt.end_token_id(generator._tokenizer) == 0
    asked = tokenizer.decode(generator.prompt.encode(run.rows("train")[1], generator._tokenizer))
    assert asked == "<s><s>user\nDo: Print </s><unk>\n<s>assistant\n"
    assert len(generator.complete(exercise_rows[:2])) == 2


def test_ctrl_c_stops_the_run_and_it_is_not_taken_for_finished(tmp_path, tiny_recipe, exercise_rows) -> None:
    class Impatient(View):
        def stage(self, title: str, *arguments):
            if title == "Training":
                signal.raise_signal(signal.SIGINT)
            return super().stage(title, *arguments)

    recipe = tiny_recipe(f"run.folder={tmp_path}", "run.name=stopped", "trainer.epochs=3")
    with pytest.raises(TrainingInterrupted, match="Stopped after step 1 of "):
        train(recipe, pd.DataFrame(exercise_rows), view=Impatient(quiet=True))
    assert json.loads((tmp_path / "stopped" / "manifest.json").read_text())["status"] == "interrupted"
    assert not (tmp_path / "latest").exists()
    with pytest.raises(KitError, match="did not finish"):
        Run.load(tmp_path / "stopped")


def test_the_cosine_falls_once_over_all_epochs(tmp_path, tiny_recipe, exercise_rows) -> None:
    recipe = tiny_recipe(f"run.folder={tmp_path}", "run.name=cosine", "trainer.epochs=3")
    log = train(recipe, pd.DataFrame(exercise_rows[:24])).train_log()
    rates = [line["learning_rate"] for line in log if line["type"] == "step"]
    peak = rates.index(max(rates))
    assert peak < 2 and rates[peak:] == sorted(rates[peak:], reverse=True)


def test_a_saved_recipe_trains_again(tmp_path, tiny_run: Run, exercise_rows) -> None:
    recipe = Recipe.load(str(tiny_run.recipe_path), [f"run.folder={tmp_path}", "run.name=again"])
    run = train(recipe, pd.DataFrame(exercise_rows))
    adapters = [r.adapter_path / "adapter_model.safetensors" for r in (run, tiny_run)]
    assert adapters[0].read_bytes() == adapters[1].read_bytes()


def test_a_loss_that_is_not_finite_names_the_rows(tmp_path, tiny_recipe, exercise_rows, tiny_llama) -> None:
    from transformers import LlamaForCausalLM

    broken = LlamaForCausalLM.from_pretrained(tiny_llama)
    with torch.no_grad():
        broken.lm_head.weight.fill_(math.nan)
    broken.save_pretrained(tmp_path / "broken")
    load_tokenizer(str(tiny_llama)).save_pretrained(tmp_path / "broken")
    recipe = tiny_recipe(f"run.folder={tmp_path}", "run.name=nan", f"base_model={tmp_path / 'broken'}")
    with pytest.raises(KitError, match="The loss is nan at the batch of rows"):
        train(recipe, pd.DataFrame(exercise_rows[:8]))


def test_dequantised_weights_compute_what_the_quantised_ones_do(tiny_recipe, tiny_llama) -> None:
    from finetune_kit.devices import Device

    device = Device("cpu", "CPU", "float32", "")
    model = load_model(str(tiny_llama), tiny_recipe().quantization, device)
    ids = torch.arange(3, 40)[None]
    quantised = model(ids).logits
    dequantize(model)
    torch.testing.assert_close(model(ids).logits, quantised, atol=1e-4, rtol=1e-4)


def test_the_zephyr_recipe_passes_ludwigs_own_validation(tmp_path, tokenizer_factory) -> None:
    from ludwig.api import LudwigModel
    from transformers import MistralConfig

    MistralConfig(vocab_size=400, hidden_size=64, num_hidden_layers=2, num_attention_heads=4).save_pretrained(tmp_path)
    tokenizer_factory().save_pretrained(tmp_path)
    recipe = Recipe.load("zephyr-7b-t4")
    rendered = LudwigModel({**recipe.ludwig_config("float16"), "base_model": str(tmp_path)}).config_obj.to_dict()
    assert rendered["trainer"]["type"] == "finetune"
    assert (rendered["trainer"]["batch_size"], rendered["trainer"]["gradient_accumulation_steps"]) == (16, 1)
    assert rendered["trainer"]["learning_rate_scheduler"]["warmup_fraction"] == 0.03
    assert rendered["quantization"]["bnb_4bit_compute_dtype"] == "float16"
    # What a recipe leaves out is documented with our defaults, and trained at Ludwig's: they must be the same.
    ours = recipe.model_dump(mode="json")
    for section in ("adapter", "quantization", "trainer", "generation"):
        for key, value in ours[section].items():
            if key in {
                "alpha",
                "stop_strings",
                "max_tokens_per_batch",
                "enable_gradient_checkpointing",
                "max_skipped_steps",
            }:
                continue  # ours, or given by another key
            if key in {"batch_size", "gradient_accumulation_steps"}:
                continue  # Ludwig is given their product
            if key == "bnb_4bit_compute_dtype" or isinstance(value, dict):
                continue
            assert rendered[section][key] == value, f"{section}.{key}"
    assert rendered["adapter"]["alpha"] == 2 * ours["adapter"]["r"]
    for key in ("optimizer", "gradient_clipping", "learning_rate_scheduler"):
        for name, value in ours["trainer"][key].items():
            assert rendered["trainer"][key][name] == value, f"trainer.{key}.{name}"


def test_nothing_of_ludwig_stays_changed(tiny_run: Run) -> None:
    from ludwig.models.llm import LLM
    from ludwig.models.registry import model_type_registry
    from ludwig.trainers.registry import get_llm_trainers_registry
    from ludwig.trainers.trainer_llm import FineTuneTrainer

    assert model_type_registry["llm"] is LLM
    assert get_llm_trainers_registry()["finetune"] is FineTuneTrainer


def test_nothing_is_written_outside_the_run_folder(tmp_path, tiny_recipe, exercise_rows, monkeypatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    train(tiny_recipe("run.name=here"), pd.DataFrame(exercise_rows[:8]))
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["runs"]
    assert sorted(path.name for path in (tmp_path / "work" / "runs").iterdir()) == ["here", "latest"]


def test_only_the_engine_imports_ludwig() -> None:
    importers = [path for path in (ROOT / "finetune_kit").rglob("*.py") if "ludwig." in _imports(path.read_text())]
    assert importers and {path.parent.name for path in importers} == {"engine"}


def _imports(source: str) -> str:
    lines = [line.strip() for line in source.splitlines()]
    return "\n".join(line for line in lines if line.startswith(("import ludwig", "from ludwig")))
