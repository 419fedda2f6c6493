r"""Any data set of 2D images and masks in folders: polyps, skin lesions, thyroid nodules and the like.

Expected below the input folder, in each case with the folders image/ and mask/ (or images/ and masks/):
- labeled/: training images with masks;
- unlabeled/: training images; a folder of masks is not read, so that none can reach the training;
- val/ (may be missing): images with known labels. nnU-Net validates in its folds of the labeled images, so
  val is left out, unless --val says otherwise, and never labeled;
- TestDataset/NAME/ (may be missing): one folder for each test set, whose name becomes the domain of its cases
  in dataset.json, for evaluation by domain.

Files are png, jpg, bmp or tif with 8 bits per channel. A mask has the name of its image, or that with
--mask-suffix; the endings may differ. All images are written as grey if all are grey, else as RGB.

One class: a mask is grey, and what is above --threshold is foreground, which also clears the artefacts of
JPEG. Several classes: --classes names the values 1, 2, ... of the masks, 0 is background; values of grey png,
bmp or tif files, or indices into their palette.

Data sets that are used in this form, each under the terms stated there:
- polyps: Kvasir-SEG (Jha et al., MMM 2020; https://datasets.simula.no/kvasir-seg) and CVC-ClinicDB (Bernal et
  al., Computerized Medical Imaging and Graphics 2015; https://polyp.grand-challenge.org/CVCClinicDB);
- skin lesions: ISIC 2018 (Codella et al., arXiv 1902.03368; https://challenge.isic-archive.com/data/#2018),
  with --mask-suffix _segmentation;
- thyroid nodules: TN3K (Gong et al., ISBI 2021;
  https://github.com/haifangong/TRFE-Net-for-thyroid-nodule-segmentation).

Example:
    python dataset_conversion/DatasetXXX_ImageMaskFolders.py -i polyps -d 507 --name Polyp \
        --classes polyp --size 352
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_semiseg.commands.conversion import (
    add_size_argument,
    add_target_arguments,
    add_validation_argument,
    converter_parser,
    run_with_parser,
)
from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.data.conversion.image_files import (
    Mode,
    check_mask_size,
    file_mode,
    read_binary_mask,
    read_class_mask,
    read_image,
    write_resized,
    write_resized_mask,
)
from nnunetv2_semiseg.data.conversion.image_folders import scan_image_folders
from nnunetv2_semiseg.data.conversion.release import SourceCase, SourceOptions, describe_size, write_parts
from nnunetv2_semiseg.data.conversion.splits import ValidationUse
from nnunetv2_semiseg.data.raw.writing import DatasetInfo, Part

CHANNEL_NAMES: dict[Mode, tuple[str, ...]] = {"L": ("grey",), "RGB": ("R", "G", "B")}
PUBLISHER = "see the publisher of the images"


@dataclass(frozen=True, kw_only=True)
class FolderOptions(SourceOptions):
    """What a user chooses for such a data set.

    Attributes:
        name: Name of the new dataset, without its number.
        classes: Names of the classes; masks of one class are thresholded.
        threshold: Largest background value of masks that are thresholded.
        mask_suffix: Text that a mask's name has after its image's name.
        validation: Use of the folder val.
    """

    name: str
    classes: Sequence[str] = ("foreground",)
    threshold: int = 127
    mask_suffix: str = ""
    validation: ValidationUse = "skip"

    def __post_init__(self) -> None:
        """Refuse what can never be converted."""
        super().__post_init__()
        if not 0 <= self.threshold <= 254:
            raise UserError(f"threshold {self.threshold} is not between 0 and 254")
        names = ["background", *self.classes]
        if len(names) < 2 or len(set(names)) < len(names):
            raise UserError(
                f"classes {', '.join(self.classes)} must be different names, none of them 'background'"
            )


@dataclass(frozen=True)
class PictureWriter:
    """Writes cases as png files of one mode.

    Attributes:
        mode: Mode of all images, RGB or grey.
        classes: Names of the classes, see `FolderOptions`.
        threshold: Largest background value of masks that are thresholded.
    """

    mode: Mode
    classes: tuple[str, ...]
    threshold: int

    def save(self, case: SourceCase, size: int | None, image: Path, label: Path | None) -> None:
        """Write image and label.

        Raises:
            UserError: A file cannot be read or used, or the mask has another size than its image.
        """
        picture = read_image(case.image, self.mode)
        if label is not None:
            mask = case.masks[0]
            if len(self.classes) == 1:
                labels = read_binary_mask(mask, self.threshold)
            else:
                labels = read_class_mask(mask, self.classes)
            check_mask_size(mask, labels, picture.size)
            write_resized_mask(labels, size, label)
        write_resized(picture, size, image)


def convert(options: FolderOptions, raw_folder: Path) -> Path:
    """Write the dataset.

    Args:
        options: The user's choices.
        raw_folder: The folder of raw datasets.

    Returns:
        The new dataset's folder.

    Raises:
        UserFileError: A folder is missing or empty.
        UserError: A file is not as it should be, or the dataset cannot be written.
    """
    cases = scan_image_folders(options.source, options.mask_suffix, options.validation)
    writer = PictureWriter(_common_mode(cases), tuple(options.classes), options.threshold)
    parts = {case: _part(case) for case in cases}
    info = DatasetInfo(
        channel_names=CHANNEL_NAMES[writer.mode],
        labels=("background", *options.classes),
        file_ending=".png",
        description=f"{list(parts.values()).count('labeled')} labeled images; {describe_size(options)}",
        reference=PUBLISHER,
        license=PUBLISHER,
    )
    return write_parts(options.name, info, parts, writer.save, options, raw_folder)


def _part(case: SourceCase) -> Part:
    if case.split == "test":
        return "test"
    return "labeled" if case.masks else "unlabeled"


def _common_mode(cases: Sequence[SourceCase]) -> Mode:
    """Grey if all images are, else RGB."""
    by_mode: dict[Mode, list[Path]] = {"L": [], "RGB": []}
    for case in cases:
        by_mode[file_mode(case.image)].append(case.image)
    if by_mode["L"] and by_mode["RGB"]:
        warnings.warn(
            f"{len(by_mode['L'])} images are grey, such as {by_mode['L'][0]}, and {len(by_mode['RGB'])} in "
            "colour: all become RGB"
        )
    return "RGB" if by_mode["RGB"] else "L"


def main() -> None:
    """Convert what the command line names."""
    parser = converter_parser(__doc__)
    parser.add_argument("--name", required=True, help="the dataset's name, which follows DatasetNNN_")
    parser.add_argument(
        "--classes",
        nargs="+",
        default=("foreground",),
        metavar="NAME",
        help="one name for masks to be thresholded (default foreground), or names of the values 1, 2, ...",
    )
    parser.add_argument(
        "--threshold", type=int, default=127, help="higher values of a mask are foreground; default 127"
    )
    parser.add_argument(
        "--mask-suffix", default="", help="what a mask's name has after its image's name; default nothing"
    )
    add_validation_argument(parser)
    add_size_argument(parser)
    add_target_arguments(parser, None)
    run_with_parser(parser, FolderOptions, convert)


if __name__ == "__main__":
    main()
