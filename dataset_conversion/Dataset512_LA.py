r"""Left atrium in late gadolinium enhanced MRI: the 2018 Atrial Segmentation Challenge.

Data: Xiong et al., "A Global Benchmark of Algorithms for Segmenting the Left Atrium from Late
Gadolinium-Enhanced Cardiac Magnetic Resonance Imaging", Medical Image Analysis 2021;
https://www.cardiacatlas.org/atriaseg2018-challenge/atria-seg-data/, under the terms stated there, which also
hold for copies in other formats. Semi-supervised papers divide the 100 training scans, mostly into 80 and 20.

Expected in the input folder, such as the challenge's "Training Set", a folder for each case, with one of
- CASE/lgemri.nrrd and CASE/laendo.nrrd, the challenge's files; values of a label: 0 background, 255 (or 1)
  the cavity of the left atrium. Spacing is kept;
- CASE/mri_norm2.h5 with "image" and "label", the cropped and normalised copies that many papers on
  semi-supervised learning use; values of a label: 0 and 1. They have no spacing: it becomes 1 mm in all
  directions, so no distances in mm.

Label written: 1 left atrium. A case without laendo.nrrd is used as unlabeled; among the test data it is an
error.

--labeled-list and --test-list take published splits: a line names a case, CASE or CASE/mri_norm2.h5. Without
--test-list the last 20 % by name are test data.

Example, the setting with 8 labeled scans:
    python dataset_conversion/Dataset512_LA.py -i LA --num-labeled 8
"""

from __future__ import annotations

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
from nnunetv2_semiseg.data.conversion.release import Release, SourceCase, convert_release
from nnunetv2_semiseg.data.conversion.splits import TestListOptions, held_out_cases
from nnunetv2_semiseg.data.conversion.volume_files import (
    ENDING,
    read_h5_image,
    read_h5_label,
    read_header,
    read_label,
    read_volume,
)
from nnunetv2_semiseg.data.conversion.volume_releases import refuse_size

DOMAIN = "LA"
CODES = {0: 0, 1: 1, 255: 1}


@dataclass(frozen=True, kw_only=True)
class AtriumOptions(TestListOptions):
    """What a user chooses for this data set."""

    labeled_domain: str = DOMAIN


@dataclass(frozen=True)
class AtriumLayout:
    """A folder for each case with files of fixed names.

    Attributes:
        test_list: File that names the test cases, see `TestListOptions`.
        image: Name of the file with the image.
        label: Name of the file with the label, which may be the same one.
        file_ending: Ending of the files written.
    """

    test_list: Path | None
    image: str
    label: str
    file_ending: str = ENDING

    @property
    def expected(self) -> str:
        """The layout in words."""
        return " and ".join(dict.fromkeys((f"CASE/{self.image}", f"CASE/{self.label}")))

    def accepts(self, source: Path) -> bool:
        """Whether any folder has an image."""
        return any(source.glob(f"*/{self.image}"))

    def scan(self, source: Path) -> list[SourceCase]:
        """All cases by name.

        Raises:
            UserFileError: The list of test cases does not exist.
            UserError: The list names an unknown case.
        """
        images = {path.parent.name: path for path in sorted(source.glob(f"*/{self.image}"))}
        held_out = held_out_cases(images, self.test_list, case_of)
        return [
            SourceCase(
                DOMAIN,
                name,
                "test" if name in held_out else "train",
                image,
                (image.with_name(self.label),) if image.with_name(self.label).is_file() else (),
            )
            for name, image in images.items()
        ]

    def save(self, case: SourceCase, size: int | None, image: Path, label: Path | None) -> None:
        """Write image and label as volumes.

        Raises:
            UnsupportedError: The image does not have three dimensions.
            UserError: A size is given, a file cannot be read, or the label has an unknown value or another
                grid than the image.
        """
        refuse_size(size)
        is_h5 = case.image.suffix == ".h5"
        if not is_h5:
            header = read_header(case.image)
        volume = read_h5_image(case.image) if is_h5 else read_volume(case.image)
        sitk.WriteImage(volume, str(image), useCompression=True)
        if label is not None:
            mask = case.masks[0]
            labels = read_h5_label(mask, CODES) if is_h5 else read_label(mask, header, CODES)
            labels.CopyInformation(volume)
            sitk.WriteImage(labels, str(label), useCompression=True)


def case_of(line: str) -> str:
    """``CASE`` of ``CASE/mri_norm2.h5``."""
    return line.partition("/")[0]


def convert(options: AtriumOptions, raw_folder: Path) -> Path:
    """Write the dataset; see `convert_release` for arguments and errors."""
    release = Release(
        name="LA",
        layouts=(
            AtriumLayout(options.test_list, "lgemri.nrrd", "laendo.nrrd"),
            AtriumLayout(options.test_list, "mri_norm2.h5", "mri_norm2.h5"),
        ),
        channel_names=("MRI",),
        labels=("background", "left atrium"),
        reference="Xiong et al., Medical Image Analysis 2021; https://www.cardiacatlas.org/atriaseg2018-challenge/",
        license="see https://www.cardiacatlas.org/atriaseg2018-challenge/atria-seg-data/",
        counted="scans",
        name_in_list=case_of,
    )
    return convert_release(release, options, raw_folder)


def main() -> None:
    """Convert what the command line names."""
    parser = converter_parser(__doc__)
    add_selection_arguments(parser, "scans that keep their labels")
    add_test_list_argument(parser)
    add_target_arguments(parser, 512)
    run_with_parser(parser, AtriumOptions, convert, "3d_fullres")


if __name__ == "__main__":
    main()
