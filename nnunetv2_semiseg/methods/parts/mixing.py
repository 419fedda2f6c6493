"""Mixing of images: regions are drawn here and applied there, so that a test can give its own regions."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.networks.pixels import nearest, pixel_entropy

MAX_TRIES = 1000


def draw_cutmix_boxes(
    count: int,
    shape: tuple[int, ...],
    share: tuple[float, float] = (0.02, 0.4),
    aspect: tuple[float, float] = (0.3, 1 / 0.3),
) -> torch.Tensor:
    """One random box for each sample, from torch's global CPU stream.

    Args:
        count: Number of samples B.
        shape: Spatial shape S of the patch in pixels, two axes or more.
        share: Smallest and largest part of the patch's area or volume that a box covers.
        aspect: Smallest and largest height over width, in pixels. An axis before these two, such as the
            depth of a volume, is compared with the others in parts of the patch instead: a patch of few
            thick slices then gets boxes of few thick slices.

    Returns:
        ``B x 1 x S``, bool, True inside the box.

    Examples:
        >>> boxes = draw_cutmix_boxes(2, (64, 64))
        >>> boxes.shape, bool(boxes.any()), bool(boxes.all())
        (torch.Size([2, 1, 64, 64]), True, False)
    """
    masks = torch.zeros((count, 1, *shape), dtype=torch.bool)
    for mask in masks:
        _place_box(mask, _draw_box_size(shape, share, aspect))
    return masks


def draw_cubes(count: int, shape: tuple[int, ...], side: float | tuple[float, float]) -> torch.Tensor:
    """One box of the patch's own proportions for each sample, from torch's global CPU stream.

    Args:
        count: Number of samples B.
        shape: Spatial shape S of the patch in pixels, of any number of axes.
        side: Edges of the box in parts of the patch's edges: one for all boxes, or the smallest and the
            largest between which each box's is drawn.

    Returns:
        ``B x 1 x S``, bool, True inside the box; for `paste`.

    Raises:
        UserError: ``side`` is no part of the patch, or the smallest box has no pixel along some axis.
    """
    low, high = check_cubes(shape, side)
    masks = torch.zeros((count, 1, *shape), dtype=torch.bool)
    for mask in masks:
        part = low if low == high else low + (high - low) * float(torch.rand(()))
        _place_box(mask, _scaled(shape, part))
    return masks


def check_cubes(
    shape: tuple[int, ...], side: float | tuple[float, float], called: str = "the smallest side"
) -> tuple[float, float]:
    """Smallest and largest side of the cubes of `draw_cubes`, in parts of the patch's sides.

    Args:
        shape: Spatial shape of a patch.
        side: Side of the cubes, or its smallest and largest value, above 0 and at most 1.
        called: What the user sets the smallest side by, for the message.

    Raises:
        UserError: The sides are no such parts, or the patch is too small for the smallest cube.
    """
    low, high = side if isinstance(side, tuple) else (side, side)
    if not 0 < low <= high <= 1:
        raise UserError(
            f"the side of a cube must be above 0 and at most 1, the lower bound first; got {side}"
        )
    if min(_scaled(shape, low)) < 1:
        raise UserError(
            f"a cube of {low:g} of the patch {' x '.join(map(str, shape))} has an edge without voxels: "
            f"set {called} above {0.5 / min(shape):.3g}, or plan a larger patch"
        )
    return low, high


def draw_pairs(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples two by two in random order, from torch's global CPU stream.

    Args:
        count: Number of samples B. If it is odd, one of them is in two pairs, or its own partner where it is
            the only one.

    Returns:
        Indices of the first and of the second sample of each pair, ``(B + 1) // 2`` each.
    """
    order, pairs = torch.randperm(count), (count + 1) // 2
    return order[:pairs], order[-pairs:]


