"""``SegLoss``: cross entropy plus soft Dice, for true labels and for masked pseudo-labels.

In float32 whatever the logits are: a sum over the pixels of a batch overflows in half precision.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from nnunetv2_semiseg.core.distributed.sums import sums_over_ranks
from nnunetv2_semiseg.methods.losses.reduction import counted_mean


def one_hot(labels: torch.Tensor, num_classes: int, dtype: torch.dtype) -> torch.Tensor:
    """Class maps ``B x S`` (integers below ``num_classes``) as ``B x num_classes x S``."""
    encoded = torch.zeros(
        (labels.shape[0], num_classes, *labels.shape[1:]), dtype=dtype, device=labels.device
    )
    return encoded.scatter_(1, labels[:, None], 1)


def seg_loss(logits: torch.Tensor, labels: torch.Tensor, annotated: torch.Tensor) -> torch.Tensor:
    """Cross entropy plus soft Dice against true labels.

    Args:
        logits: ``B x C x S``.
        labels: ``B x S``, int64, 0 to C - 1.
        annotated: ``B x S``, bool, False where the true label is unknown.

    Returns:
        A scalar; the cross entropy is the mean over the annotated pixels, 0 where there are none.
    """
    logits, mask = logits.float(), annotated.float()
    cross_entropy = counted_mean((F.cross_entropy(logits, labels, reduction="none") * mask).sum(), mask.sum())
    target = one_hot(labels, logits.shape[1], torch.float32)
    return cross_entropy + soft_dice_loss(logits.softmax(1), target, mask[:, None])


def masked_seg_loss(
    logits: torch.Tensor, labels: torch.Tensor, trusted: torch.Tensor, mask_background: bool = True
) -> torch.Tensor:
    """Cross entropy plus soft Dice against pseudo-labels that count where they are trusted.

    The cross entropy is divided by ALL pixels, so that few trusted pixels weigh little (SynFoC, step 5).

    Args:
        logits: ``B x C x S``.
        labels: ``B x S``, int64, 0 to C - 1.
        trusted: ``B x S``, bool.
        mask_background: Passed on to `soft_dice_loss`.

    Returns:
        A scalar.

    Examples:
        Where nothing is trusted there is nothing to learn:

        >>> logits, labels = torch.zeros(1, 2, 4, 4), torch.ones(1, 4, 4, dtype=torch.int64)
        >>> float(masked_seg_loss(logits, labels, torch.zeros(1, 4, 4, dtype=torch.bool)))
        0.0
    """
    logits, mask = logits.float(), trusted.float()
    cross_entropy = (F.cross_entropy(logits, labels, reduction="none") * mask).mean()
    target = one_hot(labels, logits.shape[1], torch.float32)
    return cross_entropy + soft_dice_loss(logits.softmax(1), target, mask[:, None], mask_background)


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
        mask_background: False: channel 0 ignores the mask, which is what SynFoC's released code does.
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
