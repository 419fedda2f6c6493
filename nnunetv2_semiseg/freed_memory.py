"""On Linux a process gives the memory of large tensors back, and fetches it again for the next ones.

The kernel then clears it page by page, which can take as long as the rest of a step on a CPU.
docs/performance.md has the numbers.
"""

from __future__ import annotations

import ctypes
import os
import sys

OF_THE_USER = ("MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_")
"""Variables by which glibc is told the same, or something else, from outside."""

# glibc's malloc.h
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
NEVER = -1


def keep_freed_memory() -> bool:
    """Have glibc keep what this process frees, for its next tensors.

    Returns:
        Whether it does from now on. Not where the user has set one of `OF_THE_USER`, which holds, and not
        where there is no glibc.
    """
    if sys.platform != "linux" or any(name in os.environ for name in OF_THE_USER):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, NEVER))
