"""What is wrong with a recipe, in sentences: pydantic's findings, with what was probably meant."""

import difflib
import json
import reprlib
import types
from collections.abc import Sequence
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from finetune_kit.ludwig_keys import ludwigs_own
from finetune_kit.other_tools import WORDS
from finetune_kit.recipe_file import Problem, RecipeFile, Spot

_FINETUNE = "The kit fine-tunes; the type is finetune."
_LORA = "The kit trains LoRA adapters."
_SPLITS = "The kit splits by a hash of each row; data.split: column takes your own split."
_PLAIN_TEXT = "Columns of text are read and predicted; the type is text."
_NUMBER_WANTED = "Ludwig would try it out; the kit wants a number."

# What people write there, and what to say to that, by the end of the key.
_VALUES: dict[str, dict[Any, str]] = {
    "model_type": {"ecd": "The kit fine-tunes language models.", "gbm": "The kit fine-tunes language models."},
    "adapter.type": {
        "qlora": "QLoRA is type lora with a section quantization.",
        "dora": "DoRA is type lora with use_dora: true.",
        "rslora": "That is type lora with use_rslora: true.",
        "adalora": _LORA,
        "ia3": _LORA,
    },
    "adapter.target_modules": {
        "all-linear": "Name the layers, e.g. [q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj].",
    },
    "trainer.type": {"none": _FINETUNE, "dpo": _FINETUNE, "kto": _FINETUNE},
    "trainer.batch_size": {"auto": f"{_NUMBER_WANTED} The memory follows trainer.max_tokens_per_batch."},
    "trainer.eval_batch_size": {"auto": _NUMBER_WANTED},
    "trainer.gradient_accumulation_steps": {"auto": _NUMBER_WANTED},
    "trainer.learning_rate": {"auto": f"{_NUMBER_WANTED} 0.0002 is usual for a 7B model."},
    "trainer.learning_rate_scheduler.decay": {
        "constant": "Leave it out, and the learning rate stays as it is.",
        "cosine_with_restarts": "Here a cosine falls once, over the whole run.",
    },
    "trainer.optimizer.type": {
        "adamw_torch": "Write adamw.",
        "adamw_torch_fused": "Write adamw.",
        "adamw_hf": "Write adamw.",
        "adamw_bnb_8bit": "Write adamw_8bit.",
        "paged_adamw_32bit": "Write paged_adamw.",
    },
    "quantization.bits": {16: "Leave the section quantization out for 16 bits.", 0: "Leave the section out for none."},
    "quantization.bnb_4bit_compute_dtype": {
        "bf16": "Write bfloat16.",
        "torch.bfloat16": "Write bfloat16.",
        "fp16": "Write float16.",
        "torch.float16": "Write float16.",
        "half": "Write float16.",
        "auto": "Leave it out, and the device decides.",
    },
    "preprocessing.split.type": dict.fromkeys(("fixed", "stratify", "datetime"), _SPLITS),
    "backend.type": {
        **dict.fromkeys(("horovod", "deepspeed", "dask"), "The kit trains in this process, or on Ray."),
        "auto": "Write ray, and backend.address=auto for a cluster that runs here.",
    },
    "strategy.type": {"zero3": "That is deepspeed.", "horovod": "The kit's workers talk by torch's own means."},
    "fsdp_config.fsdp_version": {1: "Version 2 is torch's fully_shard; leave the key out."},
    "fsdp_config.auto_wrap_policy": dict.fromkeys(("size_based_wrap", "no_wrap"), "Decoder layers are the shards."),
    "zero_optimization.stage": dict.fromkeys((0, 1, 2), "Only with stage 3 the model itself is shared out."),
    "features.type": dict.fromkeys(("number", "category", "binary", "sequence", "set"), _PLAIN_TEXT),
}

_BOUNDS = {
    "greater_than": ("gt", "above {}"),
    "greater_than_equal": ("ge", "{} or more"),
    "less_than": ("lt", "below {}"),
    "less_than_equal": ("le", "{} at most"),
}


