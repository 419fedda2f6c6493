"""Reading what a raw dataset consists of: its dataset.json, its training cases and the files of each case."""

from __future__ import annotations

import contextlib
import copy
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from nnunetv2.imageio.base_reader_writer import BaseReaderWriter
from nnunetv2.imageio.reader_writer_registry import determine_reader_writer_from_dataset_json
from nnunetv2.utilities.utils import get_filenames_of_train_images_and_targets

from nnunetv2_semiseg.core.errors import UserError, UserFileError
from nnunetv2_semiseg.core.files import read_json

REQUIRED: dict[str, type] = {"channel_names": dict, "labels": dict, "file_ending": str}
"""Keys of dataset.json that nnU-Net needs."""

OPTIONAL: dict[str, type] = {"dataset": dict, "domains": dict}
"""Keys of dataset.json that may be missing: nnU-Net's lists of files, and this package's domains by case."""

CHANNEL_SUFFIX_LENGTH = len("_0000")

SEGMENTATION_SUFFIX = "_seg"
"""No case name may end like this: nnU-Net would take ``CASE_seg.b2nd`` for the segmentation of CASE."""


@dataclass(frozen=True)
class LabeledCase:
    """Files of a training case.

    Attributes:
        images: One file for each channel, or one for all of them.
        label: The label file.
    """

    images: tuple[Path, ...]
    label: Path


def read_dataset_json(folder: Path) -> dict[str, Any]:
    """Content of a raw dataset's dataset.json.

    Raises:
        UserFileError: There is none.
        UserError: The file is not valid JSON, lacks a key that nnU-Net needs, or has a value of another type
            than it should be.
    """
    path = folder / "dataset.json"
    content = read_json(path, "name a raw dataset of nnU-Net, or mend the file")
    for key in REQUIRED:
        if key not in content:
            raise UserError(f"{path} has no key '{key}', which nnU-Net needs")
    for key, kind in {**REQUIRED, **OPTIONAL}.items():
        if key in content and not isinstance(content[key], kind):
            raise UserError(f"{path}: '{key}' must be of type {kind.__name__}, got {content[key]!r}")
    if not all(isinstance(name, str) for name in content["channel_names"].values()):
        raise UserError(f"{path}: 'channel_names' must give names, got {content['channel_names']!r}")
    for case, entry in content.get("dataset", {}).items():
        if not _is_listed_case(entry):
            raise UserError(f"{path}: 'dataset.{case}' must have a list 'images' and a text 'label'")
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
    if "dataset" not in dataset_json and not (folder / "imagesTr").is_dir():
        raise UserFileError(
            f"{folder} has no labeled cases: there is no folder imagesTr; add it, or name another dataset"
        )
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


def reader_for(dataset_json: Mapping[str, Any], example: Path) -> BaseReaderWriter:
    """nnU-Net's reader and writer for the images and label maps of a dataset.

    Args:
        dataset_json: Content of dataset.json.
        example: One of the files; some file endings leave several readers.

    Raises:
        UserError: No reader can read the example.
    """
    try:
        # it prints the traceback of every reader that it tries in vain
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            return determine_reader_writer_from_dataset_json(dataset_json, str(example), verbose=False)()
    except RuntimeError:
        raise UserError(f"{example} can be read by none of nnU-Net's readers: replace this file") from None


def files_by_case(folder: Path, ending: str) -> dict[str, Path]:
    """Files of a folder by their name without the ending, sorted, such as label maps by case.

    Hidden files and files with another ending are left out. A folder that does not exist has none.
    """
    return {path.name.removesuffix(ending): path for path in sorted(folder.glob(f"[!.]*{ending}"))}


def images_by_case(folder: Path, ending: str) -> dict[str, tuple[Path, ...]]:
    """Files of each case of an image folder such as imagesUn, in the order of their channels.

    Files without a channel number are left out. A folder that does not exist has no cases.
    """
    cases: dict[str, tuple[Path, ...]] = {}
    for stem, path in files_by_case(folder, ending).items():
        parts = case_and_channel(stem)
        if parts is not None:
            cases[parts[0]] = (*cases.get(parts[0], ()), path)
    return cases


def case_and_channel(stem: str) -> tuple[str, int] | None:
    """Case and channel of an image file's name without ending; None where it has no channel number.

    Examples:
        >>> case_and_channel("patient_07_0001")
        ('patient_07', 1)
    """
    match = re.fullmatch(r"(.+)_(\d{4})", stem)
    return None if match is None else (match[1], int(match[2]))


def image_sidecar(image: Path, ending: str) -> Path | None:
    """The json with the spacing that nnU-Net reads next to a tiff image, where there is one."""
    return _existing(image.parent / f"{image.name[: -len(ending) - CHANNEL_SUFFIX_LENGTH]}.json")


def label_sidecar(label: Path, ending: str) -> Path | None:
    """The json with the spacing that nnU-Net reads next to a tiff label, where there is one."""
    return _existing(label.parent / f"{label.name.removesuffix(ending)}.json")


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None


def _is_listed_case(entry: Any) -> bool:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("label"), str):
        return False
    images = entry.get("images")
    return isinstance(images, list) and all(isinstance(image, str) for image in images)


def _check_files(folder: Path, case: str, files: LabeledCase, ending: str) -> None:
    if not files.images:
        raise UserError(f"{folder}: case '{case}' has no images; they are named CASE_0000{ending}")
    for path in (*files.images, files.label):
        if not path.is_file():
            raise UserFileError(f"{path} does not exist, but training case '{case}' needs it")
        if not path.name.endswith(ending):
            raise UserError(f"{path}: the files of this dataset must end with {ending}")
