"""Losses of one task's foreground: cross entropy and the Dice of the foreground alone.

Zeng et al., "Segment together: a versatile paradigm for semi-supervised medical image segmentation",
IEEE TMI 2025. In float32 whatever the logits are, as in `segmentation`.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from nnunetv2_semiseg.methods.losses.reduction import mean_inside
from nnunetv2_semiseg.methods.losses.segmentation import soft_dice_loss

EPSILON = 1e-5


def foreground_probability(logits: torch.Tensor, pair_axis: int = 1) -> torch.Tensor:
    """Softmax over background and foreground, of which the foreground's part is kept.

    Args:
        logits: ``B x 2 x S`` or, with ``pair_axis=2``, ``B x K x 2 x S``.
        pair_axis: The axis of background and foreground.

    Returns:
        ``B x S`` or ``B x K x S``, float32.
    """
    background, foreground = logits.float().unbind(pair_axis)
    return torch.sigmoid(foreground - background)


def aggregated_probability(task_logits: torch.Tensor) -> torch.Tensor:
    """Foreground of any task: the maximum over the tasks' foreground probabilities.

    Args:
        task_logits: Logits of the same images for K tasks, ``B x K x 2 x S``.

    Returns:
        ``B x S``, float32; the gradient reaches the most probable task at each pixel.
    """
    return foreground_probability(task_logits, pair_axis=2).amax(1)


def foreground_dice_loss(
    probability: torch.Tensor, target: torch.Tensor, inside: torch.Tensor | None = None
) -> torch.Tensor:
    """``1 - (2 Σ p y + ε) / (Σ p² + Σ y² + ε)``, sums over the batch and all pixels, ε = 1e-5.

    Args:
        probability: Probability of the foreground, ``B x S``.
        target: ``B x S``: labels of any type, 0 or 1, or probabilities, which get a gradient too.
        inside: ``B x 1 x S``, bool: only these pixels count. None: all.

    Returns:
        A scalar.
    """
    probability, target = probability.float()[:, None], target.float()[:, None]
    mask = torch.ones_like(target) if inside is None else inside.float()
    return soft_dice_loss(probability, target, mask, epsilon=EPSILON)


def task_seg_loss(
    logits: torch.Tensor, labels: torch.Tensor, inside: torch.Tensor | None = None
) -> torch.Tensor:
    """Cross entropy, the mean over the pixels that count, plus the Dice loss of the foreground.

    Args:
        logits: Logits of background and foreground, ``B x 2 x S``.
        labels: ``B x S``, 0 or 1, of any type.
        inside: ``B x 1 x S``, bool: only these pixels count. None: all.

    Returns:
        A scalar.
    """
    cross_entropy = F.cross_entropy(logits.float(), labels.long(), reduction="none")
    dice = foreground_dice_loss(foreground_probability(logits), labels, inside)
    return mean_inside(cross_entropy, inside) + dice
