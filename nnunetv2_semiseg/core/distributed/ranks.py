"""The processes of a training: which one this is, what all of them have, and waiting for each other.

nnU-Net starts a process for each GPU; its number is its rank. Without ``-num_gpus`` there is one process
without a group, and everything here does nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from torch import distributed as dist

T = TypeVar("T")

PATIENCE = timedelta(days=30)
"""Time that the others wait for rank 0, which may preprocess, draw or measure for hours."""

_patient: list[Any] = []
"""All processes, and the group of the same processes that waits so long."""


def world_size() -> int:
    """Number of processes that train together; 1 without a group."""
    return int(dist.get_world_size()) if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0; 0 without a group."""
    return int(dist.get_rank()) if dist.is_available() and dist.is_initialized() else 0


def gather_objects(value: T) -> list[T]:
    """Values of all ranks in the order of the ranks, on every rank. All ranks must call it.

    Args:
        value: What this rank gives, anything that can be pickled.
    """
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value, group=_patient_group())
    return values


def mean_of_ranks(values: Mapping[str, float]) -> dict[str, float]:
    """The mean of each value over the ranks that have it, on every rank. All ranks must call it."""
    if world_size() == 1:
        return dict(values)
    of_ranks = gather_objects(dict(values))
    names = dict.fromkeys(name for of_rank in of_ranks for name in of_rank)
    found = {name: [of_rank[name] for of_rank in of_ranks if name in of_rank] for name in names}
    return {name: sum(several) / len(several) for name, several in found.items()}


def wait_for_all() -> None:
    """Go on when every rank has come here, however long that takes."""
    if world_size() > 1:
        dist.barrier(group=_patient_group())


@contextmanager
def rank_zero_first() -> Iterator[None]:
    """Let rank 0 do a block alone, then all others, for which nothing is left to be done.

    An exception of rank 0 ends its process; the launcher then ends the others, which still wait.
    """
    if rank() > 0:
        wait_for_all()
    yield
    if rank() == 0:
        wait_for_all()


def _patient_group() -> Any:
    """A group over the same processes that gives nobody up.

    NCCL ends all processes when one has waited for ten minutes. Gloo takes any time, notices at once when a
    process has gone, and needs no GPU for what lies in main memory.
    """
    world = dist.group.WORLD
    if not _patient or _patient[0] is not world:
        _patient[:] = [world, dist.new_group(backend="gloo", timeout=PATIENCE)]
    return _patient[1]
