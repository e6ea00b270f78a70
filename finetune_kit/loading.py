"""Loading a base model and its tokenizer: one place for the quantisation, the dtype and the attention."""

import logging
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from finetune_kit.devices import Device, clear_cache
from finetune_kit.errors import KitError
from finetune_kit.recipe import Quantization

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load_model(path: str, quantization: Quantization | None, device: Device) -> "PreTrainedModel":
    """Load a causal language model, frozen and in evaluation mode.

    Args:
        path: A folder or a Hub id; only safetensors are read, and no code from the Hub is run.
        quantization: How to quantise the linear layers while loading.
        device: Where it goes; weights that are not quantised are in its compute dtype.

    Returns:
        The model, on the device.

    Raises:
        KitError: If the weights can't be loaded.
    """
    import torch

    if quantization is not None:
        import_bitsandbytes()
    from transformers import AutoModelForCausalLM

    options: dict[str, Any] = {
        "dtype": getattr(torch, compute_dtype(quantization, device)),
        "device_map": {"": device.type},
        "use_safetensors": True,
        "trust_remote_code": False,
    }
    if quantization is not None:
        options["quantization_config"] = _bitsandbytes(quantization, device)
    try:
        model = AutoModelForCausalLM.from_pretrained(path, **options)
    except OSError as error:
        raise KitError(f"The weights of {path} can't be loaded: {_first_line(error)}") from None
    for parameter in model.parameters():
        parameter.requires_grad = False
    if quantization is not None and quantization.bits == 4:
        _keep_4_bit_layout(model)
    if quantization is not None and device.type == "cpu":
        _let_go_of_the_file(model)
    return model.eval()


def import_bitsandbytes() -> None:
    """Import bitsandbytes in a second, where it would take seven, and in silence.

    Version 0.50.2 hands some functions to `torch.compile` when it is imported, which imports torch's whole compiler.
    They are for 8-bit optimisers without a GPU, which the kit refuses; here they stay as they are written. On a CPU
    with AVX512-BF16 it also warns that it has no kernel for a layout that `_keep_4_bit_layout` turns off.
    """
    import torch

    with (
        patch.object(torch, "compile", lambda function=None, **_: function or (lambda one: one)),
        patch.object(logging.getLogger("bitsandbytes.backends.cpu.ops"), "disabled", True),
    ):
        import bitsandbytes  # noqa: F401
    # Of every 8-bit product on a GPU in bfloat16 it would write that it computes in float16: 20 KB a step.
    logging.getLogger("bitsandbytes.autograd._functions").addFilter(_is_not_of_a_cast)


def _is_not_of_a_cast(record: logging.LogRecord) -> bool:
    return "inputs will be cast" not in record.msg


def load_tokenizer(path: str) -> "PreTrainedTokenizerBase":
    """Load a tokenizer.

    Raises:
        KitError: If it can't be loaded.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(path, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise KitError(f"The tokenizer of {path} can't be loaded: {_first_line(error)}") from None


def compute_dtype(quantization: Quantization | None, device: Device) -> str:
    """What the model computes in: as the recipe says, or else as the device likes it."""
    return compute_dtype_on(quantization, device.compute_dtype)


def compute_dtype_on(quantization: Quantization | None, liked: str) -> str:
    """As `compute_dtype`, by the dtype that a device likes."""
    asked = quantization.bnb_4bit_compute_dtype if quantization is not None and quantization.bits == 4 else None
    return asked or liked


def dequantize(model: "PreTrainedModel") -> None:
    """Replace 4-bit layers by plain ones with the same values, in place.

    Generation reads every weight once a token, and on a CPU unpacking them each time costs more than the memory
    saved is worth there.
    """
    import bitsandbytes as bnb
    import torch

    for name, module in list(model.named_modules()):
        if isinstance(module, bnb.nn.Linear4bit):
            weight = bnb.functional.dequantize_4bit(module.weight.data, module.weight.quant_state)
            plain = torch.nn.Linear(module.in_features, module.out_features, module.bias is not None, device="meta")
            plain.weight = torch.nn.Parameter(weight.to(module.compute_dtype), requires_grad=False)
            plain.bias = module.bias
            model.set_submodule(name, plain)
    # PEFT asks these before it chooses a kind of layer.
    model.is_loaded_in_4bit = False
    model.is_quantized = False
    model.config.__dict__.pop("quantization_config", None)


def _keep_4_bit_layout(model: "PreTrainedModel") -> None:
    """Keep bitsandbytes from repacking 4-bit weights.

    On a CPU with AVX512-BF16, bitsandbytes 0.50.2 turns weights into another layout at the first forward pass in
    evaluation mode, by way of bfloat16 constants: the frozen base would change during training, and `dequantize`
    would read the new layout as if it were the old one.
    """
    import bitsandbytes as bnb

    for module in model.modules():
        if isinstance(module, bnb.nn.Linear4bit):
            module.support_avx512bf16_for_cpu = False


def _let_go_of_the_file(model: "PreTrainedModel") -> None:
    """Copy what was not quantised, so that the file of weights needs no longer be mapped, and free what is left over.

    Otherwise a few tensors, as the embedding, hold the whole file in memory, and what loading freed stays with the
    process: of SmolLM2-135M in 4 bits, 0.17 GB, there would be 0.8 GB.
    """
    import bitsandbytes as bnb

    for parameter in model.parameters():
        if not isinstance(parameter, bnb.nn.Params4bit | bnb.nn.Int8Params):
            parameter.data = parameter.data.clone()
    clear_cache()


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]


def _bitsandbytes(quantization: Quantization, device: Device) -> Any:
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=quantization.bits == 4,
        load_in_8bit=quantization.bits == 8,
        bnb_4bit_compute_dtype=compute_dtype(quantization, device),
        bnb_4bit_quant_type=quantization.bnb_4bit_quant_type,
        bnb_4bit_use_double_quant=quantization.bnb_4bit_use_double_quant,
        llm_int8_threshold=quantization.llm_int8_threshold,
    )
