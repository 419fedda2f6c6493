"""Reading and writing the png, jpg, bmp and tif files of 2D data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

LabelArray: TypeAlias = npt.NDArray[np.uint8]
Mode: TypeAlias = Literal["RGB", "L"]

GREY_MODES = ("1", "L", "LA")
EIGHT_BIT_MODES = (*GREY_MODES, "P", "RGB", "RGBA")
"""PIL modes that convert to grey or RGB without loss of range; 16 bit ones would be clipped silently."""


def load_image(path: Path) -> Image.Image:
    """An 8 bit image in the mode of its file.

    Raises:
        ValueError: The file is not a readable image of 8 bits a channel, holds several images, or is to be
            rotated when shown.
    """
    try:
        with Image.open(path) as image:
            frames = getattr(image, "n_frames", 1)
            # before loading, which rotates tif files and drops the tag
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
            image.load()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read as an image ({error})") from None
    if image.mode not in EIGHT_BIT_MODES:
        raise ValueError(f"{path}: pixel type {image.mode} is not supported; convert it to 8 bits a channel")
    if frames > 1:
        raise ValueError(f"{path}: holds several images; save each one to a file of its own")
    if orientation > 1:
        # whether the mask was drawn on the rotated image cannot be known
        raise ValueError(
            f"{path}: is rotated by its EXIF tag only; rotate its pixels to fit the mask and remove the tag"
        )
    return image


def read_image(path: Path, mode: str) -> Image.Image:
    """An 8 bit image in PIL's mode ``L`` or ``RGB``; an alpha channel is dropped.

    Raises:
        ValueError: See `load_image`.
    """
    return load_image(path).convert(mode)


def file_mode(path: Path) -> Mode:
    """Whether a file is grey or in colour, read from its header; palettes count as colour.

    Raises:
        ValueError: The file is not an image.
    """
    try:
        with Image.open(path) as image:
            return "L" if image.mode in GREY_MODES else "RGB"
    except OSError as error:
        raise ValueError(f"{path}: cannot be read as an image ({error})") from None


def check_mask_size(path: Path, labels: LabelArray, size: tuple[int, int]) -> None:
    """Refuse a mask that does not cover its image.

    Args:
        path: The mask's file.
        labels: The mask, HxW.
        size: Width and height of the image.

    Raises:
        ValueError: The mask has another size.
    """
    if labels.shape[::-1] != size:
        raise ValueError(
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


def _resized(image: Image.Image, size: int | None, resampling: Image.Resampling) -> Image.Image:
    return image if size is None else image.resize((size, size), resampling)
