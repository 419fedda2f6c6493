"""Finding the unlabeled raw images of a dataset, ``imagesUn/``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from nnunetv2_semiseg.core.errors import UserError, UserFileError

FOLDER = "imagesUn"
"""Where unlabeled images lie in a raw dataset, named like those in ``imagesTr``."""


def find_unlabeled_cases(
    raw_dataset: Path, dataset_json: Mapping[str, Any], log: Callable[[str], None] = print
) -> dict[str, list[Path]]:
    """The unlabeled cases of a raw dataset with their channel files.

    Args:
        raw_dataset: ``nnUNet_raw/DatasetNNN_Name``.
        dataset_json: Its ``dataset.json``.
        log: Is told about files that do not belong to any case.

    Returns:
        Case name -> files in the order of their channels; sorted by name.

    Raises:
        UserFileError: There is no folder ``imagesUn``, or no image in it.
        UserError: A file has no channel number, a case lacks channels that others have, or a case name is
            also that of a labeled case.
    """
    ending = dataset_json["file_ending"]
    folder = raw_dataset / FOLDER
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


def _by_case(files: Iterable[Path], ending: str) -> dict[str, dict[str, Path]]:
    """Case name -> four-digit channel number -> file."""
    cases: dict[str, dict[str, Path]] = {}
    for file in files:
        match = re.fullmatch(rf"(.+)_(\d{{4}}){re.escape(ending)}", file.name)
        if match is None:
            raise UserError(f"{file} has no channel number: rename it like imagesTr, CASE_0000{ending}")
        case, channel = match.groups()
        if case.endswith("_seg"):
            # nnU-Net would take CASE_seg.b2nd for the segmentation of CASE
            raise UserError(f"{file}: a case name must not end in '_seg'; rename the file")
        cases.setdefault(case, {})[channel] = file
    return cases


def _labeled_cases(raw_dataset: Path, dataset_json: Mapping[str, Any]) -> dict[str, dict[str, Path]]:
    """The labeled cases like `_by_case`; without those of `imagesTr` where it does not exist."""
    if "dataset" in dataset_json:  # nnU-Net's way of naming files outside of imagesTr
        return {
            case: {f"{channel:04d}": Path(file) for channel, file in enumerate(entry["images"])}
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
            f"{FOLDER} (nnUNetv2_semiseg_hide_labels moves labeled cases)"
        )


def _refuse_incomplete(
    cases: Mapping[str, Mapping[str, Path]],
    reference: Mapping[str, Mapping[str, Path]],
    folder: Path,
    ending: str,
) -> None:
    """Every case must have the channels that all cases of ``reference`` have between them."""
    expected = {channel for files in reference.values() for channel in files}
    for case, files in sorted(cases.items()):
        for channel in sorted(expected - set(files)):
            raise UserError(
                f"case {case} lacks a channel: add {folder / f'{case}_{channel}{ending}'} or remove the case"
            )
        for channel in sorted(set(files) - expected):
            raise UserError(
                f"{files[channel]}: the labeled cases have no channel {channel}; remove this file"
            )


def naming(cases: Iterable[str], most: int = 5) -> str:
    """Case names for a message: the first few, and how many there are beyond."""
    names = list(cases)
    beyond = f" and {len(names) - most} more" if len(names) > most else ""
    return ("case " if len(names) == 1 else "cases ") + ", ".join(names[:most]) + beyond
