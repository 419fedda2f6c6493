"""Memory of this process: how much it has taken at most, and whether it keeps what it has freed.

A training measures its peak by itself: from outside, on Linux, the peak that `os.wait4` and
``RUSAGE_CHILDREN`` give of a command is never less than that of the process which started it.

By default glibc gives large blocks back to the system as soon as they are freed, so that each training step
fetches the same memory again, page by page. A process that keeps it trains faster on a CPU.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

try:
    import resource
except ImportError:  # on Windows
    resource = None  # type: ignore[assignment]

STATUS = Path("/proc/self/status")
"""Linux's numbers of this process."""

MALLOC_VARIABLES = (
    "MALLOC_MMAP_MAX_",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_TOP_PAD_",
    "MALLOC_TRIM_THRESHOLD_",
)
"""Environment variables by which a user tells glibc what to keep; ``glibc.malloc`` in GLIBC_TUNABLES is
another way."""

# parameters of glibc's mallopt, from its malloc.h, and the values that it begins with
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
NEVER = -1
TRIM_THRESHOLD = 128 * 2**10
MMAP_MAX = 65536


def peak_memory(device: torch.device) -> dict[str, float]:
    """Peaks in GiB since the process has started.

    Args:
        device: The training's device.

    Returns:
        ``process``: the largest resident set of the process itself, without its background processes, if the
        system tells. On a CUDA device also ``gpu``: what tensors took at most.
    """
    resident = _peak_resident()
    peaks = {} if resident is None else {"process": resident / 2**30}
    if device.type == "cuda":
        import torch

        peaks["gpu"] = torch.cuda.max_memory_allocated(device) / 2**30
    return peaks


def keep_freed_memory() -> bool:
    """Have glibc keep what this process frees, for its next tensors.

    Returns:
        Whether it does from now on. It does not where the user has told glibc something else, which holds,
        and where there is no glibc.
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


def _peak_resident() -> int | None:
    """Largest resident set in bytes; None where the system does not tell."""
    if STATUS.is_file():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 2**10
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 2**10


def _glibc_to_be_told() -> Any:
    told = any(name in os.environ for name in MALLOC_VARIABLES)
    if told or "glibc.malloc." in os.environ.get("GLIBC_TUNABLES", "") or sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") else None
