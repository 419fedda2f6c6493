"""Datasets that a user names, and the files that planning has written for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nnunetv2.utilities.dataset_name_id_conversion import maybe_convert_to_dataset_name

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.core.files import read_json


def dataset_name(dataset: str) -> str:
    """The full name of a dataset given by number or name.

    Raises:
        UserError: There is no such dataset, or more than one.
    """
    try:
        return str(maybe_convert_to_dataset_name(dataset))
    except (RuntimeError, ValueError) as error:  # nnU-Net's ways of saying so
        raise UserError(f"dataset {dataset}: {' '.join(str(error).split())}") from None


def read_planned(file: Path) -> dict[str, Any]:
    """Read a JSON file that planning has written into the folder of a preprocessed dataset.

    Raises:
        UserFileError: The file does not exist.
        UserError: The file is damaged.
    """
    remedy = f"run nnUNetv2_plan_and_preprocess for {file.parent.name} first"
    return dict(read_json(file, remedy))


def read_plans(file: Path) -> dict[str, Any]:
    """Read a plans file; errors as in `read_planned`."""
    plans = read_planned(file)
    if not isinstance(plans.get("configurations"), dict):
        raise UserError(f"{file} has no 'configurations': plan {file.parent.name} again")
    return plans
