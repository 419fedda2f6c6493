"""The unlabeled images of a comparison, which must be the same for all trainings, later ones too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nnunetv2_semiseg.comparing.comparison import Comparison
from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.core.files import read_json, write_json
from nnunetv2_semiseg.data.raw.folders import UNLABELED_IMAGES
from nnunetv2_semiseg.data.unlabeled.finding import find_unlabeled_cases, naming

RECORD = "unlabeled.json"
"""File in a comparison's folder that records the images with which its trainings began."""

UnlabeledFiles = Mapping[str, Mapping[str, int]]
"""Sizes of files in bytes, by case and name of the file."""


def unlabeled_files(comparison: Comparison, dataset_json: Mapping[str, Any]) -> UnlabeledFiles:
    """The unlabeled images as they are now; none if no trainer learns from them.

    Args:
        comparison: The comparison.
        dataset_json: Content of the preprocessed dataset's dataset.json.

    Raises:
        UserFileError: There are no unlabeled images.
        UserError: Names of the images do not fit the dataset.
    """
    if all(one.method is None for one in comparison.competitors):
        return {}
    cases = find_unlabeled_cases(comparison.raw, dataset_json, log=lambda line: None)
    return {case: {file.name: file.stat().st_size for file in files} for case, files in cases.items()}


def check_unlabeled(comparison: Comparison, now: UnlabeledFiles) -> None:
    """Refuse to go on with trainings that began with other unlabeled images.

    Args:
        comparison: The comparison.
        now: The unlabeled images as they are now.

    Raises:
        UserError: Images were added, removed or changed since then.
    """
    record = comparison.folder / RECORD
    if not now or not record.is_file() or not _has_begun(comparison):
        return
    then = read_json(record, "choose another --name")
    changed = sorted(case for case in then.keys() | now.keys() if then.get(case) != now.get(case))
    if changed:
        raise UserError(
            f"{comparison.raw / UNLABELED_IMAGES} has changed since this comparison began "
            f"({naming(changed)}): choose another --name to train all methods on the images as they are now, "
            "or restore those of then"
        )


def note_unlabeled(comparison: Comparison, now: UnlabeledFiles) -> None:
    """Record the images with which the trainings begin, for `check_unlabeled`."""
    if not now:
        return
    comparison.folder.mkdir(parents=True, exist_ok=True)
    write_json(comparison.folder / RECORD, now)


def _has_begun(comparison: Comparison) -> bool:
    """Whether a trainer that learns from unlabeled images has a model folder."""
    return any(
        comparison.model_folder(one.trainer.__name__, seed).is_dir()
        for one, seed in comparison.trainings
        if one.method is not None
    )
