"""Broken recipes as people write them: what is said, where, and that no model is loaded for it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from finetune_kit import loading
from finetune_kit.cli import app
from finetune_kit.errors import KitError
from finetune_kit.recipe import Recipe

VERB = "check"
"""What a recipe is given to."""

RECIPE = """\
model_type: llm
base_model: org/model
input_features:
  - name: instruction
    type: text
output_features:
  - name: output
    type: text
prompt:
  template: "Question: {instruction}"
adapter:
  type: lora
  r: 8
quantization:
  bits: 4
preprocessing:
  global_max_sequence_length: 256
  split:
    type: hash
    probabilities: [0.9, 0.05, 0.05]
generation:
  max_new_tokens: 64
trainer:
  type: finetune
  epochs: 1
  learning_rate: 0.0002
data:
  source: rows.jsonl
"""

# What stands there, what is written in its place, and the one line that is said.
BROKEN = {
    # Keys.
    "misspelt key": (
        "  epochs: 1",
        "  epoch: 1",
        "25: trainer.epoch: there is no such key. Did you mean 'trainer.epochs'?",
    ),
    "misspelt section": (
        "quantization:",
        "quantisation:",
        "14: quantisation: there is no such key. Did you mean 'quantization'?",
    ),
    "key of another section": (
        "data:",
        "learning_rate: 1\ndata:",
        "27: learning_rate: there is no such key here. Did you mean 'trainer.learning_rate'?",
    ),
    "key that stands lower": (
        "  epochs: 1",
        "  weight_decay: 0.1",
        "25: trainer.weight_decay: there is no such key here. Did you mean 'trainer.optimizer.weight_decay'?",
    ),
    "nothing like it": (
        "  bits: 4",
        "  bits: 4\n  xyzzy: 1",
        "16: quantization.xyzzy: there is no such key. The keys here are: bits, bnb_4bit_compute_dtype,",
    ),
    "axolotl": ("adapter:", "lora_r: 8\nadapter:", "11: lora_r: Axolotl calls it so; here it is 'adapter.r'."),
    "llama-factory": (
        "data:",
        "cutoff_len: 512\ndata:",
        "27: cutoff_len: LLaMA-Factory calls it so; here it is 'preprocessing.global_max_sequence_length'. It "
        "counts prompt, answer and end token together",
    ),
    "trl": (
        "  epochs: 1",
        "  num_train_epochs: 1",
        "25: trainer.num_train_epochs: the Hugging Face Trainer calls it so; here it is 'trainer.epochs'.",
    ),
    "a number of steps": (
        "  epochs: 1",
        "  warmup_steps: 10",
        "25: trainer.warmup_steps: the Hugging Face Trainer calls it so; here it is "
        "'trainer.learning_rate_scheduler.warmup_fraction'. It is the share of all steps",
    ),
    "what is always so": (
        "  epochs: 1",
        "  sample_packing: true",
        "25: trainer.sample_packing: Axolotl has this key, the kit has none for it. The kit always packs rows",
    ),
    "missing key": ("base_model: org/model\n", "", "1: base_model: this key is missing; it must be text."),
    "missing key of a section": (
        "  type: finetune\n",
        "",
        "23: trainer.type: this key is missing; it must be finetune.",
    ),
    "key twice": (
        "  epochs: 1",
        "  epochs: 1\n  epochs: 2",
        "26: trainer.epochs: this key stands twice, the first time at recipe.yaml:25; take one of them out.",
    ),
    "section twice": (
        "data:",
        "trainer: {type: finetune}\ndata:",
        "27: trainer: this key stands twice, the first time at recipe.yaml:23; take one of them out.",
    ),
    # Ludwig's keys that are not taken.
    "ludwig's sampling": (
        "  split:",
        "  sample_ratio: 0.5\n  split:",
        "18: preprocessing.sample_ratio: Ludwig has this key, and the kit does not take it: the kit trains on rows "
        "as they are; data.limit",
    ),
    "ludwig's task": (
        "adapter:",
        "  task: Solve it\nadapter:",
        "11: prompt.task: Ludwig has this key, and the kit does not take it: write the task into prompt.template.",
    ),
    "ludwig's cap of a column": (
        "output_features:",
        "    preprocessing: {max_sequence_length: 99}\noutput_features:",
        "6: input_features.0.preprocessing.max_sequence_length: Ludwig has this key, and the kit does not take it: "
        "preprocessing.global_max_sequence_length is the one cap",
    ),
    "ludwig's bias": (
        "  r: 8",
        "  bias_type: all",
        "13: adapter.bias_type: Ludwig has this key, and the kit does not take it: no bias is trained.",
    ),
    # Values.
    "text for a number": (
        "  epochs: 1",
        "  epochs: two",
        "25: trainer.epochs: this must be a whole number, and is the text 'two'.",
    ),
    "number in quotes": (
        "0.0002",
        "'1e-4'",
        "26: trainer.learning_rate: this must be a number, and is the text '1e-4'. Take the quotes away.",
    ),
    "comma": (
        "0.0002",
        "0,0002",
        "26: trainer.learning_rate: this must be a number, and is the text '0,0002'. Write 0.0002, with a point.",
    ),
    "a fraction": ("  epochs: 1", "  epochs: 1.5", "25: trainer.epochs: this must be a whole number, and is 1.5."),
    "a whole number with a point": (
        "  r: 8",
        "  r: 8.0",
        "13: adapter.r: this must be a whole number, and is 8.0. Write 8.",
    ),
    "out of bounds": ("  epochs: 1", "  epochs: 0", "25: trainer.epochs: this must be above 0, and is 0."),
    "yaml's no": (
        "org/model",
        "no",
        "2: base_model: this must be text, and is false. YAML reads 'no' as false. Put it in quotes.",
    ),
    "yaml's on": (
        "  max_new_tokens: 64",
        "  max_new_tokens: on",
        "22: generation.max_new_tokens: this must be a whole number, and is true. YAML reads 'on' as true.",
    ),
    "yes in quotes": (
        "  max_new_tokens: 64",
        "  do_sample: 'no'",
        "22: generation.do_sample: this must be true or false, and is the text 'no'. Take the quotes away.",
    ),
    "off for none": (
        "  epochs: 1",
        "  learning_rate_scheduler: {decay: off}",
        "25: trainer.learning_rate_scheduler.decay: this must be linear, exponential or cosine, and is false. "
        "YAML reads 'off' as false. Leave the key out for none.",
    ),
    "no quantisation": (
        "quantization:\n  bits: 4",
        "quantization: no",
        "14: quantization: this must be a section with keys (bits, bnb_4bit_compute_dtype, bnb_4bit_use_double_quant, "
        "bnb_4bit_quant_type, ...), and is false. YAML reads 'no' as false. Leave the key out for none.",
    ),
    "infinity": ("  epochs: 1", "  epochs: .inf", "25: trainer.epochs: this must be a whole number, and is Infinity."),
    "None as a word": (
        "  r: 8",
        "  alpha: None",
        "13: adapter.alpha: this must be a whole number, and is the text 'None'. To YAML this is a word; leave the "
        "key out, or write null.",
    ),
    "nothing behind the colon": (
        "  r: 8",
        "  r:",
        "13: adapter.r: this must be a whole number, and is empty. Nothing stands after its colon.",
    ),
    "a date": (
        "  source: rows.jsonl",
        "  source: 2024-01-01",
        "28: data.source: this must be text, and is a date (2024-01-01). Put it in quotes.",
    ),
    "braces without quotes": (
        '"Question: {instruction}"',
        "{instruction}",
        "10: prompt.template: this must be text, and is a section with instruction. YAML reads braces",
    ),
    "a value for a section": (
        "  epochs: 1",
        "  optimizer: adamw",
        "25: trainer.optimizer: this must be a section with keys (type, weight_decay), and is the text 'adamw'.",
    ),
    "a word for a list": (
        "  r: 8",
        "  target_modules: q_proj",
        "13: adapter.target_modules: this must be a list in brackets, or lines that begin with '-', and is the "
        "text 'q_proj'. Write [q_proj].",
    ),
    "the number of bits": (
        "  bits: 4",
        "  bits: 16",
        "15: quantization.bits: this must be 4 or 8, and is 16. Leave the section quantization out for 16 bits.",
    ),
    "qlora": (
        "  type: lora",
        "  type: qlora",
        "12: adapter.type: this must be lora, and is the text 'qlora'. QLoRA is type lora with a section quantization.",
    ),
    "another optimiser": (
        "  epochs: 1",
        "  optimizer: {type: adam_w}",
        "25: trainer.optimizer.type: this must be adam, adamw, sgd, paged_adamw, paged_adamw_8bit or adamw_8bit, "
        "and is the text 'adam_w'. Did you mean adamw?",
    ),
    "shares": (
        "[0.9, 0.05, 0.05]",
        "[0.9, 0.05, 0.5]",
        "20: preprocessing.split.probabilities: the three shares must sum to 1, and [0.9, 0.05, 0.5] do not.",
    ),
    "two shares": (
        "[0.9, 0.05, 0.05]",
        "[0.9, 0.1]",
        "20: preprocessing.split.probabilities: this must hold 3 numbers, and holds 2.",
    ),
    "no features": (
        "input_features:\n  - name: instruction\n    type: text",
        "input_features: []",
        "3: input_features: this must hold at least 1, and holds 0.",
    ),
    "a misspelt backend": (
        "data:",
        "backend: rey\ndata:",
        "27: backend.type: this must be local or ray, and is the text 'rey'. Did you mean ray?",
    ),
    "another backend of ludwig's": (
        "data:",
        "backend: horovod\ndata:",
        "27: backend.type: this must be local or ray, and is the text 'horovod'. The kit trains in this process, or on "
        "Ray.",
    ),
    "ray's own word for what is there": (
        "data:",
        "backend: auto\ndata:",
        "27: backend.type: this must be local or ray, and is the text 'auto'. Write ray, and backend.address=auto",
    ),
    "an address without its beginning": (
        "data:",
        "backend: head:10001\ndata:",
        "27: backend.type: this must be local or ray, and is the text 'head:10001'. The address of a Ray cluster is "
        "written as backend=ray://HOST:10001, or stands in backend.address.",
    ),
    "an address for a kind": (
        "data:",
        "backend: {type: 'ray://head:10001'}\ndata:",
        "27: backend.type: this must be local or ray, and is the text 'ray://head:10001'. The address of a Ray",
    ),
    "a key of the workers beside them": (
        "data:",
        "backend:\n  type: ray\n  num_workers: 2\ndata:",
        "29: backend.num_workers: there is no such key here. Did you mean 'backend.trainer.num_workers'?",
    ),
    "no workers": (
        "data:",
        "backend: {type: ray, trainer: {num_workers: 0}}\ndata:",
        "27: backend.trainer.num_workers: this must be above 0, and is 0.",
    ),
    "more workers at least than there are": (
        "data:",
        "backend: {type: ray, trainer: {num_workers: 2, min_workers: 3}}\ndata:",
        "27: backend.trainer.min_workers: the least, 3, is more than backend.trainer.num_workers, 2.",
    ),
    "resources in words": (
        "data:",
        "backend: {type: ray, trainer: {resources_per_worker: {CPU: two}}}\ndata:",
        "27: backend.trainer.resources_per_worker.CPU: this must be a number, and is the text 'two'.",
    ),
    "ludwig's cache": (
        "data:",
        "backend: {type: ray, cache_dir: /tmp}\ndata:",
        "27: backend.cache_dir: Ludwig has this key, and the kit does not take it: the kit keeps rows in memory",
    ),
    # Keys that do not go together.
    "8 bits and a format of 4": (
        "  bits: 4",
        "  bits: 8\n  bnb_4bit_quant_type: fp4",
        "16: quantization.bnb_4bit_quant_type: it says how to quantise to 4 bits, and quantization.bits is 8; take "
        "one of them out.",
    ),
    "4 bits and a threshold of 8": (
        "  bits: 4",
        "  bits: 4\n  llm_int8_threshold: 5",
        "16: quantization.llm_int8_threshold: it says how to quantise to 8 bits, and quantization.bits is 4; take "
        "one of them out.",
    ),
    "the answer in the prompt": (
        '{instruction}"',
        '{instruction} {output}"',
        "10: prompt.template: it names {output}, the column of the answer, which the model would be shown before "
        "it is asked; take it out.",
    ),
    "the answer in the other prompt": (
        "adapter:",
        "  template_without_input: '{output}'\nadapter:",
        "11: prompt.template_without_input: it names {output}, the column of the answer",
    ),
    "the input in the prompt without one": (
        "adapter:",
        "  template_without_input: '{instruction}{input}'\nadapter:",
        "11: prompt.template_without_input: it names {input}, and is for rows that have none; take it out.",
    ),
    "a prompt without a column": (
        '{instruction}"',
        '?"',
        "10: prompt.template: it names no column; put e.g. {instruction} where the row's text goes.",
    ),
    "a prompt without the question": (
        '{instruction}"',
        '{context}"',
        "10: prompt.template: it names none of input_features (instruction); put e.g. {instruction} into it.",
    ),
    "braces in the prompt": (
        '{instruction}"',
        '{instruction} {"',
        "10: prompt.template: the braces are not right (Single '{' encountered in format string); write {{ and }} "
        "for plain ones.",
    ),
    "a column twice": (
        "output_features:",
        "  - name: instruction\noutput_features:",
        "6: input_features.1.name: the column 'instruction' stands in input_features.0 already; take one of them out.",
    ),
    "a column on both sides": (
        "  - name: output",
        "  - name: instruction",
        "7: output_features.0.name: the column 'instruction' stands in input_features.0 already",
    ),
    "no layers": (
        "  r: 8",
        "  target_modules: []",
        "13: adapter.target_modules: it names no layer; leave it out for PEFT's choice",
    ),
    "no share to train on": (
        "[0.9, 0.05, 0.05]",
        "[0.0, 0.5, 0.5]",
        "20: preprocessing.split.probabilities: the first share, of training rows, is 0",
    ),
    "an empty stop": (
        "  max_new_tokens: 64",
        "  stop_strings: ['']",
        "22: generation.stop_strings.0: an empty text is found in every answer at once; take it out.",
    ),
    # How workers share a model out.
    "a strategy that there is not": (
        "quantization:\n  bits: 4\n",
        "backend: {type: ray, trainer: {strategy: fdsp}}\n",
        "14: backend.trainer.strategy.type: this must be accelerate, ddp, fsdp or deepspeed, and is the text 'fdsp'. "
        "Did you mean fsdp?",
    ),
    "shared out in one process": (
        "quantization:\n  bits: 4\n",
        "backend:\n  trainer:\n    strategy: fsdp\n",
        "16: backend.trainer.strategy: fsdp shares a model out among the workers of a Ray cluster; write "
        "backend.type: ray.",
    ),
    "quantised and cut": (
        "data:",
        "backend: {type: ray, trainer: {strategy: fsdp}}\ndata:",
        "14: quantization: fsdp cuts weights into pieces, and the kit has bitsandbytes keep quantised ones as whole",
    ),
    "a misspelt key of fsdp": (
        "quantization:\n  bits: 4\n",
        "backend: {type: ray, trainer: {strategy: {type: fsdp, fsdp_config: {fsdp_reshard_after_forward: true}}}}\n",
        "14: backend.trainer.strategy.fsdp_config.fsdp_reshard_after_forward: there is no such key. Did you mean "
        "'backend.trainer.strategy.fsdp_config.reshard_after_forward'?",
    ),
    "version 1 of fsdp": (
        "quantization:\n  bits: 4\n",
        "backend: {type: ray, trainer: {strategy: {type: fsdp, fsdp_config: {fsdp_version: 1}}}}\n",
        "14: backend.trainer.strategy.fsdp_config.fsdp_version: this must be 2, and is 1. Version 2 is torch's",
    ),
    "fsdp's offload": (
        "quantization:\n  bits: 4\n",
        "backend: {type: ray, trainer: {strategy: {type: fsdp, fsdp_config: {cpu_offload: true}}}}\n",
        "14: backend.trainer.strategy.fsdp_config.cpu_offload: Accelerate has this key, and the kit does not take it: "
        "the workers' pieces stay on their devices",
    ),
    "fsdp's config without fsdp": (
        "quantization:\n  bits: 4\n",
        "backend: {type: ray, trainer: {strategy: {fsdp_config: {}}}}\n",
        "14: backend.trainer.strategy.fsdp_config: it is for type fsdp, and the type is ddp; take one of them out.",
    ),
    "deepspeed without a config": (
        "quantization:\n  bits: 4\n",
        "backend: {type: ray, trainer: {strategy: deepspeed}}\n",
        "14: backend.trainer.strategy.deepspeed_config: deepspeed needs it; the least is {zero_optimization: "
        "{stage: 3}}.",
    ),
    "deepspeed without a gpu": (
        "quantization:\n  bits: 4\n",
        "backend: {type: ray, trainer: {use_gpu: false, strategy: {type: deepspeed, deepspeed_config: "
        "{zero_optimization: {stage: 3}}}}}\n",
        "14: backend.trainer.use_gpu: deepspeed needs GPUs; write fsdp.",
    ),
    "a lower stage": (
        "quantization:\n  bits: 4\n",
        "backend: {type: ray, trainer: {strategy: {type: deepspeed, deepspeed_config: "
        "{zero_optimization: {stage: 2}}}}}\n",
        "14: backend.trainer.strategy.deepspeed_config.zero_optimization.stage: this must be 3, and is 2. Only with",
    ),
    "deepspeed's rows of a step": (
        "quantization:\n  bits: 4\n",
        "backend: {type: ray, trainer: {strategy: {type: deepspeed, deepspeed_config: {train_batch_size: 8, "
        "zero_optimization: {stage: 3}}}}}\n",
        "14: backend.trainer.strategy.deepspeed_config.train_batch_size: DeepSpeed has this key, and the kit does not "
        "take it: the size of a step is batch_size x gradient_accumulation_steps",
    ),
    "both halves": (
        "quantization:\n  bits: 4\n",
        "backend: {type: ray, trainer: {strategy: {type: deepspeed, deepspeed_config: {bf16: {enabled: true}, "
        "fp16: {enabled: true}, zero_optimization: {stage: 3}}}}}\n",
        "14: backend.trainer.strategy.deepspeed_config.fp16: bf16 and fp16 are both on; leave both out",
    ),
    "a disk without a folder": (
        "quantization:\n  bits: 4\n",
        "backend: {type: ray, trainer: {strategy: {type: deepspeed, deepspeed_config: {zero_optimization: {stage: 3, "
        "offload_param: {device: nvme}}}}}}\n",
        "14: backend.trainer.strategy.deepspeed_config.zero_optimization.offload_param: device: nvme and nvme_path go "
        "together; give both, or neither.",
    ),
    "deepspeed's file that is not there": (
        "quantization:\n  bits: 4\n",
        "backend: {type: ray, trainer: {strategy: {type: deepspeed, deepspeed_config: ds.json}}}\n",
        "14: backend.trainer.strategy: deepspeed_config names ds.json, which can't be read (No such file or directory)",
    ),
    # Not even YAML.
    "a tab": (
        "  r: 8",
        "\tr: 8",
        "13: this is not valid YAML (found character '\\t' that cannot start any token). Indent with spaces; YAML "
        "takes no tabs.",
    ),
    "a brace at the beginning": (
        '"Question: {instruction}"',
        "{instruction} is it",
        "10: this is not valid YAML (expected <block end>, but found '<scalar>'). Put a text that begins with",
    ),
    "a colon in a text": (
        '"Question: {instruction}"',
        "Question: {instruction}",
        "10: this is not valid YAML (mapping values are not allowed here). A key is 'key: value'",
    ),
    "no space after the colon": (
        "  type: lora\n",
        "  type:lora\n",
        "13: this is not valid YAML (mapping values are not allowed here). A key is 'key: value' with a space "
        "after the colon, here or in the line above",
    ),
    "indented a little": (
        "  r: 8",
        " r: 8",
        "13: this is not valid YAML (expected <block end>, but found '<block mapping start>'). Indent it like its "
        "neighbours.",
    ),
    "an open quote": (
        '{instruction}"',
        "{instruction}",
        "10: this is not valid YAML (found unexpected end of stream). Close the quotes.",
    ),
    "an open bracket": (
        "0.05, 0.05]",
        "0.05, 0.05",
        "20: this is not valid YAML (expected ',' or ']', but got ':'). Close the bracket",
    ),
    "an at sign": (
        "org/model",
        "@model",
        "2: this is not valid YAML (found character '@' that cannot start any token). Put the value in quotes.",
    ),
    "an alias": (
        "org/model",
        "*model",
        "2: this is not valid YAML (found undefined alias 'model'). Put a value that begins with * in quotes.",
    ),
    "a tag": ("org/model", "!!python/name:os.system", "2: this is not valid YAML (could not determine a constructor"),
    "what holds itself": ("org/model", "&a [*a]", "2: this is not valid YAML (found unconstructable recursive node)."),
    "a key that is no text": (
        "data:",
        "on: 1\ndata:",
        "27: on: YAML takes this key for true or false and not for text; put it in quotes.",
    ),
    "two documents": (
        "data:",
        "---\ndata:",
        "27: this is not valid YAML (but found another document). A recipe is one document",
    ),
    "a list": (RECIPE, "- a\n- b\n", "1: it must hold keys and values, the recipe's sections"),
    "nothing": (RECIPE, "", "1: it must hold keys and values, the recipe's sections"),
}


def write(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    Path("recipe.yaml").write_text(text)
    Path("rows.jsonl").write_text('{"instruction": "a", "output": "b"}\n' * 20)


def test_the_recipe_itself_is_right(tmp_path, monkeypatch) -> None:
    write(RECIPE, tmp_path, monkeypatch)
    assert Recipe.load("recipe.yaml").notes() == []


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_said_with_its_place_and_no_model_is_loaded(name: str, tmp_path, monkeypatch) -> None:
    there, instead, line = BROKEN[name]
    assert RECIPE.count(there) == 1
    write(RECIPE.replace(there, instead), tmp_path, monkeypatch)
    with pytest.raises(KitError) as caught:
        Recipe.load("recipe.yaml")
    said = str(caught.value)
    assert said.startswith(f"recipe.yaml:{line}"), said
    assert "\n" not in said

    monkeypatch.setattr(loading, "load_model", lambda *_: pytest.fail("a model is loaded"))
    before = sorted(tmp_path.rglob("*"))
    result = CliRunner().invoke(app, [VERB, "recipe.yaml"])
    assert isinstance(result.exception, SystemExit) and result.exit_code == 2
    assert result.stderr == f"Error: {said}\n"
    assert sorted(tmp_path.rglob("*")) == before


def test_everything_is_said_at_once_in_the_order_of_the_file(tmp_path, monkeypatch) -> None:
    broken = RECIPE.replace("  epochs: 1", "  epochs: one").replace(
        "  bits: 4", "  bits: 8\n  bnb_4bit_quant_type: fp4"
    )
    broken = broken.replace("  r: 8", "  lora_r: 8\n  bias_type: all").replace("[0.9, 0.05, 0.05]", "[0, 0.5, 0.5]")
    write(f"{broken}  source: other.jsonl\n", tmp_path, monkeypatch)
    with pytest.raises(KitError) as caught:
        Recipe.load("recipe.yaml", ["adapter.target_modules=[]", "run.sed=1", "adapter.alpha=one", "what"])
    first, *lines = str(caught.value).splitlines()
    assert first == "10 things are wrong with the recipe recipe.yaml:"
    assert [line.split(": ")[:2] for line in lines[:6]] == [
        ["  recipe.yaml:13", "adapter.lora_r"],
        ["  recipe.yaml:14", "adapter.bias_type"],
        ["  recipe.yaml:17", "quantization.bnb_4bit_quant_type"],
        ["  recipe.yaml:22", "preprocessing.split.probabilities"],
        ["  recipe.yaml:27", "trainer.epochs"],
        ["  recipe.yaml:31", "data.source"],
    ]
    assert {line.split(": ")[1] for line in lines[6:]} == {
        "adapter.target_modules=[]",
        "run.sed=1",
        "adapter.alpha=one",
        "what",
    }


def test_nothing_is_said_twice_of_a_key_that_is_wrong_by_itself(tmp_path, monkeypatch) -> None:
    """Its value is not held against other keys."""
    write(RECIPE.replace("[0.9, 0.05, 0.05]", "[0, 0.5, 0.4]"), tmp_path, monkeypatch)
    with pytest.raises(KitError, match="must sum to 1") as caught:
        Recipe.load("recipe.yaml")
    assert "\n" not in str(caught.value)


def test_an_unreadable_file(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipe.yaml").write_bytes("base_model: é".encode("latin-1"))
    with pytest.raises(KitError, match=r"recipe\.yaml is not UTF-8: byte 12 is 0xe9"):
        Recipe.load("recipe.yaml")
    Path("recipe.yaml").write_text("run: {name: 2024-13-45}")
    with pytest.raises(KitError, match=r"recipe\.yaml: a value is not what YAML takes it for .* put it in quotes"):
        Recipe.load("recipe.yaml")
    Path("recipe.yaml").write_text("a: " + "[" * 5000)
    with pytest.raises(KitError, match="nested too deeply"):
        Recipe.load("recipe.yaml")


def test_a_file_from_windows_is_read(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipe.yaml").write_bytes(b"\xef\xbb\xbf" + RECIPE.replace("\n", "\r\n").encode())
    assert Recipe.load("recipe.yaml").base_model == "org/model"


def test_sections_can_be_merged_as_yaml_does(tmp_path, monkeypatch) -> None:
    merged = RECIPE.replace("data:", "backend: &b {type: local}\ndata:").replace(
        "  source:", "  <<: {limit: 3}\n  source:"
    )
    write(merged, tmp_path, monkeypatch)
    assert Recipe.load("recipe.yaml").data.limit == 3
