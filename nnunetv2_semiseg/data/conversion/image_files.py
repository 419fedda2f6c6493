"""Image and mask files of 2D data sets (png, jpg, bmp, tif): reading, checking, resizing and writing them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.core.files import reading

LabelArray: TypeAlias = npt.NDArray[np.uint8]
"""Labels of an image or a volume, as converters write them."""

Mode: TypeAlias = Literal["RGB", "L"]

REMEDY = "get this file again, or remove it"

GREY_MODES = ("1", "L", "LA")
"""PIL modes without colour."""

EIGHT_BIT_MODES = (*GREY_MODES, "P", "RGB", "RGBA")
"""PIL modes that convert to grey or RGB without loss of range; 16 bit ones would be clipped silently."""

GREY_TOLERANCE = 32
"""Largest difference between the channels of a grey mask, which JPEG compression changes a little."""

JPEG_ARTEFACTS = 32
"""Largest value that JPEG compression may leave where a mask is black."""


def load_image(path: Path) -> Image.Image:
    """An 8 bit image in the mode of its file.

    Raises:
        UserError: The file is not a readable image with 8 bits per channel, holds several images, or is to be
            rotated when shown.
    """
    with reading(path, REMEDY), Image.open(path) as image:
        frames = getattr(image, "n_frames", 1)
        # before loading, which rotates tif files and drops the tag
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        image.load()
    if image.mode not in EIGHT_BIT_MODES:
        raise UserError(f"{path}: pixel type {image.mode} is not supported; convert it to 8 bits a channel")
    if frames > 1:
        raise UserError(f"{path}: holds several images; save each one to a file of its own")
    if orientation > 1:
        # whether the mask was drawn on the rotated image cannot be known
        raise UserError(
            f"{path}: is rotated by its EXIF tag only; rotate its pixels to fit the mask and remove the tag"
        )
    return image


def read_image(path: Path, mode: str) -> Image.Image:
    """An 8 bit image in PIL's mode ``L`` or ``RGB``; an alpha channel is dropped.

    Raises:
        UserError: See `load_image`.
    """
    return load_image(path).convert(mode)


def file_mode(path: Path) -> Mode:
    """Whether a file is grey or in colour, read from its header; palettes count as colour.

    Raises:
        UserError: The file is not an image.
    """
    with reading(path, REMEDY), Image.open(path) as image:
        return "L" if image.mode in GREY_MODES else "RGB"


def read_binary_mask(path: Path, threshold: int) -> LabelArray:
    """1 where a grey mask is above a threshold, which also clears the artefacts of JPEG.

    Args:
        path: File of the mask.
        threshold: Value from 0 to 254.

    Returns:
        Labels, HxW.

    Raises:
        UserError: The file cannot be read, is coloured or transparent, or has values above 0, in a JPEG file
            above what compression does, but none above the threshold.
    """
    image = load_image(path)
    grey = _grey(path, image)
    labels = (grey > threshold).astype(np.uint8)
    black = JPEG_ARTEFACTS if image.format == "JPEG" else 0
    if grey.max() > black and not labels.any():
        raise UserError(
            f"{path}: its highest value is {grey.max()}, so nothing is above the threshold {threshold}; give "
            "a lower --threshold (0 for masks of 0 and 1)"
        )
    return labels


def read_class_mask(path: Path, classes: tuple[str, ...]) -> LabelArray:
    """Labels of a mask whose values, or indices into its palette, are the numbers of classes.

    Args:
        path: File of the mask.
        classes: Names of the classes 1, 2, ...

    Returns:
        Labels, HxW.

    Raises:
        UserError: The file cannot be read, is a JPEG file, coloured or transparent, or has a value that is
            not a class.
    """
    image = load_image(path)
    if image.format == "JPEG":
        raise UserError(f"{path}: JPEG changes the numbers of classes; save masks of several classes as png")
    labels = np.asarray(image) if image.mode == "P" else _grey(path, image, tolerance=0)
    if image.mode == "1":
        labels = labels // 255
    if labels.max() > len(classes):
        raise UserError(
            f"{path}: mask value {labels.max()} is unknown; valid are 0 for background to {len(classes)} for "
            f"{classes[-1]}"
        )
    return labels


def check_mask_size(path: Path, labels: LabelArray, size: tuple[int, int]) -> None:
    """Refuse a mask that does not cover its image.

    Args:
        path: File of the mask.
        labels: Labels of the mask, HxW.
        size: Width and height of the image.

    Raises:
        UserError: The mask has another size.
    """
    if labels.shape[::-1] != size:
        raise UserError(
            f"{path}: mask of {labels.shape[1]}x{labels.shape[0]} pixels, "
            f"but its image has {size[0]}x{size[1]}"
        )


def write_resized(image: Image.Image, size: int | None, path: Path) -> None:
    """Write an image, resized smoothly to ``size`` x ``size`` unless that is None."""
    # PIL's bilinear filter widens with the scale, so shrinking does not alias
    _resized(image, size, Image.Resampling.BILINEAR).save(path)


def write_resized_mask(labels: LabelArray, size: int | None, path: Path) -> None:
    """Write a mask, resized without new values to ``size`` x ``size`` unless that is None."""
    _resized(Image.fromarray(labels), size, Image.Resampling.NEAREST).save(path)


def _grey(path: Path, image: Image.Image, tolerance: int = GREY_TOLERANCE) -> LabelArray:
    if "A" in image.mode and image.getchannel("A").getextrema() != (255, 255):
        raise UserError(f"{path}: the mask is transparent in places; save it without an alpha channel")
    colours = np.asarray(image.convert("RGB"))
    if np.ptp(colours, axis=-1).max() > tolerance:
        raise UserError(
            f"{path}: the mask is coloured; save it in grey, background 0, or with numbers of classes for "
            "--classes"
        )
    return np.asarray(image.convert("L"))


def _resized(image: Image.Image, size: int | None, resampling: Image.Resampling) -> Image.Image:
    return image if size is None else image.resize((size, size), resampling)
