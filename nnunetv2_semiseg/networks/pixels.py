"""Values at pixels: brought from one grid to another, and how uncertain a segmentation is about each."""

from __future__ import annotations

import torch
from torch.nn import functional as F

Size = tuple[int, ...]
"""Height and width of a grid in pixels."""


def bilinear(values: torch.Tensor, size: Size) -> torch.Tensor:
    """Bring float values ``B x C x H x W`` to a grid of ``size``, bilinearly, corners not aligned."""
    return F.interpolate(values, size=size, mode="bilinear", align_corners=False)


def nearest(values: torch.Tensor, size: Size) -> torch.Tensor:
    """Bring values ``B x C x H x W`` of any type to a grid of ``size``, each pixel from its nearest one."""
    return F.interpolate(values.float(), size=size, mode="nearest").to(values.dtype)


def nearest_map(class_map: torch.Tensor, size: Size) -> torch.Tensor:
    """Bring class maps or masks ``B x H x W`` to a grid of ``size``, each pixel from its nearest one."""
    return nearest(class_map[:, None], size)[:, 0]


def class_entropy(probabilities: torch.Tensor) -> torch.Tensor:
    """``-p log p`` of each class, 0 with a finite gradient where a class is ruled out.

    Args:
        probabilities: Values from 0 to 1 in any shape.

    Returns:
        The same shape.
    """
    tiny = torch.finfo(probabilities.dtype).tiny
    return -probabilities * probabilities.clamp_min(tiny).log()


def pixel_entropy(probabilities: torch.Tensor) -> torch.Tensor:
    """``-Σ_c p_c log p_c`` in nats: 0 for a certain pixel, ``log C`` for one without any preference.

    Args:
        probabilities: Probabilities of C classes, ``B x C x S``.

    Returns:
        ``B x 1 x S``.
    """
    return class_entropy(probabilities).sum(1, keepdim=True)
