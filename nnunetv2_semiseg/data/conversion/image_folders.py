"""Folders of images and masks: ``labeled``, ``unlabeled``, ``val`` and ``TestDataset/NAME``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nnunetv2_semiseg.core.errors import UserError, UserFileError
from nnunetv2_semiseg.data.conversion.release import SourceCase
from nnunetv2_semiseg.data.conversion.splits import VALIDATION_DOMAIN, ValidationUse, assign_validation

EXPECTED = "{labeled,unlabeled,val,TestDataset/NAME}/{image,mask}/"
IMAGE_FOLDERS = ("image", "images")
MASK_FOLDERS = ("mask", "masks")
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
NOTE_ENDINGS = (".txt", ".csv", ".md", ".json", ".db")
"""Endings of files that releases and systems put beside images."""

TRAIN_DOMAIN = "train"
"""Domain of labeled and unlabeled training images, whose origin such folders don't tell."""


def scan_image_folders(source: Path, mask_suffix: str, validation: ValidationUse) -> list[SourceCase]:
    """All cases: training cases with a mask are labeled, those without are unlabeled.

    Args:
        source: The folder of folders.
        mask_suffix: Text that a mask's name has after its image's name.
        validation: Use of the folder val.

    Returns:
        The cases; the domain of a test case is the name of its folder in TestDataset.

    Raises:
        UserFileError: A folder is missing or empty.
        UserError: An image has no mask or a mask no image, a file is of another kind, a name appears twice,
            or validation cases are to be used and there are none or a test set has their domain's name.
    """
    if not source.is_dir():
        raise UserFileError(f"{source} is not a folder")
    labeled = _annotated(source / "labeled", TRAIN_DOMAIN, mask_suffix)
    unlabeled = _plain(source / "unlabeled", TRAIN_DOMAIN)
    tests = [
        case
        for folder in _test_folders(source / "TestDataset")
        for case in _annotated(folder, folder.name, mask_suffix, test=True)
    ]
    return [*labeled, *unlabeled, *tests, *_validation(source, mask_suffix, validation)]


def _validation(source: Path, mask_suffix: str, use: ValidationUse) -> list[SourceCase]:
    folder = source / "val"
    cases: Sequence[SourceCase] = ()
    namesake = source / "TestDataset" / VALIDATION_DOMAIN
    if use == "test" and namesake.is_dir():
        raise UserError(
            f"{namesake}: --val test makes test cases of domain '{VALIDATION_DOMAIN}' of {folder} as well; "
            "rename the folder, so that both stay apart"
        )
    if use != "skip" and folder.is_dir():
        # as unlabeled images they need no masks
        cases = _plain(folder, "") if use == "unlabeled" else _annotated(folder, "", mask_suffix)
    return assign_validation(cases, use, source)


def _test_folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    folders = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise UserFileError(f"{folder}: has no folder for each test set; expected {EXPECTED}")
    return folders


def _plain(folder: Path, domain: str) -> list[SourceCase]:
    """Images of a folder without their masks."""
    images = _files(_subfolder(folder, IMAGE_FOLDERS))
    return [SourceCase(domain, f"{folder.name}_{stem}", "train", image, ()) for stem, image in images.items()]


def _annotated(folder: Path, domain: str, suffix: str, test: bool = False) -> list[SourceCase]:
    """Images of a folder with their masks."""
    images = _files(_subfolder(folder, IMAGE_FOLDERS))
    masks = _files(_subfolder(folder, MASK_FOLDERS))
    without = [image for stem, image in images.items() if stem + suffix not in masks]
    if without:
        raise UserError(
            f"{without[0]}: no mask named {without[0].stem}{suffix} ({len(without)} images without a mask); "
            "add it, remove the image, or tell by --mask-suffix how masks are named"
        )
    wanted = {stem + suffix for stem in images}
    left = [mask for stem, mask in masks.items() if stem not in wanted]
    if left:
        raise UserError(
            f"{left[0]}: no image for this mask ({len(left)} such masks); add it or remove the mask"
        )
    part = "test" if test else folder.name
    return [
        SourceCase(domain, f"{part}_{stem}", "test" if test else "train", image, (masks[stem + suffix],))
        for stem, image in images.items()
    ]


def _subfolder(folder: Path, names: tuple[str, ...]) -> Path:
    found = [folder / name for name in names if (folder / name).is_dir()]
    if not found:
        raise UserFileError(f"{folder}: has no folder '{names[0]}'; expected {EXPECTED}")
    if len(found) > 1:
        raise UserError(f"{folder}: has both {' and '.join(names)}; keep one of them")
    return found[0]


def _files(folder: Path) -> dict[str, Path]:
    """Image files by name without ending."""
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() in NOTE_ENDINGS:
            continue
        if path.suffix.lower() not in IMAGE_ENDINGS:
            raise UserError(f"{path}: is not one of {', '.join(IMAGE_ENDINGS)}; convert or remove it")
        if path.stem in files:
            raise UserError(f"{path}: has the name of {files[path.stem].name}; rename or remove one of them")
        files[path.stem] = path
    if not files:
        raise UserFileError(f"{folder}: no images; expected {', '.join(IMAGE_ENDINGS)}")
    return files
