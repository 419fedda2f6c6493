"""Checks of a comparison's dataset: folds to train, images to test on and their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nnunetv2_semiseg.comparing.facts import ALL
from nnunetv2_semiseg.core.errors import UnsupportedError, UserError, UserFileError
from nnunetv2_semiseg.core.files import read_json
from nnunetv2_semiseg.data.merging.tasks import is_merged
from nnunetv2_semiseg.data.raw.folders import UNLABELED_IMAGES
from nnunetv2_semiseg.data.raw.reading import images_by_case
from nnunetv2_semiseg.evaluation.measuring.domains import domains_of
from nnunetv2_semiseg.evaluation.measuring.label_files import label_files

NNUNETS_FOLDS = 5
"""Number of folds that nnU-Net makes if there is no file of splits."""


def held_out_images(raw: Path, dataset_json: Mapping[str, Any]) -> dict[str, tuple[Path, ...]]:
    """Image files of each test case, all of which have true label maps.

    Only names of files are looked at: what the labels show must not be known before the last training ends.

    Args:
        raw: Folder of the raw dataset.
        dataset_json: Content of the raw dataset's dataset.json.

    Raises:
        UserFileError: There are no test images, or no true label maps of them.
        UnsupportedError: The dataset is a merged one.
        UserError: Images and labels are not of the same cases, a case has no domain while others have one, or
            a case is a training case as well.
    """
    if is_merged(dataset_json):
        raise UnsupportedError(
            f"{raw.name} is a merged dataset, whose cases are not annotated for all classes: train it by "
            "nnUNetv2_train and measure by nnUNetv2_semiseg_evaluate_tasks"
        )
    ending = dataset_json["file_ending"]
    images = images_by_case(raw / "imagesTs", ending)
    if not images:
        raise UserFileError(
            f"{raw / 'imagesTs'} has no test images (CASE_0000{ending}): a comparison needs cases that no "
            "training has seen"
        )
    if not (raw / "labelsTs").is_dir():
        raise UserFileError(
            f"{raw / 'labelsTs'} does not exist: put the true label maps of imagesTs there, CASE{ending}"
        )
    labels = label_files(raw / "labelsTs", ending)
    for case in sorted(images.keys() ^ labels.keys()):
        has, lacks = ("imagesTs", "labelsTs") if case in images else ("labelsTs", "imagesTs")
        raise UserError(
            f"test case '{case}' is in {raw / has} and not in {raw / lacks}: add it there, or remove it"
        )
    _refuse_seen_cases(raw, ending, images)
    domains_of(images, dataset_json)  # what the report refuses, it refuses before the trainings
    return images


def _refuse_seen_cases(raw: Path, ending: str, images: Mapping[str, Any]) -> None:
    """Refuse test cases that have the name of a training case."""
    for folder in ("imagesTr", UNLABELED_IMAGES):
        for case in sorted(images_by_case(raw / folder, ending).keys() & images.keys()):
            raise UserError(
                f"test case '{case}' is in {raw / 'imagesTs'} and in {raw / folder}: remove it from one of "
                "them, or rename it if it is another image"
            )


def check_folds(preprocessed: Path, folds: Sequence[str], dataset_json: Mapping[str, Any]) -> None:
    """Refuse folds for which nnU-Net would draw a split of its own.

    Args:
        preprocessed: Folder of the preprocessed dataset.
        folds: Folds that the user named.
        dataset_json: Content of the preprocessed dataset's dataset.json.

    Raises:
        UserError: A fold does not exist, is named twice, or is mixed with ``all``.
    """
    if len(set(folds)) < len(folds) or (ALL in folds and len(folds) > 1):
        raise UserError(f"-f {' '.join(folds)}: give {ALL}, or numbers of folds, each once")
    if ALL in folds:
        return
    file = preprocessed / "splits_final.json"
    known, where = NNUNETS_FOLDS, f"nnU-Net makes {NNUNETS_FOLDS}"
    if file.is_file():
        known = len(read_json(file, "delete it, and nnU-Net makes a new one", list))
        where = f"{file} has {known}"
    for fold in folds:
        if not fold.isdecimal() or int(fold) >= known:
            raise UserError(
                f"fold {fold} does not exist: {where}, 0 to {known - 1}; or train on all labeled cases by "
                f"-f {ALL}"
            )
    num_cases = dataset_json.get("numTraining")
    if not file.is_file() and isinstance(num_cases, int) and num_cases < NNUNETS_FOLDS:
        raise UserError(
            f"{num_cases} labeled cases cannot be split into nnU-Net's {known} folds: give -f {ALL}, or "
            f"write {file}"
        )