def problems_of(error: ValidationError, read: RecipeFile, model: type[BaseModel]) -> list[Problem]:
    """Put pydantic's findings into sentences.

    Args:
        error: What it found.
        read: The recipe's file.
        model: The model of the whole recipe.
    """
    found: list[Problem] = []
    for one in error.errors():
        loc = tuple(str(part) for part in one["loc"])
        key = ".".join(loc)
        if one["type"] == "extra_forbidden":
            own = ludwigs_own(key, one["input"])
            found += own or [_unknown(loc, model)]
        elif one["type"] == "missing":
            found.append(_missing(loc, model, one["input"]))
        elif one["type"] != "invalid_key":  # the reader has said that it is no text
            found.append(_wrong(one, loc, model, read.spots.get(key)))
    return list(dict.fromkeys(found))


def _unknown(loc: tuple[str, ...], model: type[BaseModel]) -> Problem:
    """What to say of a key that there is not: where it is, what it is called, or which is nearest."""
    key, name, section = ".".join(loc), loc[-1], _path(loc[:-1])
    here, every = list(_model_at(loc[:-1], model).model_fields), keys_of(model)
    word = WORDS.get(name.lower().replace("-", "_"))
    elsewhere = [one for one in every if one.rpartition(".")[2] == name and not one.startswith("input_features")]
    close = difflib.get_close_matches(name, here, n=1, cutoff=0.65)
    if close and word is None:
        meant = f"{section}.{close[0]}".lstrip(".")
        return Problem(key, f"there is no such key. Did you mean {meant!r}?")
    if 0 < len(elsewhere) <= 3:
        return Problem(key, f"there is no such key here. Did you mean {_either([repr(one) for one in elsewhere])}?")
    if word is not None and word.ours:
        return Problem(key, f"{word.tool} calls it so; here it is {word.ours!r}. {word.remark}".rstrip())
    if word is not None:
        return Problem(key, f"{word.tool} has this key, the kit has none for it. {word.remark}")
    alike = [one for one in every if difflib.SequenceMatcher(None, name, one.rpartition(".")[2]).ratio() >= 0.8]
    if len(alike) == 1:
        return Problem(key, f"there is no such key here. Did you mean {alike[0]!r}?")
    return Problem(key, f"there is no such key. The keys here are: {', '.join(here)}.")


def _missing(loc: tuple[str, ...], model: type[BaseModel], given: Any) -> Problem:
    if loc[-1].isdigit():  # of a list of three numbers, one that is not there
        count = len(get_args(_annotation(loc[:-1], model)))
        return Problem(".".join(loc[:-1]), f"this must hold {count} numbers, and holds {len(given)}.")
    return Problem(".".join(loc), f"this key is missing; it must be {_kind(_annotation(loc, model))}.")


def _wrong(one: Any, loc: tuple[str, ...], model: type[BaseModel], spot: Spot | None) -> Problem:
    """What to say of a value of the wrong kind."""
    key, value, annotation = ".".join(loc), one["input"], _annotation(loc, model)
    if one["type"] == "value_error":
        return Problem(key, f"{one['msg'].removeprefix('Value error, ')}.")
    if one["type"] in ("too_short", "too_long"):
        least, most = one["ctx"].get("min_length"), one["ctx"].get("max_length")
        wanted = f"at least {least}" if least else f"{most} at most"
        return Problem(key, f"this must hold {wanted}, and holds {len(value)}.")
    if one["type"] in _BOUNDS:
        bound, words = _BOUNDS[one["type"]]
        wanted = words.format(one["ctx"][bound])
    else:
        wanted = _kind(annotation)
    hint = _remark(loc, value) or _did_you_mean_value(value, annotation) or _trap(value, annotation, spot)
    return Problem(key, f"this must be {wanted}, and is {shown(value)}. {hint}".rstrip())


def _remark(loc: tuple[str, ...], value: Any) -> str:
    """What is known of a value that people write there."""
    if isinstance(value, dict | list):
        return ""
    if _path(loc) == "backend.type" and ":" in str(value):
        return "The address of a Ray cluster is written as backend=ray://HOST:10001, or stands in backend.address."
    said = next((values for end, values in _VALUES.items() if _path(loc).endswith(end)), {})
    return said.get(value.lower() if isinstance(value, str) else value, "")


def _did_you_mean_value(value: Any, annotation: Any) -> str:
    choices = [one for inner in _inner(annotation) if get_origin(inner) is Literal for one in get_args(inner)]
    words = [str(one) for one in choices]
    close = difflib.get_close_matches(str(value).lower(), words, n=1) if isinstance(value, str | int) else []
    return f"Did you mean {close[0]}?" if close and close[0] != str(value) else ""


