"""Several processes on this machine's CPU, joined by gloo as nnU-Net joins those of GPUs by NCCL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed as dist

RANKS = 2
TIMEOUT = timedelta(minutes=5)


def on_ranks(program: Callable[..., Any], folder: Path, *arguments: Any, ranks: int = RANKS) -> list[Any]:
    """Call a function in each of several new processes.

    Args:
        program: A function that can be imported by name.
        folder: Empty, for what the processes tell each other and this one.
        arguments: Of the function.
        ranks: Processes.

    Returns:
        What each rank's call gave, without gradients.
    """
    folder.mkdir()
    parts = (program, folder, ranks, arguments)
    torch.multiprocessing.start_processes(_call, parts, nprocs=ranks, start_method="spawn")
    return [torch.load(folder / f"result_{rank}", weights_only=False) for rank in range(ranks)]


def _call(
    rank: int, program: Callable[..., Any], folder: Path, ranks: int, arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    store = f"file://{folder}/rendezvous"
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=ranks, timeout=TIMEOUT)
    result = program(*arguments)
    torch.save(result, folder / f"result_{rank}")
    dist.destroy_process_group()
