"""3D releases: .nii.gz volumes with .nii.gz masks beside them, one folder a domain."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from nnunetv2_semiseg.core.errors import UnsupportedError, UserError, UserFileError
from nnunetv2_semiseg.data.conversion.release import SourceCase, Split, last_fifth

ENDING = ".nii.gz"


@dataclass(frozen=True)
class VolumeLayout:
    """``DOMAIN/NAME.nii.gz`` and ``DOMAIN/NAME<suffix>.nii.gz``, or both below ``DOMAIN/{train,test}``.

    Without the folders train and test, the last 20 % of a domain by name are its test data. Volumes stay
    volumes: spacing and intensities are as released.

    Attributes:
        label_suffix: What a mask's name has after its image's name, in lower case; files may write it in any
            case.
        codes: Label of each value of a mask.
    """

    label_suffix: str
    codes: Mapping[int, int]
    file_ending: str = ENDING

    @property
    def expected(self) -> str:
        """The layout in words."""
        return f"DOMAIN/[train|test/]NAME{ENDING} with NAME{self.label_suffix}{ENDING}"

    def accepts(self, source: Path) -> bool:
        """Whether any domain folder has volumes."""
        return bool(_domains(source))

    def scan(self, source: Path) -> list[SourceCase]:
        """All cases, by domain, split and name.

        Raises:
            UserFileError: A domain has only one of the folders train and test, or one without volumes.
            UserError: A file looks like a mask but does not have the suffix.
        """
        return [case for domain in _domains(source) for case in self._scan_domain(domain)]

    def save(self, case: SourceCase, size: int | None, image: Path, label: Path | None) -> None:
        """Copy the image and write the label with nnU-Net's values.

        Raises:
            UnsupportedError: The image does not have three dimensions.
            UserError: A size is given, a file cannot be read, the mask has an unknown value or another shape
                or spacing than the image.
        """
        refuse_size(size)
        header = read_header(case.image)
        if label is not None:
            sitk.WriteImage(read_label(case.masks[0], header, self.codes), str(label), useCompression=True)
        shutil.copyfile(case.image, image)

    def _scan_domain(self, domain: Path) -> list[SourceCase]:
        if any((domain / split).is_dir() for split in get_args(Split)):
            # releases may number train and test apart: the same name in both is not the same image
            return [
                SourceCase(domain.name, f"{split}_{stem}", split, image, masks)
                for split in get_args(Split)
                for stem, (image, masks) in self._scan_folder(domain / split).items()
            ]
        found = self._scan_folder(domain)
        held_out = last_fifth(list(found))
        return [
            SourceCase(domain.name, stem, "test" if stem in held_out else "train", image, masks)
            for stem, (image, masks) in found.items()
        ]

    def _scan_folder(self, folder: Path) -> dict[str, tuple[Path, tuple[Path, ...]]]:
        """Image and masks by the image's name."""
        files = {path.name.removesuffix(ENDING): path for path in sorted(folder.glob(f"[!.]*{ENDING}"))}
        masks = {
            stem[: -len(self.label_suffix)]: path
            for stem, path in files.items()
            if stem.lower().endswith(self.label_suffix)
        }
        images = {stem: path for stem, path in files.items() if path not in masks.values()}
        if not images:
            raise UserFileError(f"{folder}: no volumes; expected {self.expected}")
        for stem, path in images.items():
            # unnoticed, a mask under another name would be trained on as an image
            if stem not in masks and stem.rpartition("_")[0] in images:
                raise UserError(
                    f"{path}: looks like a mask, but masks are named NAME{self.label_suffix}{ENDING}"
                )
        return {stem: (path, (masks[stem],) if stem in masks else ()) for stem, path in images.items()}


def _domains(source: Path) -> list[Path]:
    return sorted(
        path
        for path in source.iterdir()
        if any(next((path / part).glob(f"[!.]*{ENDING}"), None) for part in ("", "train", "test"))
    )


def refuse_size(size: int | None) -> None:
    """Refuse to resize volumes and their slices.

    Raises:
        UserError: A size is given.
    """
    if size is not None:
        raise UserError("volumes are not resized: leave --size out; nnU-Net resamples them by their spacing")


def read_header(path: Path) -> sitk.ImageFileReader:
    """The header of a volume.

    Raises:
        UnsupportedError: The file does not have three dimensions.
        UserError: It cannot be read.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        raise UserError(f"{path}: cannot be read as a volume") from None
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
    try:
        return sitk.ReadImage(str(path))
    except RuntimeError:
        raise UserError(f"{path}: cannot be read as a volume") from None


def read_label(path: Path, image: sitk.ImageFileReader, codes: Mapping[int, int]) -> sitk.Image:
    """Labels of a mask's file.

    Args:
        path: The mask.
        image: Header of its image.
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


def decode_values(
    values: npt.NDArray[np.generic], codes: Mapping[int, int], path: Path
) -> npt.NDArray[np.uint8]:
    """Labels of a mask's values.

    Args:
        values: The mask, of any shape.
        codes: Label of each value.
        path: Its file, for the error.

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
        UnsupportedError: The image does not have three dimensions.
        UserError: A file cannot be read, or the mask does not fit; see `read_label`.
    """
    if label is not None:
        write_slice(read_label(case.masks[0], read_header(case.image), codes), case.index, label)
    write_slice(read_volume(case.image), case.index, image)
