"""What is done about a device's memory."""

import subprocess
import sys

import pytest

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
