"""The C library's allocator in a service of several threads that now and then hold much for a moment."""

import ctypes
import sys

# What the parameters of mallopt(3) are called by.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
# More than what an ordinary fetch holds: mapped and cleared anew each time, it made counting a tenth dearer.
_LARGE_BYTES = 2 * 1024 * 1024
_KEPT_BYTES = 16 * 1024 * 1024


def keep_little() -> bool:
    """Let freed memory be of use to all, before the second thread starts; False where the C library is not glibc.

    One arena for all threads: each would have one of its own and keep there what it has freed. They hold Python's lock
    when they ask, so they do not wait for each other. And what is large goes back to the system: else what is large for
    once raises the size from which on that is so.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    wanted = {_M_ARENA_MAX: 1, _M_MMAP_THRESHOLD: _LARGE_BYTES, _M_TRIM_THRESHOLD: _KEPT_BYTES}
    return mallopt is not None and all(mallopt(name, value) for name, value in wanted.items())
