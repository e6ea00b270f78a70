"""What is done about a device's memory."""

import logging
import subprocess
import sys

import pytest
import torch

from finetune_kit.devices import attention_of_any_length, free_memory

# A block of 16 MB is freed below one that stays, twice: by then glibc takes such blocks from its heap.
PIECES = """
import ctypes
from finetune_kit.devices import give_back_large_blocks

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
if {given_back}:
    give_back_large_blocks()

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

before = resident()
for _ in range(2):
    block = ctypes.c_void_p(libc.malloc(16 << 20))
    ctypes.memset(block, 1, 16 << 20)
    libc.malloc(4096)
    libc.free(block)
print((resident() - before) >> 20)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
@pytest.mark.parametrize(("given_back", "megabytes"), [(True, range(3)), (False, range(14, 20))])
def test_large_blocks_are_given_back(given_back: bool, megabytes: range) -> None:
    script = PIECES.format(given_back=given_back)
    kept = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert int(kept) in megabytes


def test_free_memory_of_a_gpu_counts_what_torch_holds_and_a_limit(monkeypatch) -> None:
    found = {"allocated": 2, "reserved": 5, "free": 60, "total": 100, "share": 1.0}
    fakes = {
        "current_device": lambda: 0,
        "memory_reserved": lambda index: found["reserved"],
        "memory_allocated": lambda index: found["allocated"],
        "mem_get_info": lambda index: (found["free"], found["total"]),
        "get_per_process_memory_fraction": lambda index: found["share"],
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    assert free_memory(torch.device("cuda")) == 60 + 3
    found["share"] = 0.2
    assert free_memory(torch.device("cuda", 0)) == 15 + 3
    found["share"] = 0.03
    assert free_memory(torch.device("cuda", 0)) == 3


def test_no_plans_are_made_for_lengths_while_a_model_is_used(tiny_run, monkeypatch) -> None:
    """cuDNN's attention is out of use in training and generation, and as it was after."""
    from finetune_kit import decoding
    from finetune_kit.engine import trainer
    from finetune_kit.generation import generate
    from finetune_kit.training import train

    on = torch.backends.cuda.cudnn_sdp_enabled
    seen = []
    shared, rehearse = decoding._shared_beginning, trainer.rehearse
    monkeypatch.setattr(decoding, "_shared_beginning", lambda *words: seen.append(on()) or shared(*words))
    monkeypatch.setattr(trainer, "rehearse", lambda *words: seen.append(on()) or rehearse(*words))
    before = on()
    generate(tiny_run, tiny_run.rows("test")[:2])
    recipe = tiny_run.recipe.model_copy(
        update={"run": tiny_run.recipe.run.model_copy(update={"name": "plans", "folder": str(tiny_run.path.parent)})}
    )
    train(recipe, tiny_run.rows("train")[:8])
    assert seen == [False, False]
    assert on() == before
    with pytest.raises(ValueError, match="in between"), attention_of_any_length():
        raise ValueError("in between")
    assert on() == before


def test_what_8_bit_products_say_of_each_cast_is_not_written(caplog) -> None:
    from finetune_kit.loading import import_bitsandbytes

    import_bitsandbytes()
    logger = logging.getLogger("bitsandbytes.autograd._functions")
    logger.warning("MatMul8bitLt: inputs will be cast from %s to float16 during quantization", torch.bfloat16)
    logger.warning("something else")
    assert [record.message for record in caplog.records] == ["something else"]
