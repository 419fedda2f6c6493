"""How far two segmentations of the same image agree."""

from __future__ import annotations

import torch

from nnunetv2_semiseg.methods.losses.segmentation import one_hot


def class_map_agreement(first: torch.Tensor, second: torch.Tensor, num_classes: int) -> torch.Tensor:
    """Dice of two class maps, per sample, mean over the foreground classes (SynFoC, step 2).

    ``(2 |a ∩ b| + 1) / (1.001 + |a| + |b|)`` for a class that at least one map has, 1 for one in neither.

    Args:
        first: ``B x S``, int64, 0 to num_classes - 1.
        second: Class map of the same shape.
        num_classes: Number of classes, background included.

    Returns:
        ``B`` values, float32, about 0 to 1.
    """
    a = one_hot(first, num_classes, torch.float32)[:, 1:].flatten(2)
    b = one_hot(second, num_classes, torch.float32)[:, 1:].flatten(2)
    intersection, sizes = (a * b).sum(2), a.sum(2) + b.sum(2)
    dice = (2 * intersection + 1) / (1.001 + sizes)
    return torch.where(sizes == 0, torch.ones_like(dice), dice).mean(1)
