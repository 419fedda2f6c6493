"""Where datasets lie, what they and their folders may be called, and how they share files."""

from __future__ import annotations

import os
import re
import shutil
import warnings
from pathlib import Path

from nnunetv2.paths import nnUNet_preprocessed, nnUNet_raw, nnUNet_results
from nnunetv2.utilities.dataset_name_id_conversion import (
    find_candidate_datasets,
    maybe_convert_to_dataset_name,
)

from nnunetv2_semiseg.core.errors import UserError, UserFileError

UNLABELED_IMAGES = "imagesUn"
"""Folder of a raw dataset's unlabeled images, which are named like those in ``imagesTr``."""

HIDDEN_LABELS = "labelsUn_hidden"
"""Folder of labels of unlabeled images. No training reads it; an evaluation may."""

MAX_DATASET_ID = 999
"""Largest id that nnU-Net can read from the three digits of a folder's name."""


def raw_folder() -> Path:
    """The folder that the environment variable ``nnUNet_raw`` names.

    Raises:
        UserError: The variable is not set.
    """
    return _set_folder(nnUNet_raw.get(), "nnUNet_raw", "raw datasets")


def preprocessed_folder() -> Path:
    """The folder that the environment variable ``nnUNet_preprocessed`` names.

    Raises:
        UserError: The variable is not set.
    """
    return _set_folder(nnUNet_preprocessed.get(), "nnUNet_preprocessed", "preprocessed datasets")


def results_folder() -> Path:
    """The folder that the environment variable ``nnUNet_results`` names.

    Raises:
        UserError: The variable is not set.
    """
    return _set_folder(nnUNet_results.get(), "nnUNet_results", "trained models")


def dataset_name(dataset: int | str) -> str:
    """The whole name of a dataset in any of nnU-Net's folders.

    Args:
        dataset: The dataset's id (``27``, ``"27"``) or whole name (``"Dataset027_ACDC"``).

    Raises:
        UserFileError: No dataset has this id.
        UserError: Several datasets have this id, or ``dataset`` is neither an id nor a name.
    """
    try:
        return str(maybe_convert_to_dataset_name(dataset))
    except ValueError:
        raise UserError(f"'{dataset}' is neither an id nor a name such as Dataset027_ACDC") from None
    except RuntimeError:
        names = ", ".join(find_candidate_datasets(int(dataset)))
        if names:
            raise UserError(f"dataset id {dataset} belongs to several datasets: {names}") from None
        # nnU-Net looks into all of its folders that are set
        place = nnUNet_raw.get() or nnUNet_preprocessed.get() or nnUNet_results.get() or raw_folder()
        raise UserFileError(f"{place} has no dataset with id {dataset}") from None


def find_raw_dataset(dataset: int | str) -> Path:
    """The raw folder of an existing dataset.

    Args:
        dataset: The dataset's id (``27``, ``"27"``) or whole name (``"Dataset027_ACDC"``).

    Raises:
        UserFileError: No raw dataset has this id or name.
        UserError: Several datasets have this id, or ``dataset`` is neither an id nor a name.
    """
    parent = raw_folder()
    name = dataset_name(dataset)
    if not (parent / name / "dataset.json").is_file():
        raise UserFileError(f"{parent / name} has no dataset.json, so it is not a raw dataset")
    return parent / name


def dataset_folder_name(dataset_id: int, name: str) -> str:
    """``DatasetNNN_name``."""
    return f"Dataset{dataset_id:03d}_{name}"


def new_dataset_folder(parent: Path, dataset_id: int, name: str, overwrite: bool = False) -> Path:
    """Check that a dataset of this id and name may be written.

    Args:
        parent: The folder of raw datasets.
        dataset_id: 1 to 999.
        name: Rest of the dataset's name, behind ``DatasetNNN_``: letters, digits, ``_`` and ``-``.
        overwrite: Whether the dataset may exist already.

    Returns:
        The path for the dataset. Nothing is created.

    Raises:
        UserError: Id or name is not valid, the id belongs to a dataset of another name (in nnUNet_raw,
            nnUNet_preprocessed or nnUNet_results), or the dataset exists and ``overwrite`` is false.
    """
    if not 1 <= dataset_id <= MAX_DATASET_ID:
        raise UserError(f"dataset id {dataset_id} is not between 1 and {MAX_DATASET_ID}")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise UserError(f"dataset name '{name}' may have only letters, digits, '_' and '-'")
    target = parent / dataset_folder_name(dataset_id, name)
    in_parent = [folder.name for folder in parent.glob(f"Dataset{dataset_id:03d}*") if folder.is_dir()]
    others = {*in_parent, *map(str, find_candidate_datasets(dataset_id))} - {target.name}
    if others:
        raise UserError(
            f"dataset id {dataset_id} is taken by {', '.join(sorted(others))}; choose another for '{name}'"
        )
    if target.exists() and not overwrite:
        raise UserError(f"{target} exists; use --overwrite to replace it")
    _warn_of_stale_preprocessing(target.name)
    return target


def link_or_copy(source: Path, target: Path, copy: bool = False) -> None:
    """Make ``target`` a hard link to ``source``, or a copy on demand and where links are impossible."""
    source = source.resolve()
    if not copy:
        try:
            os.link(source, target)
            return
        except OSError:
            pass
    shutil.copyfile(source, target)


def _set_folder(value: str | None, variable: str, content: str) -> Path:
    if not value:
        raise UserError(f"{variable} is not set; let it name the folder of your {content}")
    return Path(value)


def _warn_of_stale_preprocessing(name: str) -> None:
    root = nnUNet_preprocessed.get()
    if root and (Path(root) / name).exists():
        warnings.warn(
            f"{Path(root) / name} is of an earlier dataset of this name; delete it before planning again"
        )
