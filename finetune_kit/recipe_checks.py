"""Keys of a recipe that do not go together, alone, on a device, or with a model; and what is worth a note."""

from string import Formatter
from typing import TYPE_CHECKING

from finetune_kit.recipe_file import Problem

if TYPE_CHECKING:
    from finetune_kit.devices import Device
    from finetune_kit.recipe import Recipe

HIGH_LEARNING_RATE = 0.01
NO_ZERO_3 = (
    "backend.trainer.strategy: the config is right, and the kit does not train with DeepSpeed yet: its steps and "
    "checkpoints would not be those of one process. Write fsdp, which shares the model out among the workers too."
)
_OF_4_BITS = ("bnb_4bit_compute_dtype", "bnb_4bit_use_double_quant", "bnb_4bit_quant_type")


def template_columns(template: str) -> list[str]:
    """The columns that a template names, in its order.

    Raises:
        ValueError: If braces do not match, or hold something else than a column's name.
    """
    parts = list(Formatter().parse(template))
    for _, field, form, conversion in parts:
        if field is not None and (not field.isidentifier() or form or conversion):
            raise ValueError(f"{{{field}}} must be a column's name and nothing else")
    return [field for _, field, _, _ in parts if field is not None]


def conflicts(recipe: "Recipe") -> list[Problem]:
    """What is wrong with a recipe although each key by itself is right."""
    return [*_features(recipe), *_templates(recipe), *_quantization(recipe), *_strategy(recipe), *_rest(recipe)]


def _features(recipe: "Recipe") -> list[Problem]:
    found = []
    seen: dict[str, str] = {}
    for section in ("input_features", "output_features"):
        for number, feature in enumerate(getattr(recipe, section)):
            key = f"{section}.{number}"
            if feature.name in seen:
                text = f"the column {feature.name!r} stands in {seen[feature.name]} already; take one of them out."
                found.append(Problem(f"{key}.name", text))
            seen.setdefault(feature.name, key)
    return found


def _templates(recipe: "Recipe") -> list[Problem]:
    inputs = [feature.name for feature in recipe.input_features]
    found = []
    for name in ("template", "template_without_input"):
        template = getattr(recipe.prompt, name)
        key = f"prompt.{name}"
        if template is None:
            continue
        try:
            columns = template_columns(template)
        except ValueError as error:
            text = f"the braces are not right ({error}); write {{{{ and }}}} for plain ones."
            found.append(Problem(key, text))
            continue
        if not columns:
            text = f"it names no column; put e.g. {{{inputs[0]}}} where the row's text goes."
            found.append(Problem(key, text))
        elif name == "template_without_input" and "input" in columns:
            found.append(Problem(key, "it names {input}, and is for rows that have none; take it out."))
        elif recipe.output_column in columns and recipe.output_column not in inputs:
            text = (
                f"it names {{{recipe.output_column}}}, the column of the answer, which the model would be shown "
                "before it is asked; take it out."
            )
            found.append(Problem(key, text, depends_on=("output_features",)))
        elif not set(columns) & set(inputs):
            text = f"it names none of input_features ({', '.join(inputs)}); put e.g. {{{inputs[0]}}} into it."
            found.append(Problem(key, text, depends_on=("input_features",)))
    return found


def _quantization(recipe: "Recipe") -> list[Problem]:
    section = recipe.quantization
    if section is None:
        return []
    other = ("llm_int8_threshold",) if section.bits == 4 else _OF_4_BITS
    defaults = type(section).model_fields
    return [
        Problem(
            f"quantization.{name}",
            f"it says how to quantise to {12 - section.bits} bits, and quantization.bits is {section.bits}; "
            "take one of them out.",
            depends_on=("quantization.bits",),
        )
        for name in other
        if getattr(section, name) != defaults[name].default
    ]


