"""Finding the unlabeled images of a raw dataset, and refusing files that nnU-Net could not use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from nnunetv2_semiseg.core.errors import UserError, UserFileError
from nnunetv2_semiseg.data.raw.folders import UNLABELED_IMAGES
from nnunetv2_semiseg.data.raw.reading import SEGMENTATION_SUFFIX, case_and_channel


def find_unlabeled_cases(
    raw_dataset: Path, dataset_json: Mapping[str, Any], log: Callable[[str], None] = print
) -> dict[str, list[Path]]:
    """The unlabeled cases of a raw dataset with their channel files.

    Args:
        raw_dataset: ``nnUNet_raw/DatasetNNN_Name``.
        dataset_json: Content of the dataset's ``dataset.json``.
        log: Takes a line about files that do not belong to any case.

    Returns:
        Case name -> files in the order of their channels; sorted by name.

    Raises:
        UserFileError: There is no folder ``imagesUn``, or no image in it.
        UserError: A file has no channel number, a case lacks channels that others have, or a case name is
            also that of a labeled case.
    """
    ending = dataset_json["file_ending"]
    folder = raw_dataset / UNLABELED_IMAGES
    cases = _by_case(_images(folder, ending, log), ending)
    if not cases:
        raise UserFileError(
            f"no unlabeled images: put them into {folder}, named like those in imagesTr (CASE_0000{ending}), "
            "by hand or with nnUNetv2_semiseg_add_unlabeled or nnUNetv2_semiseg_hide_labels"
        )
    labeled = _labeled_cases(raw_dataset, dataset_json)
    _refuse_labeled(cases, labeled, raw_dataset)
    _refuse_incomplete(cases, labeled or cases, folder, ending)
    return {case: [files[channel] for channel in sorted(files)] for case, files in sorted(cases.items())}


def _images(folder: Path, ending: str, log: Callable[[str], None]) -> list[Path]:
    """Visible files with the dataset's ending; empty where the folder does not exist."""
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    visible = [file for file in files if not file.name.startswith(".")]
    others = [file.name for file in visible if not file.name.endswith(ending)]
    if others:
        log(f"left out {len(others)} file(s) in {folder} that do not end in {ending}, such as {others[0]}")
    return [file for file in visible if file.name.endswith(ending)]


def _by_case(files: Iterable[Path], ending: str) -> dict[str, dict[int, Path]]:
    """Case name -> channel number -> file."""
    cases: dict[str, dict[int, Path]] = {}
    for file in files:
        parts = case_and_channel(file.name.removesuffix(ending))
        if parts is None:
            raise UserError(f"{file} has no channel number: rename it like imagesTr, CASE_0000{ending}")
        case, channel = parts
        if case.endswith(SEGMENTATION_SUFFIX):
            raise UserError(f"{file}: a case name must not end in '{SEGMENTATION_SUFFIX}'; rename the file")
        cases.setdefault(case, {})[channel] = file
    return cases


def _labeled_cases(raw_dataset: Path, dataset_json: Mapping[str, Any]) -> dict[str, dict[int, Path]]:
    """The labeled cases like `_by_case`; without those of `imagesTr` where it does not exist."""
    if "dataset" in dataset_json:  # nnU-Net's way of naming files outside of imagesTr
        return {
            case: dict(enumerate(map(Path, entry["images"])))
            for case, entry in dataset_json["dataset"].items()
        }
    ending = dataset_json["file_ending"]
    pattern = f"*_[0-9][0-9][0-9][0-9]{ending}"
    return _by_case((raw_dataset / "imagesTr").glob(pattern), ending)


def _refuse_labeled(cases: Mapping[str, Any], labeled: Mapping[str, Any], raw_dataset: Path) -> None:
    both = sorted(set(cases) & set(labeled))
    if both:
        raise UserError(
            f"{naming(both)}: labeled and unlabeled in {raw_dataset}; remove the case from imagesTr or from "
            f"{UNLABELED_IMAGES} (nnUNetv2_semiseg_hide_labels moves labeled cases)"
        )


def _refuse_incomplete(
    cases: Mapping[str, Mapping[int, Path]],
    reference: Mapping[str, Mapping[int, Path]],
    folder: Path,
    ending: str,
) -> None:
    """Every case must have the channels that all cases of ``reference`` have between them."""
    expected = {channel for files in reference.values() for channel in files}
    for case, files in sorted(cases.items()):
        for channel in sorted(expected - set(files)):
            missing = folder / f"{case}_{channel:04d}{ending}"
            raise UserError(f"case {case} lacks a channel: add {missing} or remove the case")
        for channel in sorted(set(files) - expected):
            raise UserError(
                f"{files[channel]}: the labeled cases have no channel {channel:04d}; remove this file"
            )


def naming(cases: Iterable[str], most: int = 5) -> str:
    """Case names in a message: the first few, and the number of the others."""
    names = list(cases)
    beyond = f" and {len(names) - most} more" if len(names) > most else ""
    return ("case " if len(names) == 1 else "cases ") + ", ".join(names[:most]) + beyond
