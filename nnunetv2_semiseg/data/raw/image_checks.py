"""Whether an image fits a dataset: its channels, its dimension and its values.

Asked when a user adds images to a raw dataset, and again when they are preprocessed. The first time the
labeled images say what is expected, the second time the plans do, and the answer is the same.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from nnunetv2.imageio.base_reader_writer import BaseReaderWriter
from nnunetv2.preprocessing.normalization.default_normalization_schemes import RGBTo01Normalization
from nnunetv2.preprocessing.normalization.map_channel_name_to_normalization import get_normalization_scheme
from tqdm import tqdm

from nnunetv2_semiseg.core.files import reading, short_reason

MAX_EXAMPLES = 50
"""Number of labeled images that are read to learn spacings; they are spread evenly over the dataset."""

MAX_SPACING_RATIO = 5.0
"""A spacing this many times larger or smaller than all labeled ones is probably a wrong header."""

Spacing: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Expectation:
    """What the images of a dataset have in common.

    Attributes:
        channels: Number of channels.
        volumes: Whether the images are 3D; None where some of the labeled images are and some are not.
        eight_bit: Whether nnU-Net takes all channels for colors from 0 to 255.
        spacings: Smallest and largest spacing of labeled images along z, y, x, where known.
    """

    channels: int
    volumes: bool | None
    eight_bit: bool = False
    spacings: tuple[Spacing, Spacing] | None = None


def learn_expectation(
    labeled: Sequence[tuple[Path, ...]], channels: Collection[str], reader: BaseReaderWriter
) -> Expectation:
    """Read labeled images to see what others should be like.

    Args:
        labeled: The files of each labeled image.
        channels: Names of the dataset's channels, which decide how nnU-Net normalises them.
        reader: nnU-Net's reader for the dataset.

    Raises:
        UserError: A labeled image cannot be read.
    """
    indices = np.unique(np.linspace(0, len(labeled) - 1, MAX_EXAMPLES).astype(int))
    shapes, spacings = [], []
    for index in tqdm(indices, desc="labeled images", unit="case"):
        with reading(labeled[index][0], "replace or remove this labeled case"):
            image, properties = reader.read_images([str(path) for path in labeled[index]])
        shapes.append(image.shape[1:])
        spacings.append(properties["spacing"])
    return Expectation(
        len(channels),
        are_volumes(shapes),
        all(get_normalization_scheme(channel) is RGBTo01Normalization for channel in channels),
        (np.min(spacings, axis=0), np.max(spacings, axis=0)),
    )


def are_volumes(shapes: Collection[Sequence[int]]) -> bool | None:
    """Whether images of these shapes, ``D x H x W`` as nnU-Net reads them, are 3D; None if they differ."""
    kinds = {shape[0] > 1 for shape in shapes}
    return kinds.pop() if len(kinds) == 1 else None


def problem_of(image: npt.NDArray[Any], expected: Expectation) -> str | None:
    """Why an image cannot be used, such as ``has 3 channels, but the dataset has 1``; None if it can.

    Args:
        image: The image as nnU-Net reads it, ``C x D x H x W``; 2D images have depth 1.
        expected: What images of the dataset are like.
    """
    if len(image) != expected.channels:
        return f"has {len(image)} channels, but the dataset has {expected.channels}"
    is_volume = are_volumes([image.shape[1:]])
    if expected.volumes is not None and is_volume != expected.volumes:
        found, wanted = ("3D", "2D") if is_volume else ("2D", "3D")
        return f"is {found}, but the labeled images are {wanted}"
    if not np.isfinite(image).all():
        return "has values that are NaN or infinite"
    if expected.eight_bit and not 0 <= image.min() <= image.max() <= 255:
        found = f"{image.min():g} to {image.max():g}"
        return f"has values from {found}, but colors are expected as 0 to 255: save it with 8 bits"
    return None


def check_image(
    files: Sequence[Path], reader: BaseReaderWriter, expected: Expectation
) -> tuple[str | None, str | None]:
    """Read an image and compare it with what is expected.

    Args:
        files: One file for each channel, or one for all.
        reader: nnU-Net's reader for the dataset.
        expected: What images of the dataset are like.

    Returns:
        Why the image cannot be used, or None, and what is unusual about it, or None; both without its name.
    """
    try:
        image, properties = reader.read_images([str(path) for path in files])
    except MemoryError:
        raise
    except Exception as error:  # readers raise whatever their libraries do
        several = ", or its channels differ in size or spacing" if len(files) > 1 else ""
        return f"cannot be read{several} ({short_reason(error, str(files[0]))})", None
    problem = problem_of(image, expected)
    return problem, None if problem else _unusual_spacing(properties["spacing"], expected)


def _unusual_spacing(values: Sequence[float], expected: Expectation) -> str | None:
    if expected.spacings is None:
        return None
    spacing, (smallest, largest) = np.asarray(values, dtype=float), expected.spacings
    if np.maximum(spacing / largest, smallest / spacing).max() <= MAX_SPACING_RATIO:
        return None
    return (
        f"has spacing {_rounded(spacing)}, but the labeled images have {_rounded(smallest)} to "
        f"{_rounded(largest)}; is its header right?"
    )


def _rounded(spacing: Spacing) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in spacing) + ")"