def _strategy(recipe: "Recipe") -> list[Problem]:
    """Of `backend.trainer.strategy`."""
    key, found = "backend.trainer.strategy", []
    asked, workers = recipe.backend.trainer.strategy, recipe.backend.trainer
    for name, kind in (("fsdp_config", "fsdp"), ("deepspeed_config", "deepspeed")):
        if getattr(asked, name) is not None and asked.kind != kind:
            text = f"it is for type {kind}, and the type is {asked.type}; take one of them out."
            found.append(Problem(f"{key}.{name}", text, depends_on=(f"{key}.type",)))
    if asked.kind == "ddp":
        return found
    if recipe.backend.type == "local":
        text = f"{asked.kind} shares a model out among the workers of a Ray cluster; write backend.type: ray."
        found.append(Problem(key, text, depends_on=("backend.type",)))
    if recipe.quantization is not None:
        text = (
            f"{asked.kind} cuts weights into pieces, and the kit has bitsandbytes keep quantised ones as whole bytes "
            f"(not in bnb_4bit_quant_storage): each worker would hold all of them. Take the section out, or {key}."
        )
        found.append(Problem("quantization", text, depends_on=(key,)))
    if _is_bitsandbytes(recipe.trainer.optimizer.type):
        text = f"{recipe.trainer.optimizer.type} does not take weights that {asked.kind} has cut; write adamw."
        found.append(Problem("trainer.optimizer.type", text, depends_on=(key,)))
    if asked.kind == "deepspeed" and asked.deepspeed_config is None:
        text = "deepspeed needs it; the least is {zero_optimization: {stage: 3}}."
        found.append(Problem(f"{key}.deepspeed_config", text))
    if asked.kind == "deepspeed" and workers.use_gpu is False:
        found.append(Problem("backend.trainer.use_gpu", "deepspeed needs GPUs; write fsdp.", depends_on=(key,)))
    config = asked.deepspeed_config
    if config is not None and all(half is not None and half.enabled is True for half in (config.bf16, config.fp16)):
        text = "bf16 and fp16 are both on; leave both out, and the device decides."
        found.append(Problem(f"{key}.deepspeed_config.fp16", text))
    offloads = config and {
        name: getattr(config.zero_optimization, name) for name in ("offload_param", "offload_optimizer")
    }
    for name, offload in (offloads or {}).items():
        if offload is not None and (offload.device == "nvme") != (offload.nvme_path is not None):
            text = "device: nvme and nvme_path go together; give both, or neither."
            found.append(Problem(f"{key}.deepspeed_config.zero_optimization.{name}", text))
    return found


def _is_bitsandbytes(optimizer: str) -> bool:
    return optimizer.startswith("paged_") or optimizer.endswith("_8bit")


def _rest(recipe: "Recipe") -> list[Problem]:
    found = []
    if recipe.adapter.target_modules == []:
        text = "it names no layer; leave it out for PEFT's choice, or name some, e.g. [q_proj, v_proj]."
        found.append(Problem("adapter.target_modules", text))
    if _splits_by_share(recipe) and recipe.preprocessing.split.probabilities[0] == 0:
        text = "the first share, of training rows, is 0; give it more, e.g. [0.9, 0.05, 0.05]."
        found.append(Problem("preprocessing.split.probabilities", text))
    workers = recipe.backend.trainer
    if workers.min_workers and workers.num_workers and workers.min_workers > workers.num_workers:
        text = f"the least, {workers.min_workers}, is more than backend.trainer.num_workers, {workers.num_workers}."
        found.append(Problem("backend.trainer.min_workers", text, depends_on=("backend.trainer.num_workers",)))
    for number, stop in enumerate(recipe.generation.stop_strings):
        if not stop:
            text = "an empty text is found in every answer at once; take it out."
            found.append(Problem(f"generation.stop_strings.{number}", text))
    return found


def _splits_by_share(recipe: "Recipe") -> bool:
    """Whether the shares decide which rows are trained on."""
    return recipe.data is None or recipe.data.split != "column"


