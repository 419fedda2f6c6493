"""How much memory this process has taken at most.

A training measures itself, as it can't be measured from outside: on Linux the peak that `os.wait4` and
``RUSAGE_CHILDREN`` give of a command is never less than that of the process which started it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

import torch

try:
    import resource
except ImportError:  # on Windows
    resource = None  # type: ignore[assignment]

STATUS = Path("/proc/self/status")
"""Linux's numbers of this process."""


def peak_memory(device: torch.device) -> dict[str, float]:
    """Peaks in GiB since the process has started.

    Args:
        device: Of the training.

    Returns:
        ``process``: the largest resident set of the process itself, without its background processes, if the
        system tells. On a CUDA device also ``gpu``: what tensors took at most.
    """
    resident = _peak_resident()
    peaks = {} if resident is None else {"process": resident / 2**30}
    if device.type == "cuda":
        peaks["gpu"] = torch.cuda.max_memory_allocated(device) / 2**30
    return peaks


def _peak_resident() -> int | None:
    """In bytes; None where the system does not tell."""
    if STATUS.is_file():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 2**10
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 2**10


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
