"""Bringing probabilities, class maps and masks from one pixel grid to another."""

from __future__ import annotations

import torch
from torch.nn import functional as F

Size = tuple[int, ...]


def bilinear(values: torch.Tensor, size: Size) -> torch.Tensor:
    """``B x C x H x W`` float values on a grid of ``size``, bilinear without aligned corners."""
    return F.interpolate(values, size=size, mode="bilinear", align_corners=False)


def nearest(values: torch.Tensor, size: Size) -> torch.Tensor:
    """``B x C x H x W`` values of any type on a grid of ``size``, each pixel from its nearest one."""
    return F.interpolate(values.float(), size=size, mode="nearest").to(values.dtype)


def nearest_map(class_map: torch.Tensor, size: Size) -> torch.Tensor:
    """Class maps or masks ``B x H x W`` on a grid of ``size``, each pixel from its nearest one."""
    return nearest(class_map[:, None], size)[:, 0]


def class_entropy(probabilities: torch.Tensor) -> torch.Tensor:
    """``-p log p`` of each class, 0 with a finite gradient where a class is ruled out.

    Args:
        probabilities: Any shape, 0 to 1.

    Returns:
        The same shape.
    """
    tiny = torch.finfo(probabilities.dtype).tiny
    return -probabilities * probabilities.clamp_min(tiny).log()


def pixel_entropy(probabilities: torch.Tensor) -> torch.Tensor:
    """``-Σ_c p_c log p_c`` in nats: 0 for a certain pixel, ``log C`` for one without any preference.

    Args:
        probabilities: ``B x C x S``, over the classes.

    Returns:
        ``B x 1 x S``.
    """
    return class_entropy(probabilities).sum(1, keepdim=True)
