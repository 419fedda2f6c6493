"""The same weights on every rank."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import distributed as dist, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nnunetv2_semiseg.core.distributed.ranks import world_size


@torch.no_grad()
def take_weights_of_rank_zero(modules: Iterable[nn.Module]) -> None:
    """Give all parameters and buffers the values that they have on rank 0.

    Without a seed each rank has drawn weights of its own. From equal weights, with averaged gradients, all
    ranks take equal steps; so do their teachers, which follow them.

    Args:
        modules: Networks, the same on every rank; parameters that they share are sent once.
    """
    if world_size() == 1:
        return
    tensors = [t for module in modules for t in (*module.parameters(), *module.buffers())]
    for tensor in dict.fromkeys(tensors):
        whole = tensor.contiguous()
        dist.broadcast(whole, src=0)
        tensor.copy_(whole)


def with_common_statistics(network: nn.Module, device: torch.device) -> nn.Module:
    """A network whose batch norms, if it has any, look at the batches of all ranks.

    This is what nnU-Net does. torch has no such layer for CPUs, where each rank goes by its own batch.

    Args:
        network: Network that may be changed in place.
        device: The training's device.
    """
    has_any = any(isinstance(part, _BatchNorm) for part in network.modules())
    if world_size() == 1 or device.type != "cuda" or not has_any:
        return network
    return nn.SyncBatchNorm.convert_sync_batchnorm(network)
