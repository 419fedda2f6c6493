"""Reading what a raw dataset consists of."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from nnunetv2.utilities.utils import (
    get_filenames_of_train_images_and_targets,
    get_identifiers_from_splitted_dataset_folder,
)

from nnunetv2_semiseg.core.errors import UserError, UserFileError

CHANNEL_SUFFIX_LENGTH = len("_0000")


@dataclass(frozen=True)
class LabeledCase:
    """Files of a training case.

    Attributes:
        images: One for each channel, or one for all of them.
        label: The label file.
    """

    images: tuple[Path, ...]
    label: Path


def read_dataset_json(folder: Path) -> dict[str, Any]:
    """Content of a raw dataset's dataset.json.

    Raises:
        UserFileError: There is none.
        UserError: It is not JSON, or one of the keys that nnU-Net needs is missing.
    """
    path = folder / "dataset.json"
    try:
        content = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is not valid JSON: {error}") from None
    for key in ("channel_names", "labels", "file_ending"):
        if key not in content:
            raise UserError(f"{path} has no key '{key}', which nnU-Net needs")
    return cast("dict[str, Any]", content)


def training_cases(folder: Path, dataset_json: Mapping[str, Any]) -> dict[str, LabeledCase]:
    """The training cases of a raw dataset by name, from its folders or the file lists in its dataset.json.

    Args:
        folder: The raw dataset.
        dataset_json: Content of its dataset.json.

    Raises:
        UserFileError: imagesTr or one of the files does not exist.
        UserError: There are no cases, one has no images, or a file has another ending than the dataset says.
    """
    # a copy: nnU-Net writes absolute paths into the dictionary that it is given
    found = get_filenames_of_train_images_and_targets(str(folder), copy.deepcopy(dict(dataset_json)))
    if not found:
        raise UserError(f"{folder} has no training cases ending with {dataset_json['file_ending']}")
    cases = {
        str(case): LabeledCase(tuple(map(Path, files["images"])), Path(files["label"]))
        for case, files in found.items()
    }
    for case, files in cases.items():
        _check_files(folder, case, files, dataset_json["file_ending"])
    return cases


def image_names(folder: Path, ending: str) -> set[str]:
    """Case names of an image folder such as imagesUn; none where it does not exist."""
    if not folder.is_dir():
        return set()
    return set(map(str, get_identifiers_from_splitted_dataset_folder(str(folder), ending)))


def images_by_case(folder: Path, ending: str) -> dict[str, tuple[Path, ...]]:
    """Files of each case of an image folder in the order of the channels; none where it does not exist."""
    cases: dict[str, tuple[Path, ...]] = {}
    for path in sorted(folder.glob(f"[!.]*{ending}")):
        case = path.name[: -len(ending) - CHANNEL_SUFFIX_LENGTH]
        cases[case] = (*cases.get(case, ()), path)
    return cases


def image_sidecar(image: Path, ending: str) -> Path | None:
    """The json with the spacing that nnU-Net reads next to a tiff image, where there is one."""
    return _existing(image.parent / f"{image.name[: -len(ending) - CHANNEL_SUFFIX_LENGTH]}.json")


def label_sidecar(label: Path, ending: str) -> Path | None:
    """The json with the spacing that nnU-Net reads next to a tiff label, where there is one."""
    return _existing(label.parent / f"{label.name.removesuffix(ending)}.json")


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None


def _check_files(folder: Path, case: str, files: LabeledCase, ending: str) -> None:
    if not files.images:
        raise UserError(f"{folder}: case '{case}' has no images; they are named CASE_0000{ending}")
    for path in (*files.images, files.label):
        if not path.is_file():
            raise UserFileError(f"{path} does not exist, but training case '{case}' needs it")
        if not path.name.endswith(ending):
            raise UserError(f"{path}: the files of this dataset must end with {ending}")
