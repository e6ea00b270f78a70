"""Which device a run uses and what it computes in, with the reason; and its memory."""

import contextlib
import ctypes
import gc
import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Device:
    """A device and the dtype that is fast and safe on it."""

    type: str
    """`cuda` or `cpu`."""
    name: str
    compute_dtype: str
    """`float32`, `float16` or `bfloat16`."""
    reason: str


def pick_device() -> Device:
    """The first CUDA device where there is one, else the CPU.

    float16 on a card without bfloat16 units (a T4 is 7.5), although torch emulates bfloat16 there and says it is
    supported. On a CPU without bfloat16 instructions a matrix product in bfloat16 is several times slower than in
    float32, and float16 is slower still.
    """
    import torch

    if torch.cuda.is_available():
        major, minor = torch.cuda.get_device_capability()
        native = major >= 8
        reason = f"capability {major}.{minor} {'has' if native else 'lacks'} bfloat16 units"
        return Device("cuda", torch.cuda.get_device_name(), "bfloat16" if native else "float16", reason)
    capabilities = torch.cpu.get_capabilities()
    native = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    reason = f"this CPU {'has' if native else 'lacks'} bfloat16 instructions"
    name = str(capabilities.get("cpu_name", "CPU"))
    return Device("cpu", name, "bfloat16" if native else "float32", reason)


def free_memory(device: Any) -> int:
    """Bytes that can still be had on a `torch.device`; what torch holds of a GPU and does not use is among them.

    A limit that torch was given (`torch.cuda.set_per_process_memory_fraction`) counts.
    """
    import psutil
    import torch

    if device.type != "cuda":
        return int(psutil.virtual_memory().available)
    index = torch.cuda.current_device() if device.index is None else device.index
    reserved = torch.cuda.memory_reserved(index)
    free, total = torch.cuda.mem_get_info(index)
    allowed = int(total * torch.cuda.get_per_process_memory_fraction(index)) - reserved
    return max(0, min(int(free), allowed)) + reserved - int(torch.cuda.memory_allocated(index))


def peak_memory(device: Device) -> int:
    """Bytes that this process held at most: of the CUDA allocator on a GPU, resident memory otherwise."""
    if device.type == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def used_memory() -> int:
    """Bytes that this process holds: of a GPU where torch computes on one, else of the machine."""
    import psutil

    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return int(torch.cuda.memory_reserved())
    return int(psutil.Process().memory_info().rss)


@contextlib.contextmanager
def attention_of_any_length() -> Iterator[None]:
    """torch's fused attention, but for cuDNN's, which makes a plan for each new length.

    On Hopper cards torch prefers that one in 16 bits. Rows have all lengths, and a row that is generated has a new one
    with each token, so that most of the time goes into plans.
    """
    from torch.backends import cuda

    before = cuda.cudnn_sdp_enabled()
    cuda.enable_cudnn_sdp(False)
    try:
        yield
    finally:
        cuda.enable_cudnn_sdp(before)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the memory of the device, or of the machine, was not enough."""
    import torch

    words = ("out of memory", "can't allocate memory", "ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in words)
    )


def clear_cache() -> None:
    """Give back what this process has freed: in a notebook, after `del run`, what a model took.

    torch keeps a GPU's memory, and glibc the machine's, in pieces that large tensors do not fit in.
    """
    import torch

    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    with contextlib.suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def give_back_large_blocks() -> None:
    """From now on, let glibc give blocks of 8 MB and more back to the system when they are freed.

    By itself it keeps blocks of up to 32 MB, and tensors of many sizes leave them in pieces: the peak of training
    SmolLM2-135M in bfloat16 is 2.6 GB with this and 3.0 to 3.3 GB without, at the same speed. Smaller blocks are
    given back at the cost of speed.
    """
    mmap_threshold = -3  # M_MMAP_THRESHOLD of malloc.h
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(mmap_threshold, 8 * 2**20)
