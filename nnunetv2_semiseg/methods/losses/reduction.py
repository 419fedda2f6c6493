"""Means over the pixels that count, which make a loss of one value a pixel."""

from __future__ import annotations

import torch

from nnunetv2_semiseg.core.distributed.sums import sums_over_ranks


def mean_inside(values: torch.Tensor, inside: torch.Tensor | None = None) -> torch.Tensor:
    """Mean over the pixels that lie inside of the images.

    Args:
        values: ``B x S``.
        inside: ``B x 1 x S``, bool; None: all do.

    Returns:
        A scalar, 0 where no pixel lies inside.
    """
    if inside is None:
        return values.mean()
    return counted_mean((values * inside[:, 0]).sum(), inside.sum())


def counted_mean(total: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """A mean over as many pixels as there happen to be, which is another number on each rank.

    Args:
        total: Sum over the pixels of this rank's batch that count.
        count: How many they are.

    Returns:
        A scalar, the mean over those of all ranks, 0 where there are none.
    """
    total, count = sums_over_ranks(total, count)
    return total / count.clamp_min(1)
