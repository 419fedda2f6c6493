"""Images and labels in one HDF5 file, as releases for PyTorch have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import SimpleITK as sitk

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.data.conversion.volumes import decode_values


def h5_shape(path: Path) -> tuple[int, ...]:
    """Shape of the file's image.

    Raises:
        UserError: The file cannot be read or has no image.
    """
    with _array(path, "image") as array:
        return tuple(array.shape)


def read_h5_image(path: Path) -> sitk.Image:
    """The file's image with a spacing of 1, as the file has none.

    Raises:
        UserError: The file cannot be read or has no image, or values are not finite.
    """
    with _array(path, "image") as array:
        pixels = array[()].astype(np.float32)
    if not np.isfinite(pixels).all():
        raise UserError(f"{path}: the image has values that are NaN or infinite; remove the case or mend it")
    return sitk.GetImageFromArray(pixels)


def read_h5_label(path: Path, codes: Mapping[int, int]) -> sitk.Image:
    """The file's label with a spacing of 1.

    Args:
        path: The file.
        codes: Label of each value.

    Raises:
        UserError: The file cannot be read or has no label, the label has another shape than the image, or a
            value is unknown.
    """
    with _array(path, "label") as array:
        values = array[()]
    if values.shape != h5_shape(path):
        raise UserError(f"{path}: label of shape {values.shape}, but its image has {h5_shape(path)}")
    return sitk.GetImageFromArray(decode_values(values, codes, path))


@contextmanager
def _array(path: Path, name: str) -> Iterator[h5py.Dataset]:
    try:
        file = h5py.File(path, "r")
    except OSError:
        raise UserError(f"{path}: cannot be read as an HDF5 file; download it again") from None
    with file:
        if not isinstance(file.get(name), h5py.Dataset):
            found = ", ".join(file) or "nothing"
            raise UserError(f"{path}: has no array '{name}', only {found}; is it of this data set?")
        yield file[name]
