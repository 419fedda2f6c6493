"""How well one predicted mask agrees with the true one, by medpy's definitions.

Distances are between surfaces: the pixels of a mask with a neighbour along an axis that is not of it.
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
    """What a number says.

    Attributes:
        name: Key in files.
        title: For readers.
        is_distance: Whether it is a distance, in mm or pixels, less being better; otherwise an overlap from
            0 to 1, more being better.
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
    """``2 |P and R| / (|P| + |R|)``, 0 to 1; NaN where both masks are empty."""
    return float(binary.dc(predicted, reference)) if predicted.any() or reference.any() else math.nan


def jaccard(predicted: Mask, reference: Mask) -> float:
    """``|P and R| / |P or R|``, 0 to 1; NaN where both masks are empty."""
    return float(binary.jc(predicted, reference)) if predicted.any() or reference.any() else math.nan


def surface_distances(
    predicted: Mask, reference: Mask, spacing: tuple[float, ...] | None = None
) -> tuple[float, float]:
    """HD95 and ASD.

    An axis of length 1 does not count: in a volume of one slice each pixel would be surface.

    Args:
        predicted: Of any shape.
        reference: Of the same shape.
        spacing: Of pixels along each axis in mm; None: distances are in pixels.

    Returns:
        The 95th percentile of the distances from each surface to the other, taken together, and the mean
        distance from the predicted surface to the true one. Both NaN where a mask is empty.
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
