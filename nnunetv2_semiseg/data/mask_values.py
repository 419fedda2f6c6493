"""Labels of mask files whose values are not exact colours: thresholded, or class numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from nnunetv2_semiseg.data.image_files import LabelArray, load_image

GREY_TOLERANCE = 32
"""How much the channels of a grey mask may differ: JPEG compression changes them a little."""

JPEG_ARTEFACTS = 32
"""Values up to this one may come of JPEG compression where a mask is black."""


def read_binary_mask(path: Path, threshold: int) -> LabelArray:
    """1 where a grey mask is above a threshold, which also clears the artefacts of JPEG.

    Args:
        path: The mask.
        threshold: A value from 0 to 254.

    Returns:
        Labels, HxW.

    Raises:
        ValueError: The file cannot be read, is coloured or transparent, or has values above 0, in a JPEG file
            above what compression does, but none above the threshold.
    """
    image = load_image(path)
    grey = _grey(path, image)
    labels = (grey > threshold).astype(np.uint8)
    black = JPEG_ARTEFACTS if image.format == "JPEG" else 0
    if grey.max() > black and not labels.any():
        raise ValueError(
            f"{path}: its highest value is {grey.max()}, so nothing is above the threshold {threshold}; give "
            "a lower --threshold (0 for masks of 0 and 1)"
        )
    return labels


def read_class_mask(path: Path, classes: tuple[str, ...]) -> LabelArray:
    """Labels of a mask whose values, or indices into its palette, are the numbers of classes.

    Args:
        path: The mask.
        classes: Names of the classes 1, 2, ...

    Returns:
        Labels, HxW.

    Raises:
        ValueError: The file cannot be read, is a JPEG file, coloured or transparent, or has a value that is
            not a class.
    """
    image = load_image(path)
    if image.format == "JPEG":
        raise ValueError(f"{path}: JPEG changes the numbers of classes; save masks of several classes as png")
    labels = np.asarray(image) if image.mode == "P" else _grey(path, image, tolerance=0)
    if image.mode == "1":
        labels = labels // 255
    if labels.max() > len(classes):
        raise ValueError(
            f"{path}: mask value {labels.max()} is unknown; valid are 0 for background to {len(classes)} for "
            f"{classes[-1]}"
        )
    return labels


def _grey(path: Path, image: Image.Image, tolerance: int = GREY_TOLERANCE) -> LabelArray:
    if "A" in image.mode and image.getchannel("A").getextrema() != (255, 255):
        raise ValueError(f"{path}: the mask is transparent in places; save it without an alpha channel")
    colours = np.asarray(image.convert("RGB"))
    if np.ptp(colours, axis=-1).max() > tolerance:
        raise ValueError(
            f"{path}: the mask is coloured; save it in grey, background 0, or with numbers of classes for "
            "--classes"
        )
    return np.asarray(image.convert("L"))
