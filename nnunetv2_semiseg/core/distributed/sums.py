"""Sums over the batches of all ranks, through which a gradient flows.

The ranks' gradients are averaged. For a loss that is a plain mean over samples, with as many samples on each
rank, this mean is the gradient of the whole batch. Dice and means over chosen pixels are quotients of sums:
the mean of the ranks' quotients is another number than the quotient of the whole batch's sums, so that these
sums have to be taken over all ranks first.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed as dist

from nnunetv2_semiseg.core.distributed.ranks import world_size


def sums_over_ranks(*sums: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The sums of all ranks' tensors, in one exchange; in a training of one process, the tensors themselves.

    All ranks must call it in the same order and make the same of the sums, as they do if a loss is computed
    from such sums and plain numbers alone; other terms may be added to it.

    Args:
        sums: Sums over this rank's batch, all of one shape.

    Returns:
        As many tensors, in float32 where there are several ranks.
    """
    if world_size() == 1:
        return sums
    totals: torch.Tensor = _SumOverRanks.apply(torch.stack([tensor.float() for tensor in sums]))
    return totals.unbind()


class _SumOverRanks(torch.autograd.Function):
    """Each rank's tensor is a summand of what every rank's loss depends on."""

    @staticmethod
    def forward(ctx: Any, tensor: torch.Tensor) -> torch.Tensor:
        total = tensor.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        # the sum of all ranks' gradients, which are equal, so that nothing needs to be exchanged
        return gradient * world_size()
