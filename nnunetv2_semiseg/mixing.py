"""Mixing of images: regions are drawn here and applied there, so that a test can give its own regions."""

from __future__ import annotations

import math

import torch

MAX_TRIES = 1000


def draw_cutmix_boxes(
    count: int,
    shape: tuple[int, int],
    area: tuple[float, float] = (0.02, 0.4),
    aspect: tuple[float, float] = (0.3, 1 / 0.3),
) -> torch.Tensor:
    """One random box for each sample, from torch's global CPU stream.

    Args:
        count: Number of samples B.
        shape: Height and width of the patch in pixels.
        area: Smallest and largest share of the patch that a box covers.
        aspect: Smallest and largest height over width.

    Returns:
        ``B x 1 x H x W``, bool, True inside the box.
    """
    masks = torch.zeros((count, 1, *shape), dtype=torch.bool)
    for mask in masks:
        height, width = _draw_box_size(shape, area, aspect)
        top = int(torch.randint(shape[0] - height + 1, ()))
        left = int(torch.randint(shape[1] - width + 1, ()))
        mask[:, top : top + height, left : left + width] = True
    return masks


def paste(source: torch.Tensor, target: torch.Tensor, region: torch.Tensor) -> torch.Tensor:
    """``target`` with the pixels of ``source`` inside ``region``.

    Args:
        source: Images ``B x C x S`` or class maps ``B x S``.
        target: The same shape.
        region: Bool, ``B x 1 x S`` for images, ``B x S`` for class maps.

    Returns:
        A new tensor.
    """
    return torch.where(region, source, target)


def partners(labeled: torch.Tensor, count: int) -> torch.Tensor:
    """Labeled samples repeated or cut so that each of ``count`` unlabeled samples has one."""
    if labeled.shape[0] == count:
        return labeled
    return labeled[torch.arange(count, device=labeled.device) % labeled.shape[0]]


def _draw_box_size(
    shape: tuple[int, int], area: tuple[float, float], aspect: tuple[float, float]
) -> tuple[int, int]:
    """Height and width of a box that fits; a very narrow patch gets the box cut to its size."""
    height = width = 0
    for _ in range(MAX_TRIES):
        share, ratio = (low + (high - low) * float(torch.rand(())) for low, high in (area, aspect))
        pixels = share * shape[0] * shape[1]
        height, width = round(math.sqrt(pixels * ratio)), round(math.sqrt(pixels / ratio))
        if 0 < height <= shape[0] and 0 < width <= shape[1]:
            break
    return max(1, min(height, shape[0])), max(1, min(width, shape[1]))
