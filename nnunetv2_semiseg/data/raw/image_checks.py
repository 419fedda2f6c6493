"""Whether an image fits a dataset: channels, dimension and spacing against those of the labeled images."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from nnunetv2.imageio.base_reader_writer import BaseReaderWriter
from nnunetv2.preprocessing.normalization.default_normalization_schemes import RGBTo01Normalization
from nnunetv2.preprocessing.normalization.map_channel_name_to_normalization import get_normalization_scheme
from tqdm import tqdm

MAX_EXAMPLES = 50
"""How many labeled images are read to learn spacings; they are spread evenly over the dataset."""

MAX_SPACING_RATIO = 5.0
"""A spacing this many times larger or smaller than all labeled ones is probably a wrong header."""


@dataclass(frozen=True)
class Expectation:
    """What images of a dataset are like.

    Attributes:
        channels: Their number of channels.
        volumes: Whether they are 3D; None where the labeled images are both.
        smallest: Smallest spacings of labeled images along z, y, x.
        largest: Largest spacings.
        eight_bit: Whether nnU-Net takes all channels for colors from 0 to 255.
    """

    channels: int
    volumes: bool | None
    smallest: npt.NDArray[np.float64]
    largest: npt.NDArray[np.float64]
    eight_bit: bool = False


def learn_expectation(
    labeled: Sequence[tuple[Path, ...]], channels: Collection[str], reader: BaseReaderWriter
) -> Expectation:
    """Read labeled images.

    Args:
        labeled: The files of each of them.
        channels: Names of the dataset's channels, which decide how nnU-Net normalises them.
        reader: nnU-Net's reader for the dataset.
    """
    indices = np.unique(np.linspace(0, len(labeled) - 1, MAX_EXAMPLES).astype(int))
    volumes, spacings = set(), []
    for index in tqdm(indices, desc="labeled images", unit="case"):
        image, properties = reader.read_images([str(path) for path in labeled[index]])
        volumes.add(image.shape[1] > 1)
        spacings.append(properties["spacing"])
    return Expectation(
        len(channels),
        volumes.pop() if len(volumes) == 1 else None,
        np.min(spacings, axis=0),
        np.max(spacings, axis=0),
        all(get_normalization_scheme(channel) is RGBTo01Normalization for channel in channels),
    )


def check_image(
    files: Sequence[Path], reader: BaseReaderWriter, expectation: Expectation
) -> tuple[str | None, str | None]:
    """Read an image and compare it with what is expected.

    Args:
        files: One for each channel, or one for all.
        reader: nnU-Net's reader for the dataset.
        expectation: What is expected.

    Returns:
        Why the image cannot be used, or None, and what is unusual about it, or None; both without its name.
    """
    try:
        image, properties = reader.read_images([str(path) for path in files])
    except MemoryError:
        raise
    except Exception:  # readers raise whatever their libraries do
        return "cannot be read" + (
            ", or its channels differ in size or spacing" if len(files) > 1 else ""
        ), None
    if len(image) != expectation.channels:
        return f"has {len(image)} channels, but the dataset has {expectation.channels}", None
    if expectation.volumes is not None and (image.shape[1] > 1) != expectation.volumes:
        found, expected = ("2D", "3D") if expectation.volumes else ("3D", "2D")
        return f"is {found}, but the labeled images are {expected}", None
    if not np.isfinite(image).all():
        return "has values that are NaN or infinite", None
    if expectation.eight_bit and not 0 <= image.min() <= image.max() <= 255:
        found = f"{image.min():g} to {image.max():g}"
        return f"has values from {found}, but colors are expected as 0 to 255: save it with 8 bits", None
    return None, _unusual_spacing(np.asarray(properties["spacing"], dtype=float), expectation)


def _unusual_spacing(spacing: npt.NDArray[np.float64], expectation: Expectation) -> str | None:
    ratio = np.maximum(spacing / expectation.largest, expectation.smallest / spacing).max()
    if ratio <= MAX_SPACING_RATIO:
        return None
    return (
        f"has spacing {_rounded(spacing)}, but the labeled images have {_rounded(expectation.smallest)} to "
        f"{_rounded(expectation.largest)}; is its header right?"
    )


def _rounded(spacing: npt.NDArray[np.float64]) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in spacing) + ")"
