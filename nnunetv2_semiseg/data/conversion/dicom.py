"""Volumes that are folders of DICOM slices."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from nnunetv2_semiseg.core.errors import UserError, UserFileError

ENDING = ".dcm"


def read_series(folder: Path) -> sitk.Image:
    """The one series in a folder and the folders in it, as a volume.

    Raises:
        UserFileError: There are no DICOM files.
        UserError: There are several series, or the files cannot be read.
    """
    folders = sorted({path.parent for path in folder.rglob(f"*{ENDING}")})
    if not folders:
        raise UserFileError(f"{folder}: no {ENDING} files; download this case again or remove its folder")
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
    try:
        return reader.Execute()
    except RuntimeError:
        raise UserError(f"{place}: the DICOM series cannot be read as a volume; download it again") from None