@torch.no_grad()
def uncertain_regions(
    probabilities: torch.Tensor, cells: int = 4, count: int = 5, most: bool = True
) -> torch.Tensor:
    """The cells of a coarse grid in which a segmentation is most uncertain (KnowSAM's guided mixing).

    Args:
        probabilities: Fused probabilities of 2D images, ``B x C x H x W``. Where the patch cannot be divided
            evenly, neighbouring cells share a row or column of pixels when their mean entropy is taken.
        cells: Cells along each side.
        count: Cells taken of each image.
        most: False takes the least uncertain ones, which is what KnowSAM's released code does.

    Returns:
        ``B x 1 x H x W``, bool, True in the cells taken; for `paste`.

    Raises:
        UserError: There are not so many cells.
    """
    if not 0 < count <= cells**2:
        raise UserError(f"a grid of {cells} x {cells} cells has no {count} cells to mix")
    means = F.adaptive_avg_pool2d(pixel_entropy(probabilities.float()), cells).flatten(1)
    taken = torch.zeros_like(means).scatter_(1, means.topk(count, largest=most).indices, 1).bool()
    return nearest(taken.reshape(-1, 1, cells, cells), probabilities.shape[2:])


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
    """One labeled sample for each of ``count`` unlabeled ones.

    Fewer are repeated. Of more, every second or third is taken: nnU-Net's loader centers the last third of a
    batch on foreground, which the first ones alone would never bring into an unlabeled image.
    """
    available = labeled.shape[0]
    if available == count:
        return labeled
    chosen = torch.arange(count, device=labeled.device)
    return labeled[chosen % available if available < count else chosen * available // count]


def exchange(labeled: torch.Tensor, unlabeled: torch.Tensor, regions: torch.Tensor) -> torch.Tensor:
    """Labeled samples with regions of unlabeled ones in them, and the other way round.

    Args:
        labeled: Images ``L x C x S`` or class maps ``L x S``.
        unlabeled: ``U x C x S`` or ``U x S``.
        regions: Where each sample is filled from its partner, bool, ``L + U x 1 x S`` or ``L + U x S``.

    Returns:
        ``L + U`` samples, those with a labeled image around the regions first.
    """
    into_labeled, into_unlabeled = regions.split([len(labeled), len(unlabeled)])
    filled = (
        paste(partners(unlabeled, len(labeled)), labeled, into_labeled),
        paste(partners(labeled, len(unlabeled)), unlabeled, into_unlabeled),
    )
    return torch.cat(filled)


def _place_box(mask: torch.Tensor, edges: tuple[int, ...]) -> None:
    """Set a box somewhere in a mask ``1 x S`` to True."""
    starts = [
        int(torch.randint(extent - edge + 1, ())) for extent, edge in zip(mask.shape[1:], edges, strict=True)
    ]
    box = (slice(start, start + edge) for start, edge in zip(starts, edges, strict=True))
    mask[(slice(None), *box)] = True


def _scaled(shape: tuple[int, ...], part: float) -> tuple[int, ...]:
    return tuple(round(part * extent) for extent in shape)


def _draw_box_size(
    shape: tuple[int, ...], share: tuple[float, float], aspect: tuple[float, float]
) -> tuple[int, ...]:
    """Edges of a box that fits; a very narrow patch gets the box cut to its size."""
    edges: tuple[int, ...] = (0,) * len(shape)
    for _ in range(MAX_TRIES):
        part, *ratios = (
            low + (high - low) * float(torch.rand(())) for low, high in (share, *[aspect] * (len(shape) - 1))
        )
        edges = _box_size(shape, part, ratios)
        if all(0 < edge <= extent for edge, extent in zip(edges, shape, strict=True)):
            break
    return tuple(max(1, min(edge, extent)) for edge, extent in zip(edges, shape, strict=True))


def _box_size(shape: tuple[int, ...], part: float, ratios: list[float]) -> tuple[int, ...]:
    """Edges of a box that covers ``part`` of ``shape``, one ratio for each axis but the last."""
    if len(shape) == 2:
        pixels = part * shape[0] * shape[1]
        return round(math.sqrt(pixels * ratios[0])), round(math.sqrt(pixels / ratios[0]))
    # geometric mean of the later axes' parts: ratio * others ** n is the part of the whole
    others = (part / ratios[0]) ** (1 / len(shape))
    first = round(ratios[0] * others * shape[0])
    return (first, *_box_size(shape[1:], others ** (len(shape) - 1), ratios[1:]))
