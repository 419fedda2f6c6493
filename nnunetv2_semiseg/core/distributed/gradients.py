"""The mean of the ranks' gradients.

In place of DistributedDataParallel, which expects one network and one forward pass a step: our methods train
several networks, parts of which are frozen, and may ask a network more than once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import distributed as dist, nn

from nnunetv2_semiseg.core.distributed.ranks import world_size


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Give each parameter the mean of its gradients over all ranks; one exchange for each number format.

    Args:
        parameters: Parameters, the same on every rank and in the same order. A missing gradient counts as 0
            if another rank has one. A parameter that has none on any rank, as when no loss depends on it,
            gets none.
    """
    if world_size() == 1:
        return
    parameters = list(dict.fromkeys(parameters))
    means = averaged([parameter.grad for parameter in parameters], parameters)
    for parameter, mean in zip(parameters, means, strict=True):
        parameter.grad = mean


def averaged(
    tensors: Sequence[torch.Tensor | None], like: Sequence[torch.Tensor]
) -> list[torch.Tensor | None]:
    """Means over all ranks.

    Args:
        tensors: Tensors of this rank; None where it has none.
        like: Tensors of the same shapes and number formats, present on every rank.

    Returns:
        The means; None where no rank has a tensor.
    """
    means = list(tensors)
    if world_size() == 1:
        return means
    for dtype in dict.fromkeys(tensor.dtype for tensor in like):
        places = [place for place, tensor in enumerate(like) if tensor.dtype == dtype]
        chosen = _average([tensors[place] for place in places], [like[place] for place in places])
        for place, mean in zip(places, chosen, strict=True):
            means[place] = mean
    return means


def _average(
    tensors: Sequence[torch.Tensor | None], like: Sequence[torch.Tensor]
) -> list[torch.Tensor | None]:
    """Means of tensors of one number format, in one exchange: all numbers in a row, then which exist."""
    there = like[0].new_tensor([tensor is not None for tensor in tensors])
    parts = [
        (torch.zeros_like(shape) if tensor is None else tensor.detach()).reshape(-1)
        for tensor, shape in zip(tensors, like, strict=True)
    ]
    row = torch.cat([*parts, there])
    del parts
    dist.all_reduce(row)
    row /= world_size()
    pieces = row.split([*(shape.numel() for shape in like), len(like)])
    return [
        piece.view(shape.shape) if anywhere else None
        for piece, shape, anywhere in zip(pieces, like, pieces[-1].tolist(), strict=False)
    ]
