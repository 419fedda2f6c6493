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
