"""The image and the label maps of a case, cut into the planes that are shown."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from nnunetv2.imageio.base_reader_writer import BaseReaderWriter
from nnunetv2.imageio.natural_image_reader_writer import NaturalImage2DIO

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.core.files import reading
from nnunetv2_semiseg.data.raw.reading import reader_for
from nnunetv2_semiseg.evaluation.measuring.reading import Labels, read_label_map

Pixels = npt.NDArray[np.float32]

WINDOW = (1, 99)
"""Percentiles of gray values that are drawn black and white."""

MARGIN = 0.15
"""Margin around the outlines, as a share of their size."""

SMALLEST_PART = 0.25
"""Share of the image's height and width that is always shown, so that readers recognize the place."""

AXES = ("slice", "row", "column")
"""Names of what the three axes of an array number. Which axis is axial, the array does not tell."""


@dataclass(frozen=True)
class Plane:
    """One plane through a case.

    Attributes:
        title: Number of the slice in words; empty for a 2D image.
        image: Gray values ``H x W`` or colors ``H x W x 3``, 0 to 1.
        labels: The true label map, then that of each model; ``H x W``.
        aspect: Height of a pixel by its width.
        window: Rows and columns in which something is outlined, with a margin.
        upright: Whether the first row is drawn at the bottom, because rows are slices, which most files count
            from the feet to the head.
    """

    title: str
    image: Pixels
    labels: tuple[Labels, ...]
    aspect: float
    window: tuple[slice, slice]
    upright: bool = False

    @property
    def ratio(self) -> float:
        """Width of the window by its height."""
        rows, columns = self.window
        return (columns.stop - columns.start) / ((rows.stop - rows.start) * self.aspect)


def read_scene(
    images: Sequence[Path], labels: Sequence[Path], dataset_json: Mapping[str, Any]
) -> list[Plane]:
    """Read the planes of a case: the only one of a 2D image, three of a volume.

    Those of a volume are, along each axis, the slice with the most foreground in all label maps together.

    Args:
        images: Image files in the order of the channels.
        labels: Files of the true label map, then of each model's.
        dataset_json: Content of dataset.json.

    Raises:
        UserError: A file cannot be read, or image and label maps differ in size.
    """
    reader = reader_for(dataset_json, labels[0])
    maps = [read_label_map(reader, file) for file in labels]
    image = _read_image(reader, images)
    for file, label_map in zip(labels, maps, strict=True):
        if label_map.labels.shape != image.shape[:3]:
            raise UserError(f"{images[0]} has the size {image.shape[:3]}, {file} {label_map.labels.shape}")
    arrays = [label_map.labels for label_map in maps]
    spacing = maps[0].spacing or (1.0, 1.0, 1.0)
    if image.shape[0] == 1:
        return [_plane("", image[0], [array[0] for array in arrays], spacing[1] / spacing[2])]
    return [_slice(axis, image, arrays, spacing) for axis in range(3)]


def _slice(axis: int, image: Pixels, arrays: Sequence[Labels], spacing: tuple[float, ...]) -> Plane:
    """The slice of one axis with the most foreground; the middle slice if there is none."""
    others = tuple(other for other in range(3) if other != axis)
    sums = np.sum([np.count_nonzero(array, axis=others) for array in arrays], axis=0)
    index = int(sums.argmax()) if sums.any() else len(sums) // 2
    vertical, horizontal = (spacing[other] for other in others)
    title = f"{AXES[axis]} {index + 1} of {len(sums)}"
    cut = [np.moveaxis(array, axis, 0)[index] for array in arrays]
    plane = _plane(title, np.moveaxis(image, axis, 0)[index], cut, vertical / horizontal)
    return dataclasses.replace(plane, upright=axis > 0)


def _plane(title: str, image: Pixels, labels: Sequence[Labels], aspect: float) -> Plane:
    outlined = np.any([array > 0 for array in labels], axis=0)
    rows, columns = (_window(outlined.any(axis=other)) for other in (1, 0))
    return Plane(title, image, tuple(labels), aspect, (rows, columns))


def _window(occupied: npt.NDArray[np.bool_]) -> slice:
    """The part of an axis around the occupied places; the whole axis if there are none."""
    places = np.flatnonzero(occupied)
    if not len(places):
        return slice(0, len(occupied))
    low, high = int(places[0]), int(places[-1]) + 1
    wanted = max((high - low) * (1 + 2 * MARGIN), SMALLEST_PART * len(occupied))
    margin = int(np.ceil((wanted - (high - low)) / 2))
    return slice(max(0, low - margin), min(len(occupied), high + margin))


def _read_image(reader: BaseReaderWriter, files: Sequence[Path]) -> Pixels:
    """Image ``D x H x W`` or ``D x H x W x 3``, 0 to 1."""
    with reading(files[0], "replace this file"), contextlib.redirect_stdout(io.StringIO()):
        channels, _ = reader.read_images(list(map(str, files)))
    if len(channels) == 3 and isinstance(reader, NaturalImage2DIO):
        return np.moveaxis(_scaled(channels, (0, max(255.0, float(channels.max())))), 0, -1)
    first = channels[0]
    low, high = np.percentile(first[np.isfinite(first)], WINDOW) if np.isfinite(first).any() else (0, 1)
    return _scaled(first, (float(low), float(high)))


def _scaled(values: Pixels, window: tuple[float, float]) -> Pixels:
    low, high = window
    scaled = np.clip((values.astype(np.float32) - low) / max(high - low, 1e-8), 0, 1)
    return np.nan_to_num(scaled)
