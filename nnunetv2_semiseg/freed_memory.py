"""On Linux a process gives the memory of large tensors back, and fetches it again for the next ones.

The kernel clears it page by page, which takes a good part of a step on a CPU: docs/performance.md.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

USER_VARIABLES = (
    "MALLOC_MMAP_MAX_",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_TOP_PAD_",
    "MALLOC_TRIM_THRESHOLD_",
)
"""By which glibc is told the same, or something else, from outside; as by glibc.malloc in GLIBC_TUNABLES."""

# glibc's malloc.h, and what it begins with
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
NEVER = -1
TRIM_THRESHOLD = 128 * 2**10
MMAP_MAX = 65536


def keep_freed_memory() -> bool:
    """Have glibc keep what this process frees, for its next tensors.

    Returns:
        Whether it does from now on. Not where the user has told glibc what to do, which holds, and not where
        there is no glibc.
    """
    libc = _glibc_to_be_told()
    return libc is not None and bool(libc.mallopt(M_MMAP_MAX, 0) and libc.mallopt(M_TRIM_THRESHOLD, NEVER))


def give_freed_memory_back() -> None:
    """Undo `keep_freed_memory`, and give back what was kept."""
    libc = _glibc_to_be_told()
    if libc is not None:
        libc.mallopt(M_MMAP_MAX, MMAP_MAX)
        libc.mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD)
        libc.malloc_trim(0)


def _glibc_to_be_told() -> Any:
    told = any(name in os.environ for name in USER_VARIABLES)
    if told or "glibc.malloc." in os.environ.get("GLIBC_TUNABLES", "") or sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") else None
