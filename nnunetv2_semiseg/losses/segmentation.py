"""``SegLoss``: cross entropy plus soft Dice, for true labels and for masked pseudo-labels.

In float32 whatever the logits are: a sum over the pixels of a batch overflows in half precision.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from nnunetv2_semiseg.losses.dice import soft_dice_loss
from nnunetv2_semiseg.losses.reduction import counted_mean


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
    """
    logits, mask = logits.float(), trusted.float()
    cross_entropy = (F.cross_entropy(logits, labels, reduction="none") * mask).mean()
    target = one_hot(labels, logits.shape[1], torch.float32)
    return cross_entropy + soft_dice_loss(logits.softmax(1), target, mask[:, None], mask_background)
