"""Exporting a run: the merge against PEFT's own, the chat template against the training's prompt, and the folder."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from finetune_kit.errors import KitError
from finetune_kit.exporting.chat_template import chat_template, messages
from finetune_kit.exporting.export import export, gguf_commands
from finetune_kit.exporting.weights import ShardWriter, Weights
from finetune_kit.prompt import Prompt
from finetune_kit.recipe import Quantization, Recipe
from finetune_kit.run import Run
from tests.finetune_kit.test_shipped_recipes import SHAPE

MODELS = {
    "llama": ("LlamaConfig", {}),
    "llama, tied": ("LlamaConfig", {"tie_word_embeddings": True}),
    "qwen2, biases": ("Qwen2Config", {"tie_word_embeddings": True}),
    "starcoder2, biases everywhere": ("Starcoder2Config", {"use_bias": True}),
    "gemma2, tied and scaled": ("Gemma2Config", {"head_dim": 16, "query_pre_attn_scalar": 16}),
    "phi3, fused layers": ("Phi3Config", {}),
}
KINDS = {"lora": {}, "rslora": {"use_rslora": True}, "dora": {"use_dora": True}}


def adapter_on(base: Path, folder: Path, **settings) -> Path:
    """Write a LoRA adapter with large random weights for all linear layers of a model."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    config = LoraConfig(r=4, lora_alpha=12, target_modules="all-linear", task_type="CAUSAL_LM", **settings)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_" in name and "magnitude" not in name:
                parameter.normal_(std=0.1)
            elif "magnitude" in name:
                parameter.mul_(1.3)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def base_model(tmp_path_factory):
    """Makes the folder of a tiny random model."""

    def make(name: str) -> Path:
        import torch
        import transformers

        config_class, more = MODELS[name]
        torch.manual_seed(0)
        config = getattr(transformers, config_class)(**{**SHAPE, **more})
        folder = tmp_path_factory.mktemp("base")
        transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
        return folder

    return make


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MODELS)
def test_the_weights_are_those_of_pefts_own_merge(name: str, kind: str, base_model, tmp_path: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from finetune_kit.exporting.merge import merge, write_config

    base = base_model(name)
    adapter = adapter_on(base, tmp_path / "adapter", **KINDS[kind])
    (tmp_path / "merged").mkdir()
    merge(base, adapter, tmp_path / "merged", "float32")
    write_config(base, tmp_path / "merged", "float32")

    plain = AutoModelForCausalLM.from_pretrained(base).state_dict()
    expected = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).merge_and_unload()
    expected = expected.state_dict()
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").state_dict()
    assert merged.keys() == expected.keys()
    for key, weight in expected.items():
        torch.testing.assert_close(merged[key], weight, rtol=1e-5, atol=1e-6)
    assert sum(not torch.equal(merged[key], plain[key]) for key in plain) >= 2 * 4


@pytest.mark.parametrize("double_quant", [True, False])
@pytest.mark.parametrize("quant_type", ["nf4", "fp4"])
def test_what_4_bits_make_of_a_weight_is_bit_for_bit_what_the_training_had(
    quant_type: str, double_quant: bool, base_model, tmp_path: Path
) -> None:
    import torch

    from finetune_kit.devices import Device
    from finetune_kit.exporting.merge import merge
    from finetune_kit.loading import dequantize, load_model

    settings = {"bnb_4bit_quant_type": quant_type, "bnb_4bit_use_double_quant": double_quant}
    quantization = Quantization(bits=4, bnb_4bit_compute_dtype="float32", **settings)
    base = base_model("qwen2, biases")
    # An adapter that changes nothing leaves the quantisation alone to be seen.
    adapter = adapter_on(base, tmp_path / "adapter")
    from safetensors.torch import load_file, save_file

    tensors = load_file(adapter / "adapter_model.safetensors")
    save_file({name: torch.zeros_like(one) for name, one in tensors.items()}, adapter / "adapter_model.safetensors")
    (tmp_path / "merged").mkdir()
    merge(base, adapter, tmp_path / "merged", "float32", quantization, "float32")
    loaded = load_model(str(base), quantization, Device("cpu", "CPU", "float32", "for the test"))
    dequantize(loaded)
    trained_on = loaded.state_dict()
    original = dict(Weights(base).each())
    changed = 0
    for name, weight in Weights(tmp_path / "merged").each():
        assert torch.equal(weight, trained_on[name]), name
        changed += not torch.equal(weight, original[name])
    assert changed == 2 * 7


