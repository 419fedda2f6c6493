"""3D releases: .nii.gz volumes with masks beside them, one folder for each domain; and their slices."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import SimpleITK as sitk

from nnunetv2_semiseg.core.errors import UserError, UserFileError
from nnunetv2_semiseg.data.conversion.release import SourceCase, Split
from nnunetv2_semiseg.data.conversion.splits import last_fifth
from nnunetv2_semiseg.data.conversion.volume_files import (
    ENDING,
    read_header,
    read_label,
    read_volume,
    write_slice,
)
from nnunetv2_semiseg.data.raw.reading import files_by_case


@dataclass(frozen=True)
class VolumeLayout:
    """``DOMAIN/NAME.nii.gz`` and ``DOMAIN/NAME<suffix>.nii.gz``, or both below ``DOMAIN/{train,test}``.

    Without the folders train and test, the last 20 % of a domain by name are its test data. Volumes stay
    volumes: spacing and intensities are as released.

    Attributes:
        label_suffix: What a mask's name has after its image's name, in lower case; files may write it in any
            case.
        codes: Label of each value of a mask.
        file_ending: Ending of the files written.
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
        files = files_by_case(folder, ENDING)
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
        if any(files_by_case(path / part, ENDING) for part in ("", "train", "test"))
    )


def refuse_size(size: int | None) -> None:
    """Refuse to resize volumes and their slices.

    Raises:
        UserError: A size is given.
    """
    if size is not None:
        raise UserError("volumes are not resized: leave --size out; nnU-Net resamples them by their spacing")


def slice_name(stem: str, index: int) -> str:
    """Name of a slice; padded, so that the order by name is the order in the volume."""
    return f"{stem}_slice_{index:02d}"


def slice_cases(volume: SourceCase, depth: int) -> list[SourceCase]:
    """Each slice of a volume as a case.

    Args:
        volume: The volume as one case.
        depth: Number of slices of the volume.
    """
    return [replace(volume, stem=slice_name(volume.stem, index), index=index) for index in range(depth)]


def save_slice(case: SourceCase, codes: Mapping[int, int], image: Path, label: Path | None) -> None:
    """Write a slice of a volume and of its mask.

    Raises:
        UnsupportedError: The image does not have three dimensions.
        UserError: A file cannot be read, or the mask does not fit; see `read_label`.
    """
    if label is not None:
        write_slice(read_label(case.masks[0], read_header(case.image), codes), case.index, label)
    write_slice(read_volume(case.image), case.index, image)
