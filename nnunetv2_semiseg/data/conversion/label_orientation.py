"""Labels whose file may list the voxels in another order than that of their image.

The header of a label says where its voxels lie. Where it contradicts that of the image, only a person can
decide which axes are reversed; intensities below the label help.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from nnunetv2_semiseg.core.errors import UserError

Voxels: TypeAlias = npt.NDArray[Any]

AXES = "xyz"
FLIPS = ("none", "x", "y", "z", "xy", "xz", "yz", "xyz")
"""Axes of a label that may be reversed."""

SOFT_TISSUE = (-50, 250)
"""Hounsfield units of organs, with contrast agent as well; fat and air are below, bone is above."""

CLEARLY_BETTER = 0.2
"""Share of a label that must lie on soft tissue in another orientation alone to warn of the present one."""


def label_on_image(label: sitk.Image, image: sitk.Image, flip: str | None, path: Path) -> Voxels:
    """Voxels of a label in the order of those of its image, with a warning if they are probably reversed.

    Args:
        label: The label as read from its file.
        image: The label's image, a CT with Hounsfield units.
        flip: One of `FLIPS`, to be applied to the voxels as they are stored, whatever the headers say; None
            to go by the headers.
        path: File of the label, for error messages.

    Raises:
        UserError: The sizes differ, or ``flip`` is None and the headers put the label elsewhere than the
            image.
    """
    stored: Voxels = sitk.GetArrayFromImage(label)
    if flip is None:
        placed = _oriented_like(label, image)
        if placed is not None:
            _warn_if_reversed(stored, sitk.GetArrayFromImage(placed), image, path)
            return sitk.GetArrayFromImage(placed)
    if label.GetSize() != image.GetSize():
        raise UserError(
            f"{path}: label of size {label.GetSize()}, but its image has {image.GetSize()}; is it of this "
            "case, and is no slice missing?"
        )
    if flip is not None:
        _warn_if_reversed(stored, flipped(stored, flip), image, path)
        return flipped(stored, flip)
    shares = soft_tissue_shares(sitk.GetArrayViewFromImage(image), stored)
    raise UserError(
        f"{path}: by its header this label lies elsewhere than its image (origin {label.GetOrigin()} and "
        f"{image.GetOrigin()}, spacing {label.GetSpacing()} and {image.GetSpacing()}); look at both and say "
        "with --flip-labels which axes to reverse; share of the label on soft tissue: "
        f"{', '.join(f'{name} {share:.0%}' for name, share in shares.items())}"
    )


def flipped(voxels: Voxels, flip: str) -> Voxels:
    """Voxels (z, y, x) with axes reversed; ``flip`` is one of `FLIPS`."""
    chosen = () if flip == FLIPS[0] else tuple(len(AXES) - 1 - AXES.index(axis) for axis in flip)
    return np.flip(voxels, chosen)


def soft_tissue_shares(image: Voxels, label: Voxels) -> dict[str, float]:
    """Share of a label's foreground that would lie on soft tissue of a CT image, for each of `FLIPS`.

    Args:
        image: Hounsfield units, Z x Y x X.
        label: Labels of the same shape, 0 for background.
    """
    places = np.nonzero(label)
    if not len(places[0]):
        return dict.fromkeys(FLIPS, 0.0)
    tissue = (image >= SOFT_TISSUE[0]) & (image <= SOFT_TISSUE[1])
    # reversing the image is the same as reversing the label, and takes no copy
    return {flip: float(np.mean(flipped(tissue, flip)[places])) for flip in FLIPS}


def _warn_if_reversed(stored: Voxels, placed: Voxels, image: sitk.Image, path: Path) -> None:
    pixels = sitk.GetArrayViewFromImage(image)
    if stored.shape != pixels.shape:
        return  # the header exchanges axes, which --flip-labels cannot
    present = soft_tissue_shares(pixels, placed)[FLIPS[0]]
    shares = soft_tissue_shares(pixels, stored)
    best = max(shares, key=lambda name: shares[name])
    if shares[best] - present > CLEARLY_BETTER:
        warnings.warn(
            f"{path}: {present:.0%} of the label lie on soft tissue, with --flip-labels {best} it would be "
            f"{shares[best]:.0%}; look at image and label"
        )


def _oriented_like(label: sitk.Image, image: sitk.Image) -> sitk.Image | None:
    """The label with its axes as those of the image, or None where it then has another grid."""
    orientation = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())
    turned = sitk.DICOMOrient(label, orientation)
    return turned if turned.GetSize() == image.GetSize() and _same_grid(turned, image) else None


def _same_grid(label: sitk.Image, image: sitk.Image) -> bool:
    return (
        np.allclose(label.GetSpacing(), image.GetSpacing(), rtol=1e-3)
        and np.allclose(label.GetOrigin(), image.GetOrigin(), atol=0.1)
        and np.allclose(label.GetDirection(), image.GetDirection(), atol=1e-3)
    )