def test_what_16_bits_cannot_hold_is_refused(base_model, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    from finetune_kit.exporting.merge import merge

    base = shutil.copytree(base_model("llama"), tmp_path / "base")
    weights = load_file(base / "model.safetensors")
    weights["model.norm.weight"] = torch.full((64,), 1e6)
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    adapter = adapter_on(base, tmp_path / "adapter")
    (tmp_path / "merged").mkdir()
    with pytest.raises(KitError, match=r"model.norm.weight holds numbers that float16 can't; choose another"):
        merge(base, adapter, tmp_path / "merged", "float16")


def test_an_adapter_of_another_model_is_refused(base_model, tmp_path: Path) -> None:
    from finetune_kit.exporting.merge import merge

    adapter = adapter_on(base_model("phi3, fused layers"), tmp_path / "adapter")
    (tmp_path / "merged").mkdir()
    with pytest.raises(KitError, match=r"The adapter changes model.layers.0.mlp.gate_up_proj.weight, and the base"):
        merge(base_model("llama"), adapter, tmp_path / "merged", "float32")


def test_weights_of_many_files_are_those_of_one(tmp_path: Path, base_model) -> None:
    """Sharded as transformers shards, and read back by it."""
    from transformers import AutoModelForCausalLM

    base = base_model("llama, tied")
    (tmp_path / "sharded").mkdir()
    weights = Weights(base)
    writer = ShardWriter(tmp_path / "sharded", list(weights.stored.values()), 100_000)
    writer.write(tensor for _, tensor in weights.each())
    shutil.copyfile(base / "config.json", tmp_path / "sharded" / "config.json")
    files = sorted((tmp_path / "sharded").glob("*.safetensors"))
    assert len(files) > 2 and files[0].name == f"model-00001-of-{len(files):05}.safetensors"
    assert all(path.stat().st_size < 120_000 for path in files)
    one = AutoModelForCausalLM.from_pretrained(base).state_dict()
    many = AutoModelForCausalLM.from_pretrained(tmp_path / "sharded").state_dict()
    assert all(one[name].equal(many[name]) for name in one)
    assert Weights(tmp_path / "sharded").stored.keys() == Weights(base).stored.keys()


# The chat template

TEMPLATES = {
    "alpaca": ("Do this.\n\n### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n", None),
    "two": ("{instruction}\n---\n{input}\n---\n", "{instruction}\n===\n"),
    "one column": ("Q: {instruction}\nA:\n", None),
    "braces and quotes": ('{{"q": "{instruction}", \'i\': "{input}\\\\"}}\n% {{% if %}} {{{{ {{# é ✓ \n', None),
    "a column twice": ("{instruction}{instruction}\n", None),
    "no newline at its end": ("{instruction} ->", None),
}
ROWS = [
    {"instruction": "Add two numbers.", "input": "1, 2"},
    {"instruction": "Add two numbers.", "input": ""},
    {"instruction": "  spaces and\n\nlines\t", "input": " \n "},
    {"instruction": "{{ messages }} {% raw %} {instruction} \\n \"quoted\" 'too'", "input": "héllo ✓ 漢字"},
    {"instruction": "", "input": "an input alone"},
]


@pytest.mark.parametrize("adds_bos", [False, True])
@pytest.mark.parametrize("name", TEMPLATES)
def test_the_chat_template_renders_what_the_training_did(name: str, adds_bos: bool, tokenizer_factory) -> None:
    template, without = TEMPLATES[name]
    recipe = Recipe.load("smollm2-135m", ["prompt.chat_template=false"])
    changed = {"template": template, "template_without_input": without}
    recipe = recipe.model_copy(update={"prompt": recipe.prompt.model_copy(update=changed)})
    prompt, tokenizer = Prompt.of(recipe), tokenizer_factory(adds_bos)
    tokenizer.chat_template = chat_template(prompt, tokenizer)
    trained = prompt.encode_all(ROWS, tokenizer)
    for row, ids in zip(ROWS, trained, strict=True):
        asked = tokenizer.apply_chat_template(messages(prompt, row), add_generation_prompt=True, return_dict=False)
        assert asked == ids, row


def test_the_chat_template_refuses_what_the_model_was_not_trained_on(tokenizer_factory) -> None:
    from jinja2 import TemplateError

    prompt, tokenizer = Prompt.of(Recipe.load("smollm2-135m")), tokenizer_factory()
    tokenizer.chat_template = chat_template(prompt, tokenizer)
    user = {"role": "user", "content": "a"}
    for asked, said in (
        ([{"role": "system", "content": "Be brief."}, user], "of the role system"),
        ([user, {"role": "assistant", "content": "b"}, user], "of the role assistant"),
        ([user, user, user], r"at most 2 message\(s\): instruction, input"),
    ):
        with pytest.raises(TemplateError, match=said):
            tokenizer.apply_chat_template(asked)


# A run's export


@pytest.fixture
def run(tiny_run, tmp_path: Path) -> Run:
    """A run of the tiny model in 4 bits, in a folder of its own, with an adapter that says something."""
    import torch
    from safetensors.torch import load_file, save_file

    copy = Run.load(shutil.copytree(tiny_run.path, tmp_path / "runs" / "tiny"))
    path = copy.adapter_path / "adapter_model.safetensors"
    torch.manual_seed(2)
    save_file({name: torch.randn_like(one) * 0.1 for name, one in load_file(path).items()}, path)
    return copy


@pytest.mark.slow
@pytest.mark.usefixtures("float32_device")
def test_the_merged_model_answers_50_rows_as_the_adapter_does(run: Run) -> None:
    """In float32, with the answers that others get: `from_pretrained`, the chat template and the generation config."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from finetune_kit.generation import Generator

    done = export(run, merge=True, dtype="float32", prove=50)
    assert done.folder == run.path / "export" / "merged"
    assert done.merged.proof.same_greedy_rows == done.merged.proof.rows == 50
    assert done.merged.proof.largest_difference < 1e-4
    assert json.loads((done.folder / "merge_proof.json").read_text())["rows"] == 50
    assert sorted(path.name for path in done.folder.iterdir()) == [
        "README.md",
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "merge_proof.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]

    rows = [row for split in ("test", "train") for row in run.rows(split)][:50]
    expected = [one.text for one in Generator(run).complete(rows)]
    model = AutoModelForCausalLM.from_pretrained(done.folder)
    tokenizer = AutoTokenizer.from_pretrained(done.folder)
    prompt = Prompt.of(run.recipe)
    said = []
    for row in rows:
        asked = tokenizer.apply_chat_template(messages(prompt, row), add_generation_prompt=True, return_tensors="pt")
        made = model.generate(**asked)[0, asked["input_ids"].shape[1] :]
        said.append(tokenizer.decode(made, skip_special_tokens=True))
    stops = run.recipe.generation.stop_strings
    assert [_until(one, stops) for one in said] == expected
    assert len(set(expected)) > 10


def _until(text: str, stops: list[str]) -> str:
    return text[: min((text.index(stop) for stop in stops if stop in text), default=len(text))]


@pytest.mark.slow
def test_the_original_weights_are_another_model_than_those_trained_on(run: Run) -> None:
    """The adapter adds the same to both; what it is added to differs by what 4 bits take away."""
    import torch

    trained = dict(Weights(export(run, merge=True, dtype="float32", prove=1).folder).each())
    done = export(run, run.path / "o", merge=True, dtype="float32", onto="original", prove=1)
    original, base = dict(Weights(done.folder).each()), dict(Weights(Path(run.recipe.base_model)).each())
    assert done.merged.proof.holds
    name = "model.layers.0.self_attn.o_proj.weight"
    lost = (original[name] - trained[name]).abs().max() / base[name].abs().max()
    assert 0.01 < lost < 0.2
    assert torch.equal(original["model.embed_tokens.weight"], base["model.embed_tokens.weight"])


@pytest.mark.slow
def test_sixteen_bits_are_the_default_and_proved_in_sixteen_bits(run: Run) -> None:
    done = export(run, merge=True)
    assert (done.merged.dtype, done.merged.proof.dtype, done.merged.onto) == ("bfloat16", "bfloat16", "trained")
    assert {one.dtype for one in Weights(done.folder).stored.values()} == {"BF16"}
    assert json.loads((done.folder / "config.json").read_text())["dtype"] == "bfloat16"


def test_a_merge_that_is_not_what_the_adapter_is_leaves_nothing(run: Run, monkeypatch) -> None:
    """The proof is by the two models themselves: a wrong scale is found."""
    from finetune_kit.exporting.merge import Adapter

    merged = Adapter.merged
    monkeypatch.setattr(Adapter, "merged", lambda self, name, weight: merged(self, name, weight) * 1.01)
    with pytest.raises(KitError, match=r"The merged model is not what its adapter is: .* Nothing is kept."):
        export(run, merge=True, dtype="float32")
    # In 16 bits what rounding does is no mistake; an adapter that is left out of one layer is.
    left_out = "model.layers.0.mlp.up_proj.weight"
    monkeypatch.setattr(
        Adapter, "merged", lambda self, name, weight: weight if name == left_out else merged(self, name, weight)
    )
    with pytest.raises(KitError, match="The merged model is not what its adapter is"):
        export(run, merge=True, dtype="bfloat16")
    assert list((run.path / "export").iterdir()) == []


def test_the_adapter_alone_is_loaded_with_plain_peft(run: Run) -> None:
    from peft import AutoPeftModelForCausalLM

    done = export(run)
    assert done.merged is None and done.same_prompts[0] == done.same_prompts[1] > 0
    model = AutoPeftModelForCausalLM.from_pretrained(done.folder)
    assert model.peft_config["default"].r == 4


def test_a_folder_that_is_there_is_kept_unless_forced(run: Run) -> None:
    folder = export(run).folder
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(KitError, match="exists already; --force replaces it, --output names another folder"):
        export(run)
    assert (folder / "mine.txt").exists()
    export(run, force=True)
    assert not (folder / "mine.txt").exists()
    (run.path / "mine").mkdir()
    with pytest.raises(KitError, match="mine is no earlier export, and is not replaced"):
        export(run, run.path / "mine", force=True)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["adapter"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "int8"}, "--dtype must be one of bfloat16, float16, float32, and is 'int8'"),
        ({"onto": "both"}, "--onto must be one of trained, original, and is 'both'"),
        ({"prove": -1}, "--prove is a number of rows, and is -1"),
    ],
)
def test_a_mistake_is_told_before_anything_is_made(options, message: str, run: Run) -> None:
    with pytest.raises(KitError, match=message):
        export(run, merge=True, **options)
    assert not (run.path / "export").exists()


def test_an_8_bit_run_is_merged_into_the_original_weights(run: Run) -> None:
    text = run.recipe_path.read_text().replace("bits: 4", "bits: 8")
    run.recipe_path.write_text(text)
    eight = Run.load(run.path)
    assert eight.recipe.quantization.bits == 8
    with pytest.raises(KitError, match="8-bit run rounds what goes into its layers, too"):
        export(eight, merge=True, onto="trained")
    assert export(eight, merge=True, prove=2).merged.onto == "original"


@pytest.mark.parametrize("merge", [True, False])
def test_a_killed_export_leaves_no_half_folder(merge: bool, run: Run) -> None:
    """The process ends when it is about to write the weights, with the tokenizer written."""
    pid = os.fork()
    if pid == 0:
        from finetune_kit.exporting import weights

        weights.ShardWriter.write = lambda *_: os._exit(9)
        shutil.copyfile = lambda *_: os._exit(9)
        try:
            export(run, merge=merge)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    folder = run.path / "export"
    assert [path.name for path in folder.iterdir() if not path.name.startswith(".")] == []
    # What it left is swept away by the next one.
    assert len(list(folder.iterdir())) == 1
    done = export(run, merge=merge, prove=1)
    assert list(folder.iterdir()) == [done.folder]


def test_a_full_disk_is_told_and_leaves_nothing(run: Run, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system can't be mounted here")
    try:
        with pytest.raises(KitError, match=r"The merged model takes 0.0 GB, and 0.0 GB are free"):
            export(run, small / "merged", merge=True)
        with pytest.raises(KitError, match=r"can't be written .*name another folder with --output"):
            (small / "fill").write_bytes(b"0" * 240_000)
            export(run, small / "adapter")
        assert [path.name for path in small.iterdir()] == ["fill"]
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_run_that_did_not_finish_is_refused(run: Run) -> None:
    from typer.testing import CliRunner

    from finetune_kit.cli import app

    run.write_manifest({**run.manifest, "status": "interrupted"})
    done = CliRunner().invoke(app, ["export", str(run.path)])
    assert done.exit_code == 2
    assert "did not finish" in done.stderr and "go on with it: finetune-kit train" in done.stderr.replace("\n", " ")


def test_the_command_says_what_it_did_and_how_to_go_on(run: Run, monkeypatch) -> None:
    from typer.testing import CliRunner

    from finetune_kit.cli import app

    monkeypatch.setenv("COLUMNS", "200")
    done = CliRunner().invoke(app, ["export", str(run.path), "--merge", "--prove", "2", "--push", "me/tiny", "--eval"])
    assert done.exit_code == 0, done.output
    folder = run.path / "export" / "merged"
    for said in (
        "Merged      0.00 GB in bfloat16",
        "of 2 rows get the same answer",
        f"Wrote {folder}",
        *gguf_commands(folder),
        "8 files, ",
        "model.safetensors",
        "Nothing was sent. --yes sends it",
        "test rows as the adapter does",
        "pass@1",
    ):
        assert said in done.stdout
    assert (run.path / "export" / "merged.eval" / "eval" / "report.html").is_file()
    assert "--eval scores a merged model" in CliRunner().invoke(app, ["export", str(run.path), "--eval"]).stderr


def test_the_card_says_what_the_model_is_made_of(run: Run) -> None:
    import re

    import yaml

    (run.path / "eval").mkdir(exist_ok=True)
    summary = {
        "rows": 6,
        "verdict": {"sentence": "The tuned model is better."},
        "metrics": {
            "pass@1": {"base": 0.1, "tuned": 0.5, "difference": 0.4, "interval": [0.2, 0.6], "word": "better"},
            "bleu": {"base": None, "tuned": 0.5, "difference": 0.0, "interval": None, "word": ""},
        },
    }
    (run.path / "eval" / "summary.json").write_text(json.dumps(summary))
    card = (export(run, merge=True, prove=2).folder / "README.md").read_text()
    _, header, body = card.split("---\n", 2)
    assert yaml.safe_load(header)["pipeline_tag"] == "text-generation"
    assert "| pass@1 | 0.100 | 0.500 | +0.400 [+0.200, +0.600], better |\n| bleu |  | 0.50 | 0.00 |\n\nOn 6" in body
    for split in ("train", "validation", "test"):
        assert run.manifest["rows"][split]["sha256"] in body
    assert "of 2 rows get the same answer" in body
    assert "tiny-llama" in body and str(Path(run.recipe.base_model).parent) not in body
    # Headings and tables stand apart, as Markdown wants it.
    assert re.findall(r"[^\n]\n## |\n\n\n|## [^\n]*\n[^\n]", body) == []


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: mit\n---\n# A model\n", "mit"),
        ("---\nlicense: [a, b]\n---\n", None),
        ("---\nbroken: [\n---\n", None),
        ("# A model without a header\n", None),
        ("---\njust text\n---\n", None),
    ],
)
def test_the_licence_is_the_base_models_own(card: str, licence: str | None, tmp_path: Path) -> None:
    from finetune_kit.exporting.model_card import licence_of

    assert licence_of("org/name", tmp_path) is None
    (tmp_path / "README.md").write_text(card)
    assert licence_of("org/name", tmp_path) == licence
