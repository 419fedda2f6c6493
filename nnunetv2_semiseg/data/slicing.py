"""Slices of volumes as 2D cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import SimpleITK as sitk

from nnunetv2_semiseg.data.conversion import SourceCase
from nnunetv2_semiseg.data.volumes import read_header, read_label, read_volume


def slice_name(stem: str, index: int) -> str:
    """Name of a slice; padded, so that the order by name is the order in the volume."""
    return f"{stem}_slice_{index:02d}"


def slice_cases(volume: SourceCase, depth: int) -> list[SourceCase]:
    """Each slice of a volume as a case.

    Args:
        volume: The volume as one case.
        depth: Its number of slices.
    """
    return [replace(volume, stem=slice_name(volume.stem, index), index=index) for index in range(depth)]


def write_slice(volume: sitk.Image, index: int | None, path: Path) -> None:
    """Write one slice as a 2D image with the volume's spacing in its plane, or all of the image.

    Args:
        volume: An image.
        index: The slice; None writes the image as it is.
        path: The file to write.
    """
    picture = volume
    if index is not None:
        picture = sitk.GetImageFromArray(sitk.GetArrayViewFromImage(volume)[index])
        picture.SetSpacing(volume.GetSpacing()[:2])
    sitk.WriteImage(picture, str(path), useCompression=True)


def save_slice(case: SourceCase, codes: Mapping[int, int], image: Path, label: Path | None) -> None:
    """Write a slice of a volume and of its mask.

    Raises:
        NotImplementedError: The image does not have three dimensions.
        ValueError: A file cannot be read, or the mask does not fit; see `read_label`.
    """
    if label is not None:
        write_slice(read_label(case.masks[0], read_header(case.image), codes), case.index, label)
    write_slice(read_volume(case.image), case.index, image)
