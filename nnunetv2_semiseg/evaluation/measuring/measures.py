"""Agreement of a predicted mask with the true one, by medpy's definitions.

Distances are those between surfaces. The surface of a mask are its pixels that have, along some axis, a
neighbor outside of the mask.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from medpy.metric import binary
from scipy import ndimage

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Measure:
    """A measure of agreement.

    Attributes:
        name: Key of the measure in files.
        title: Name of the measure in tables and plots.
        is_distance: Whether the measure is a distance, in mm or pixels, where less is better. Otherwise it is
            an overlap, 0 to 1, where more is better.
    """

    name: str
    title: str
    is_distance: bool


MEASURES = (
    Measure("dice", "Dice", is_distance=False),
    Measure("jaccard", "Jaccard", is_distance=False),
    Measure("hd95", "HD95", is_distance=True),
    Measure("asd", "ASD", is_distance=True),
)
"""All measures, in the order of reports."""


def dice(predicted: Mask, reference: Mask) -> float:
    """Dice coefficient ``2 |P and R| / (|P| + |R|)``.

    Args:
        predicted: Predicted mask ``P`` of any shape.
        reference: True mask ``R`` of the same shape.

    Returns:
        0 to 1; NaN if both masks are empty.

    Examples:
        >>> dice(np.array([True, True, False]), np.array([False, True, False]))
        0.6666666666666666
        >>> dice(np.zeros(3, dtype=bool), np.zeros(3, dtype=bool))
        nan
    """
    return float(binary.dc(predicted, reference)) if predicted.any() or reference.any() else math.nan


def jaccard(predicted: Mask, reference: Mask) -> float:
    """Jaccard index ``|P and R| / |P or R|``, 0 to 1; NaN if both masks are empty."""
    return float(binary.jc(predicted, reference)) if predicted.any() or reference.any() else math.nan


def surface_distances(
    predicted: Mask, reference: Mask, spacing: tuple[float, ...] | None = None
) -> tuple[float, float]:
    """HD95 and ASD of a predicted mask.

    An axis of length 1 does not count: in a volume of one slice, every pixel would belong to the surface.

    Args:
        predicted: Predicted mask of any shape.
        reference: True mask of the same shape.
        spacing: Size of a pixel along each axis in mm; None: distances are in pixels.

    Returns:
        HD95, the 95th percentile of the distances from each surface to the other, of both directions
        together, and ASD, the mean distance from the predicted surface to the true one. Both are NaN if a
        mask is empty.
    """
    if not predicted.any() or not reference.any():
        return math.nan, math.nan
    axes = [axis for axis, length in enumerate(predicted.shape) if length > 1] or [0]
    thin = tuple(axis for axis in range(predicted.ndim) if axis not in axes)
    # outside of what both masks fill there is no surface, so that distances in the box are the same
    box = ndimage.find_objects((predicted | reference).squeeze(thin).astype(np.uint8))[0]
    first, second = predicted.squeeze(thin)[box], reference.squeeze(thin)[box]
    steps = None if spacing is None else tuple(spacing[axis] for axis in axes)
    hd95 = binary.hd95(first, second, voxelspacing=steps)
    return float(hd95), float(binary.asd(first, second, voxelspacing=steps))
