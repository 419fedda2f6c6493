"""The label maps of a folder, and which of them belong together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunetv2_semiseg.core.errors import UserError, UserFileError
from nnunetv2_semiseg.data.raw.reading import files_by_case, read_dataset_json


@dataclass(frozen=True)
class CaseFiles:
    """Label maps of one case.

    Attributes:
        case: Name of the case.
        reference: The true label map.
        predictions: The predicted label maps, in the order of the prediction folders.
    """

    case: str
    reference: Path
    predictions: tuple[Path, ...]


@dataclass(frozen=True)
class MatchedCases:
    """The cases to measure.

    Attributes:
        cases: Label maps of each case, sorted by name.
        left_out: Names of the cases that the reference or a prediction folder lacks.
    """

    cases: tuple[CaseFiles, ...]
    left_out: tuple[str, ...]


def label_files(folder: Path, ending: str) -> dict[str, Path]:
    """Label maps of a folder by case. Hidden files and files with another ending are left out.

    Raises:
        UserFileError: The folder does not exist or has no label maps.
    """
    if not folder.is_dir():
        raise UserFileError(f"{folder} is not a folder: name the folder of the label images")
    files = files_by_case(folder, ending)
    if not files:
        raise UserFileError(f"{folder} has no label images ending with {ending}")
    return files


def match_cases(reference: Path, predictions: list[Path], ending: str, common: bool = False) -> MatchedCases:
    """Find the prediction of each case in each folder.

    Args:
        reference: Folder with true label maps, ``CASE.ending``.
        predictions: Folders with predicted label maps.
        ending: Ending of the files, with the dot.
        common: Leave out cases that are not in all folders, instead of refusing them.

    Raises:
        UserFileError: A folder has no label maps, or, unless ``common``, lacks a prediction.
        UserError: A folder has no case of the reference, or, unless ``common``, a case that the reference
            lacks.
    """
    true = label_files(reference, ending)
    predicted = {folder: label_files(folder, ending) for folder in predictions}
    for folder, files in predicted.items():
        _check_names(folder, files, reference, true, common)
    shared = set(true).intersection(*predicted.values())
    if not shared:
        raise UserError(f"no case is in all of {', '.join(map(str, predictions))}: compare fewer folders")
    cases = tuple(
        CaseFiles(case, true[case], tuple(predicted[folder][case] for folder in predictions))
        for case in sorted(shared)
    )
    return MatchedCases(cases, tuple(sorted(set(true).union(*predicted.values()) - shared)))


def check_labels(predictions: Path, dataset_json: Mapping[str, Any]) -> None:
    """Refuse predictions of a model with other labels, as far as the folder tells.

    Args:
        predictions: Folder of predictions, in which nnU-Net puts a dataset.json.
        dataset_json: Content of the dataset.json of the dataset to measure.

    Raises:
        UserError: The labels differ.
    """
    if not (predictions / "dataset.json").is_file():
        return
    labels = read_dataset_json(predictions)["labels"]
    if labels != dataset_json["labels"]:
        raise UserError(
            f"{predictions} has predictions of another dataset: its dataset.json has the labels {labels}, "
            f"the dataset to measure has {dataset_json['labels']}; name that folder's dataset by -d, or "
            "remove its dataset.json if the values mean the same"
        )


def _check_names(
    folder: Path, files: Mapping[str, Path], reference: Path, true: Mapping[str, Path], common: bool
) -> None:
    """Compare the cases of a prediction folder with those of the reference."""
    missing, extra = sorted(set(true) - set(files)), sorted(set(files) - set(true))
    remedy = "or measure the cases that all folders have by --common-cases"
    if len(extra) == len(files):
        raise UserError(
            f"{folder} has no case of {reference}, but for example '{extra[0]}': is it of another dataset? "
            "Name the dataset by -d or its true labels by -r"
        )
    if missing and not common:
        raise UserFileError(
            f"{folder} lacks {len(missing)} of {len(true)} cases in {reference}, the first is '{missing[0]}'"
            f": predict them, {remedy}"
        )
    if extra and not common:
        raise UserError(
            f"{folder} has {len(extra)} cases without true labels in {reference}, the first is '{extra[0]}': "
            f"remove them, name other labels by -r, {remedy}"
        )
