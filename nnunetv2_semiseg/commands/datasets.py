"""What commands need to know of a dataset that a user names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nnunetv2.utilities.dataset_name_id_conversion import maybe_convert_to_dataset_name

from nnunetv2_semiseg.core.errors import UserError, UserFileError


def dataset_name(dataset: str) -> str:
    """The full name of a dataset given by number or name.

    Raises:
        UserError: There is none, or more than one.
    """
    try:
        return str(maybe_convert_to_dataset_name(dataset))
    except RuntimeError as error:  # nnU-Net's way of saying so
        raise UserError(f"dataset {dataset}: {' '.join(str(error).split())}") from None


def read_json(file: Path, dataset: str) -> dict[str, Any]:
    """A JSON file that planning writes.

    Raises:
        UserFileError: It does not exist; the message says that planning makes it.
        UserError: It is not valid JSON.
    """
    if not file.is_file():
        raise UserFileError(f"{file} does not exist: run nnUNetv2_plan_and_preprocess for {dataset} first")
    try:
        content: dict[str, Any] = json.loads(file.read_text())
    except json.JSONDecodeError as error:
        raise UserError(f"{file} is not valid JSON ({error}): mend it, or plan {dataset} again") from None
    return content