def _trap(value: Any, annotation: Any, spot: Spot | None) -> str:
    """What YAML made of a value that looks like another one."""
    inner = _inner(annotation)
    written = spot.written if spot and not spot.quoted else None
    if isinstance(value, str):
        if value.strip().lower() in ("none", "null", "nil", "~"):
            return "To YAML this is a word; leave the key out" + (", or write null." if type(None) in inner else ".")
        if value.strip().lower() in ("true", "false", "yes", "no", "on", "off") and bool in inner:
            return "Take the quotes away."
        if {int, float} & set(inner) and _is_number(value):
            return "Take the quotes away."
        if {int, float} & set(inner) and _is_number(value.replace(",", ".")):
            return f"Write {value.replace(',', '.')}, with a point."
        if list in inner or tuple in inner:
            return f"Write [{value}]."
        return ""
    if isinstance(value, bool):
        read = f"YAML reads {written!r} as {shown(value)}. " if written and written.lower() != shown(value) else ""
        if value is False and type(None) in inner:
            return f"{read}Leave the key out for none."
        return f"{read}Put it in quotes." if str in inner else read
    if isinstance(value, dict) and str in inner:
        return "YAML reads braces, and ': ' in a text, as a section; put the text in quotes."
    if str in inner and not isinstance(value, list) and value is not None:
        return "Put it in quotes."
    if isinstance(value, float) and int in inner and value.is_integer():
        return f"Write {int(value)}."
    return "Nothing stands after its colon." if value is None and spot is not None and not spot.written else ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def shown(value: Any) -> str:
    """A value as a message shows it, with its kind."""
    if value is None:
        return "empty"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, str):
        return f"the text {_short.repr(value)}"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, dict):
        return f"a section with {', '.join(map(str, list(value)[:4]))}" if value else "an empty section"
    return f"a {type(value).__name__} ({value})"


_short = reprlib.Repr(maxstring=60)


def keys_of(model: type[BaseModel], path: str = "") -> list[str]:
    """Every key with dots, sections too; items of lists without a number."""
    found = []
    for name, field in model.model_fields.items():
        key = f"{path}.{name}".lstrip(".")
        found.append(key)
        if below := _section_in(field.annotation):
            found += keys_of(below, key)
    return found


def _path(loc: Sequence[str]) -> str:
    """A key without the numbers of items."""
    return ".".join(part for part in loc if not part.isdigit())


def _annotation(loc: Sequence[str], model: type[BaseModel]) -> Any:
    """What may stand at a key."""
    annotation: Any = model
    for part in loc:
        inner = _inner(annotation)
        section = next((one for one in inner if isinstance(one, type) and issubclass(one, BaseModel)), None)
        listed = next((one for one in inner if get_origin(one) in (list, tuple, dict)), None)
        if section is not None:
            annotation = section.model_fields[part].annotation
        elif listed is not None:
            annotation = get_args(listed)[-1]
    return annotation


def _model_at(loc: Sequence[str], model: type[BaseModel]) -> type[BaseModel]:
    return _section_in(_annotation(loc, model)) or model


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """The section that stands there, alone, or as an item of a list."""
    for one in [*_inner(annotation), *(item for inner in _inner(annotation) for item in get_args(inner))]:
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None


def _inner(annotation: Any) -> list[Any]:
    """The kinds that are allowed: those of a union, and for a list also `list` itself."""
    union = get_origin(annotation) in (Union, types.UnionType)
    kinds = list(get_args(annotation)) if union else [annotation]
    return [*kinds, *(origin for one in kinds if (origin := get_origin(one)) in (list, tuple, dict))]


def _kind(annotation: Any) -> str:
    """A kind of value in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _either([_kind(one) for one in arguments if one is not type(None)])
    if origin is Literal:
        return _either([str(one) for one in arguments])
    if origin is list:
        return "a list in brackets, or lines that begin with '-'"
    if origin is tuple:
        return f"a list of {len(arguments)} numbers"
    if origin is dict:
        return "a section of names"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        keys = list(annotation.model_fields)
        return f"a section with keys ({', '.join(keys[:4])}{', ...' if keys[4:] else ''})"
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    return words.get(annotation, str(annotation))


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
