r"""Pancreas in portal-venous abdominal CT of the NIH Clinical Center: 82 scans, 80 in later versions.

Data: Pancreas-CT (Roth et al., "DeepOrgan: Multi-level Deep Convolutional Networks for Automated Pancreas
Segmentation", MICCAI 2015; https://doi.org/10.7937/K9/TCIA.2016.tNB1kqBU), from The Cancer Imaging Archive,
https://www.cancerimagingarchive.net/collection/pancreas-ct/, under the terms stated there. Images and labels
are two downloads.

Expected anywhere below the input folder:
- images: folders PANCREAS_0001/ with the DICOM files of one series, in folders of any depth, or volumes
  PANCREAS_0001.nii.gz or PANCREAS_0001.nii;
- labels: label0001.nii.gz or label0001.nii; values: 0 background, 1 pancreas.

Do labels fit their images? In the public release the labels' headers do not always say the same as the DICOM
files', and the order of slices and rows may be reversed. So:
- image and label must have the same size;
- where the headers agree on the place of the voxels, they are followed, also where the two files list them in
  another order;
- where they contradict each other, nothing is guessed: the converter stops and says, for each possible
  reversal of axes, how much of the label would lie on soft tissue. Look at both, for example in ITK-SNAP, and
  give --flip-labels, which then holds for all labels, whatever their headers say;
- there is always a warning for each label of which clearly more would lie on soft tissue if it were
  reversed.

Label written: 1 pancreas. A case without a label is used as unlabeled; among the test data it is an error.
Volumes keep size, spacing and Hounsfield units; nnU-Net resamples and clips them itself.

--labeled-list and --test-list take published splits: a line names a case by its number, as 0001,
PANCREAS_0001, image0001 or label0001.nii.gz. Without --test-list the last 20 % by number are test data.

Example, 12 labeled scans:
    python dataset_conversion/Dataset511_NIHPancreas.py -i Pancreas-CT --num-labeled 12
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from nnunetv2_semiseg.commands.conversion import (
    add_selection_arguments,
    add_target_arguments,
    add_test_list_argument,
    converter_parser,
    run_with_parser,
)
from nnunetv2_semiseg.core.errors import UserError, UserFileError
from nnunetv2_semiseg.data.conversion.label_orientation import FLIPS, label_on_image
from nnunetv2_semiseg.data.conversion.release import Release, SourceCase, convert_release
from nnunetv2_semiseg.data.conversion.splits import TestListOptions, held_out_cases
from nnunetv2_semiseg.data.conversion.volume_files import (
    ENDING,
    decode_values,
    read_dicom_series,
    read_header,
    read_volume,
)
from nnunetv2_semiseg.data.conversion.volume_releases import refuse_size

DOMAIN = "NIHPancreas"
CODES = {0: 0, 1: 1}
ENDINGS = (ENDING, ".nii")
"""Endings of the volumes that are read; all are written with the first one."""


@dataclass(frozen=True, kw_only=True)
class PancreasOptions(TestListOptions):
    """What a user chooses for this data set.

    Attributes:
        flip_labels: Axes of all labels to be reversed, one of `FLIPS`; None to go by the headers.
    """

    labeled_domain: str = DOMAIN
    flip_labels: str | None = None


@dataclass(frozen=True)
class PancreasLayout:
    """DICOM folders or volumes, and labels, see the module's docstring."""

    test_list: Path | None
    flip_labels: str | None
    file_ending: str = ENDING

    @property
    def expected(self) -> str:
        """The layout in words."""
        volumes, labels = (
            " or ".join(f"{stem}{e}" for e in ENDINGS) for stem in ("PANCREAS_0001", "label0001")
        )
        return f"PANCREAS_0001/ with DICOM files, or {volumes}, and {labels}"

    def accepts(self, source: Path) -> bool:
        """Whether there is any image."""
        return bool(_images(source))

    def scan(self, source: Path) -> list[SourceCase]:
        """All cases by number.

        Raises:
            UserFileError: A label has no image, or the list of test cases does not exist.
            UserError: A case has two images or labels, or the list names an unknown case.
        """
        images = _images(source)
        labels = _by_number(path for path in source.rglob("label*") if path.name.endswith(ENDINGS))
        for number, label in labels.items():
            if number not in images:
                raise UserFileError(
                    f"{label}: there is no image PANCREAS_{number}; add it or remove the label"
                )
        held_out = held_out_cases(images, self.test_list, number_of)
        return [
            SourceCase(
                DOMAIN,
                number,
                "test" if number in held_out else "train",
                image,
                (labels[number],) if number in labels else (),
            )
            for number, image in images.items()
        ]

    def save(self, case: SourceCase, size: int | None, image: Path, label: Path | None) -> None:
        """Write an image and, in the order of its voxels, the label.

        Raises:
            UnsupportedError: The image does not have three dimensions.
            UserError: A size is given, a file cannot be read, the label has an unknown value or does not
                fit.
        """
        refuse_size(size)
        if case.image.is_dir():
            volume = read_dicom_series(case.image)
        else:
            read_header(case.image)
            volume = read_volume(case.image)
        if case.image.name.endswith(ENDING):
            shutil.copyfile(case.image, image)
        else:
            sitk.WriteImage(volume, str(image), useCompression=True)
        if label is not None:
            _save_label(case, volume, label, self.flip_labels)


def number_of(name: str) -> str:
    """``0001`` of ``PANCREAS_0001`` or ``image0001.h5``; the name itself where it has no such number."""
    found = re.search(r"(?<!\d)\d{4}(?!\d)", name)
    return found[0] if found else name


def _save_label(case: SourceCase, image: sitk.Image, target: Path, flip: str | None) -> None:
    path = case.masks[0]
    voxels = decode_values(label_on_image(read_volume(path), image, flip, path), CODES, path)
    result = sitk.GetImageFromArray(voxels)
    result.CopyInformation(image)
    sitk.WriteImage(result, str(target), useCompression=True)


def _images(source: Path) -> dict[str, Path]:
    found = [path for path in source.rglob("PANCREAS_*") if path.is_dir() or path.name.endswith(ENDINGS)]
    return _by_number(found)


def _by_number(paths: Iterable[Path]) -> dict[str, Path]:
    numbered: dict[str, Path] = {}
    for path in sorted(paths):
        number = number_of(path.name)
        if number in numbered:
            raise UserError(f"{path} and {numbered[number]} have the same number; keep one of them")
        numbered[number] = path
    return dict(sorted(numbered.items()))


def convert(options: PancreasOptions, raw_folder: Path) -> Path:
    """Write the dataset; see `convert_release` for arguments and errors."""
    release = Release(
        name="NIHPancreas",
        layouts=(PancreasLayout(options.test_list, options.flip_labels),),
        channel_names=("CT",),
        labels=("background", "pancreas"),
        reference="Roth et al., MICCAI 2015; https://doi.org/10.7937/K9/TCIA.2016.tNB1kqBU",
        license="see https://www.cancerimagingarchive.net/collection/pancreas-ct/",
        counted="scans",
        name_in_list=number_of,
    )
    return convert_release(release, options, raw_folder)


def main() -> None:
    """Convert what the command line names."""
    parser = converter_parser(__doc__)
    add_selection_arguments(parser, "scans that keep their labels")
    add_test_list_argument(parser)
    parser.add_argument(
        "--flip-labels", choices=FLIPS, help="axes of all labels to reverse; default: go by the headers"
    )
    add_target_arguments(parser, 511)
    run_with_parser(parser, PancreasOptions, convert, "3d_fullres")


if __name__ == "__main__":
    main()
