"""Soft Dice with squared probabilities in the denominator, as the semi-supervised literature uses it."""

from __future__ import annotations

import torch

from nnunetv2_semiseg.core.distributed.sums import sums_over_ranks


def soft_dice_loss(
    probabilities: torch.Tensor,
    target_one_hot: torch.Tensor,
    mask: torch.Tensor,
    mask_background: bool = True,
    epsilon: float = 1e-10,
) -> torch.Tensor:
    """``mean_c 1 - (2 Σ p y + ε) / (Σ p² + Σ y² + ε)``, sums over the batch and all pixels.

    The batch is that of all ranks.

    Args:
        probabilities: ``B x C x S``, 0 to 1.
        target_one_hot: ``B x C x S``, 0 to 1.
        mask: ``B x 1 x S``, 1 where a pixel counts, 0 elsewhere.
        mask_background: With False channel 0 ignores the mask, which is what SynFoC's released code does.
        epsilon: Keeps an empty class finite.

    Returns:
        A scalar from 0 (perfect) to 1, averaged over all C classes.
    """
    weight = mask.expand_as(probabilities)
    if not mask_background:
        weight = torch.cat([torch.ones_like(weight[:, :1]), weight[:, 1:]], dim=1)
    dims = [0, *range(2, probabilities.ndim)]
    intersection = (weight * probabilities * target_one_hot).sum(dims)
    sizes = (weight * probabilities**2).sum(dims) + (weight * target_one_hot**2).sum(dims)
    # a quotient of sums: the mean of the ranks' quotients would be that of smaller batches
    intersection, sizes = sums_over_ranks(intersection, sizes)
    return (1 - (2 * intersection + epsilon) / (sizes + epsilon)).mean()
