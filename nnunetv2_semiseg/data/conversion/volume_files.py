"""Volume files of releases: reading NIfTI and NRRD files, DICOM series and HDF5 files, writing slices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from nnunetv2_semiseg.core.errors import UnsupportedError, UserError, UserFileError
from nnunetv2_semiseg.core.files import reading
from nnunetv2_semiseg.data.conversion.image_files import LabelArray

ENDING = ".nii.gz"
"""Ending of the volumes that converters write."""

DICOM_ENDING = ".dcm"

REMEDY = "download this case again or remove it"


def read_header(path: Path) -> sitk.ImageFileReader:
    """The header of a volume.

    Raises:
        UnsupportedError: The file does not have three dimensions.
        UserError: The file cannot be read.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    with reading(path, REMEDY):
        reader.ReadImageInformation()
    if reader.GetDimension() != 3:
        raise UnsupportedError(
            f"{path}: {reader.GetDimension()} dimensions; write each time frame to its own 3D file"
        )
    return reader


def read_volume(path: Path) -> sitk.Image:
    """A volume.

    Raises:
        UserError: The file cannot be read.
    """
    with reading(path, REMEDY):
        return sitk.ReadImage(str(path))


def read_label(path: Path, image: sitk.ImageFileReader, codes: Mapping[int, int]) -> sitk.Image:
    """Labels of a mask's file.

    Args:
        path: File of the mask.
        image: Header of the mask's image.
        codes: Label of each value of the mask.

    Raises:
        UserError: The file cannot be read, has an unknown value or another shape or spacing than the image.
    """
    mask = read_volume(path)
    if mask.GetSize() != image.GetSize() or not np.allclose(mask.GetSpacing(), image.GetSpacing(), rtol=1e-3):
        raise UserError(
            f"{path}: mask of size {mask.GetSize()} and spacing {mask.GetSpacing()}, but its image has "
            f"{image.GetSize()} and {image.GetSpacing()}"
        )
    result = sitk.GetImageFromArray(decode_values(sitk.GetArrayFromImage(mask), codes, path))
    result.CopyInformation(mask)
    return result


def decode_values(values: npt.NDArray[np.generic], codes: Mapping[int, int], path: Path) -> LabelArray:
    """Labels of a mask's values.

    Args:
        values: Values of the mask, of any shape.
        codes: Label of each value.
        path: File of the mask, for error messages.

    Raises:
        UserError: A value is not in ``codes``.
    """
    labels = np.zeros(values.shape, dtype=np.uint8)
    for value in np.unique(values):
        if value not in codes:
            valid = ", ".join(map(str, codes))
            raise UserError(f"{path}: mask value {value:g} is unknown; valid are {valid}")
        labels[values == value] = codes[value]
    return labels


def write_slice(volume: sitk.Image, index: int | None, path: Path) -> None:
    """Write one slice as a 2D image with the volume's spacing in its plane, or all of the image.

    Args:
        volume: An image.
        index: Number of the slice from 0; None writes the image as it is.
        path: File to write.
    """
    picture = volume
    if index is not None:
        picture = sitk.GetImageFromArray(sitk.GetArrayViewFromImage(volume)[index])
        picture.SetSpacing(volume.GetSpacing()[:2])
    sitk.WriteImage(picture, str(path), useCompression=True)


def read_dicom_series(folder: Path) -> sitk.Image:
    """The one series in a folder and the folders in it, as a volume.

    Raises:
        UserFileError: There are no DICOM files.
        UserError: There are several series, or the files cannot be read.
    """
    folders = sorted({path.parent for path in folder.rglob(f"*{DICOM_ENDING}")})
    if not folders:
        raise UserFileError(
            f"{folder}: no {DICOM_ENDING} files; download this case again or remove its folder"
        )
    series = [
        (place, identifier)
        for place in folders
        for identifier in sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(place))
    ]
    if len(series) != 1:
        raise UserError(
            f"{folder}: {len(series)} DICOM series instead of one; keep the one that is annotated"
        )
    place, identifier = series[0]
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(place), identifier))
    with reading(f"{place}: the DICOM series", REMEDY):
        return reader.Execute()


def h5_shape(path: Path) -> tuple[int, ...]:
    """Shape of the image in an HDF5 file.

    Raises:
        UserError: The file cannot be read or has no image.
    """
    with _h5_array(path, "image") as array:
        return tuple(array.shape)


def read_h5_image(path: Path) -> sitk.Image:
    """The image in an HDF5 file, which has no spacing: it becomes 1.

    Raises:
        UserError: The file cannot be read or has no image, or values are not finite.
    """
    with _h5_array(path, "image") as array:
        pixels = array[()].astype(np.float32)
    if not np.isfinite(pixels).all():
        raise UserError(f"{path}: the image has values that are NaN or infinite; remove the case or mend it")
    return sitk.GetImageFromArray(pixels)


def read_h5_label(path: Path, codes: Mapping[int, int]) -> sitk.Image:
    """The label in an HDF5 file, with a spacing of 1.

    Args:
        path: The file.
        codes: Label of each value.

    Raises:
        UserError: The file cannot be read or has no label, the label has another shape than the image, or a
            value is unknown.
    """
    with _h5_array(path, "label") as array:
        values = array[()]
    if values.shape != h5_shape(path):
        raise UserError(f"{path}: label of shape {values.shape}, but its image has {h5_shape(path)}")
    return sitk.GetImageFromArray(decode_values(values, codes, path))


@contextmanager
def _h5_array(path: Path, name: str) -> Iterator[h5py.Dataset]:
    with reading(path, REMEDY), h5py.File(path, "r") as file:
        if not isinstance(file.get(name), h5py.Dataset):
            found = ", ".join(file) or "nothing"
            raise UserError(f"{path}: has no array '{name}', only {found}; is it of this data set?")
        yield file[name]
