"""How much memory this process has taken at most.

A training measures itself, as it can't be measured from outside: on Linux the peak that `os.wait4` and
``RUSAGE_CHILDREN`` give of a command is never less than that of the process which started it.
"""

from __future__ import annotations

import sys
from pathlib import Path

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