def notes(recipe: "Recipe") -> list[str]:
    """What is right and perhaps not meant, a sentence each."""
    trainer, generation, cap = recipe.trainer, recipe.generation, recipe.preprocessing.global_max_sequence_length
    found = []
    if trainer.max_tokens_per_batch is not None and trainer.max_tokens_per_batch < cap:
        found.append(
            f"trainer.max_tokens_per_batch is {trainer.max_tokens_per_batch} and a row may have {cap} tokens "
            "(preprocessing.global_max_sequence_length): a longer row goes through alone, and takes more memory."
        )
    if recipe.backend.trainer.strategy.kind == "deepspeed":
        found.append(NO_ZERO_3)
    if trainer.learning_rate > HIGH_LEARNING_RATE:
        found.append(
            f"trainer.learning_rate {trainer.learning_rate:g} is high: adapters usually learn with 0.0001 to 0.001. If "
            "the loss jumps or stays, lower it."
        )
    if _splits_by_share(recipe) and recipe.preprocessing.split.probabilities[1] == 0:
        stop = f"; trainer.early_stop ({trainer.early_stop}) has nothing to watch" if trainer.early_stop >= 0 else ""
        found.append(
            "preprocessing.split.probabilities leaves no validation rows: the last weights are kept, not the best"
            f"{stop}."
        )
    if not _splits_by_share(recipe) and "probabilities" in recipe.preprocessing.split.model_fields_set:
        found.append("preprocessing.split.probabilities is not used: data.split is column.")
    defaults = type(generation).model_fields
    unused = [name for name in ("temperature", "top_k", "top_p") if getattr(generation, name) != defaults[name].default]
    if not generation.do_sample and unused:
        names = " and ".join(f"generation.{name}" for name in unused)
        found.append(f"{names} {'is' if len(unused) == 1 else 'are'} not used: generation.do_sample is false.")
    fields = type(recipe.backend).model_fields
    of_ray = [name for name in fields if name != "type" and getattr(recipe.backend, name) != fields[name].default]
    if recipe.backend.type == "local" and of_ray:
        names = " and ".join(f"backend.{name}" for name in of_ray)
        found.append(f"{names} {'is' if len(of_ray) == 1 else 'are'} not used: backend.type is local.")
    return found


def device_problems(recipe: "Recipe", device: "Device") -> list[Problem]:
    """What the recipe asks for and the device can't do.

    Args:
        recipe: What is to be run.
        device: Where.
    """
    if device.type == "cuda":
        return []
    found = []
    optimizer, quantization = recipe.trainer.optimizer.type, recipe.quantization
    if _is_bitsandbytes(optimizer):
        text = f"{optimizer} needs a CUDA device, and this run is on {device.name}; write adam or adamw."
        found.append(Problem("trainer.optimizer.type", text))
    if recipe.adapter.use_dora and quantization is not None and quantization.bits == 8:
        text = (
            "DoRA does not train on bitsandbytes' 8-bit layers without a CUDA device (PEFT 0.21); write "
            "quantization.bits: 4, or take use_dora out."
        )
        found.append(Problem("adapter.use_dora", text))
    if quantization is not None and device.type != "cpu":
        text = f"bitsandbytes quantises on CUDA devices and CPUs, and not on {device.type}; take the section out."
        found.append(Problem("quantization", text))
    return found


def device_notes(recipe: "Recipe", device: "Device") -> list[str]:
    """What the recipe asks for and the device is slow in, a sentence each."""
    section = recipe.quantization
    asked = section.bnb_4bit_compute_dtype if section is not None and section.bits == 4 else None
    if asked in (None, "float32", device.compute_dtype):
        return []
    if device.type == "cuda" and asked == "float16":
        return []
    return [
        f"quantization.bnb_4bit_compute_dtype is {asked}, which {device.name} is slow in ({device.reason}); leave it "
        f"out for {device.compute_dtype}."
    ]


def context_problems(recipe: "Recipe", context: int) -> list[Problem]:
    """What does not fit into the model's context.

    Args:
        recipe: What is to be run.
        context: The most tokens the base model was made for (`max_position_embeddings`).
    """
    found = []
    for key, tokens in (
        ("preprocessing.global_max_sequence_length", recipe.preprocessing.global_max_sequence_length),
        ("generation.max_new_tokens", recipe.generation.max_new_tokens + 1),
    ):
        if tokens > context:
            text = f"{recipe.base_model} reads and writes {context} tokens at most, the prompt among them; lower it."
            found.append(Problem(key, text))
    return found
