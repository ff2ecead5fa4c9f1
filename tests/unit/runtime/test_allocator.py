"""Threads that take memory in turns take it from one place, in a process of their own: it cannot be taken back."""

import platform
import subprocess
import sys

import pytest

_PROGRAM = """
import ctypes, sys, threading
from runtime import allocator
if sys.argv[1] == "one":
    assert allocator.keep_little()
threads = [threading.Thread(target=bytearray, args=(100_000,)) for _ in range(3)]
for thread in threads:
    thread.start()
    thread.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
stream = libc.fdopen(1, b"w")
libc.malloc_info(0, ctypes.c_void_p(stream))
libc.fflush(ctypes.c_void_p(stream))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="there are no arenas")
def test_threads_share_one_arena() -> None:
    heaps = {
        wanted: subprocess.run(
            [sys.executable, "-c", _PROGRAM, wanted], capture_output=True, text=True, check=True
        ).stdout.count("<heap nr=")
        for wanted in ("one", "each")
    }
    assert heaps["one"] == 1 < heaps["each"]
