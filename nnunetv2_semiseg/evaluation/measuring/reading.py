"""Reading predicted and true label maps, and refusing those that cannot be compared."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from nnunetv2.imageio.base_reader_writer import BaseReaderWriter
from nnunetv2.imageio.natural_image_reader_writer import NaturalImage2DIO
from nnunetv2.imageio.tif_reader_writer import Tiff3DIO

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.core.files import reading

Labels = npt.NDArray[np.int32]

MANY_VALUES = 1 << 16
"""Largest range of labels that are found by counting, which is faster than sorting millions of pixels."""


@dataclass(frozen=True)
class LabelMap:
    """A label map.

    Attributes:
        labels: Label of each pixel, ``D x H x W``, int32; 2D images have depth 1.
        spacing: Size of a pixel along each axis in mm; None if the file format has no spacing.
    """

    labels: Labels
    spacing: tuple[float, ...] | None


def read_pair(
    reader: BaseReaderWriter,
    reference: Path,
    prediction: Path,
    predictable: Collection[int],
    ignore: int | None,
) -> tuple[LabelMap, LabelMap]:
    """Read the true and the predicted label map of a case.

    Args:
        reader: nnU-Net's reader for the files.
        reference: File of the true label map.
        prediction: File of the predicted label map.
        predictable: Labels of the dataset, without the ignore label.
        ignore: The ignore label, which only the reference may have.

    Raises:
        UserError: A file cannot be read or has a label that the dataset lacks, or sizes or spacings differ.
    """
    true, predicted = read_label_map(reader, reference), read_label_map(reader, prediction)
    _check_values(reference, true.labels, {*predictable, *([] if ignore is None else [ignore])})
    _check_values(prediction, predicted.labels, predictable)
    if true.labels.shape != predicted.labels.shape:
        raise UserError(
            f"{prediction} has the size {predicted.labels.shape}, but its truth {reference} has "
            f"{true.labels.shape}: predict the original image"
        )
    if true.spacing and predicted.spacing and not np.allclose(true.spacing, predicted.spacing, rtol=1e-3):
        raise UserError(
            f"{prediction} has the spacing {predicted.spacing}, but its truth {reference} has {true.spacing}"
            ": correct the wrong one"
        )
    return true, predicted


def read_label_map(reader: BaseReaderWriter, file: Path) -> LabelMap:
    """Read one label map.

    Raises:
        UserError: The file cannot be read, has several channels, or has a value that is not an integer.
    """
    # nnU-Net prints a line for each tiff without spacing
    with reading(file, "replace this file"), contextlib.redirect_stdout(io.StringIO()):
        values, properties = reader.read_seg(str(file))
    if len(values) != 1:
        raise UserError(f"{file} has {len(values)} channels: a label map has one, with a label in each pixel")
    with np.errstate(invalid="ignore"):  # NaN becomes some integer and is found to differ
        labels = values[0].astype(np.int32)
    if not np.array_equal(labels, values[0]):
        wrong = values[0][labels != values[0]][0]
        raise UserError(f"{file} has the value {wrong}: a label map has integers only")
    return LabelMap(labels, _spacing(reader, file, properties))


def _spacing(reader: BaseReaderWriter, file: Path, properties: Mapping[str, Any]) -> tuple[float, ...] | None:
    """The spacing in mm; None if the reader only makes one up."""
    if isinstance(reader, NaturalImage2DIO):
        return None
    if isinstance(reader, Tiff3DIO) and not file.with_suffix(".json").is_file():
        return None
    return tuple(float(step) for step in properties["spacing"])


def _check_values(file: Path, labels: Labels, known: Collection[int]) -> None:
    unknown = sorted(_values(labels) - set(known))
    if unknown:
        allowed = ", ".join(map(str, sorted(known)))
        raise UserError(
            f"{file} has the label {unknown[0]}, the dataset has only {allowed}: is it of another dataset?"
        )


def _values(labels: Labels) -> set[int]:
    """All labels. They are counted plane by plane, as copies of whole volumes would be too large."""
    return {value for plane in labels for value in _values_of_plane(plane)}


def _values_of_plane(labels: Labels) -> list[int]:
    lowest, highest = int(labels.min()), int(labels.max())
    if highest - lowest > MANY_VALUES:
        return [int(value) for value in np.unique(labels)]
    return [int(value) + lowest for value in np.flatnonzero(np.bincount((labels - lowest).ravel()))]
