"""Adding a user's own images to the unlabeled images of a raw dataset: all of them, or none if one is bad."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from nnunetv2.imageio.base_reader_writer import BaseReaderWriter
from nnunetv2.imageio.reader_writer_registry import LIST_OF_IO_CLASSES
from tqdm import tqdm

from nnunetv2_semiseg.core.errors import UserError, UserFileError
from nnunetv2_semiseg.core.files import write_json
from nnunetv2_semiseg.core.processes import results_of_workers
from nnunetv2_semiseg.data.raw.folders import UNLABELED_IMAGES, link_or_copy
from nnunetv2_semiseg.data.raw.image_checks import Expectation, check_image, learn_expectation
from nnunetv2_semiseg.data.raw.reading import (
    SEGMENTATION_SUFFIX,
    case_and_channel,
    images_by_case,
    read_dataset_json,
    reader_for,
    training_cases,
)

IMAGE_ENDINGS = {
    ".jpg",
    ".jpeg",
    ".nii",
    ".dcm",
    ".gif",
    *(ending for reader in LIST_OF_IO_CLASSES for ending in reader.supported_file_endings),
}
"""Endings of files that are meant to be images; others, such as a readme, are ignored."""

MAX_PROBLEMS = 10
"""Number of problems that one message shows."""

MANY = 20
"""Number of images from which on background processes save more time than their start takes."""

TITLE = "new images"

KILLED = (
    "a reading process was killed, most likely because memory ran out; nothing was added, so run again with "
    "fewer processes (-np, or the environment variable nnUNet_def_n_proc)"
)

CaseFiles: TypeAlias = dict[str, list[Path]]
"""Files of each case, in the order of the channels."""


@dataclass(frozen=True)
class AddedImages:
    """Images that were added to a dataset.

    Attributes:
        cases: Names of the new cases.
        warnings: Sentences on cases that are unusual but possible.
    """

    cases: list[str]
    warnings: list[str]


def add_unlabeled(
    dataset: Path, images: Path, domain: str | None = None, copy: bool = False, num_processes: int = 1
) -> AddedImages:
    """Put the images of a folder into ``imagesUn`` of a raw dataset.

    Files are named ``CASE_0000.ending``, ``CASE_0001.ending``, ... for channels in files of their own; where
    a case is one file, ``CASE.ending`` is possible as well. They become hard links where the disk allows it.

    Args:
        dataset: The raw dataset.
        images: Folder with the images; its subfolders are ignored.
        domain: Domain of the new cases, to be noted in dataset.json.
        copy: Whether files are copied instead of linked.
        num_processes: Number of background processes that read the images; a few images are read in this
            process.

    Returns:
        The cases added, and warnings about spacings far from those of the labeled images.

    Raises:
        UserFileError: ``images`` is not a folder or has no file with the dataset's ending.
        UserError: Any image is bad: another file ending, missing or additional channels, a name that the
            dataset has already, unreadable, values that are not finite, 2D where the labeled images are 3D or
            the other way round. Nothing is added; the message names up to `MAX_PROBLEMS` of them.
        WorkerKilledError: A background process was killed. Nothing is added.
    """
    dataset_json = read_dataset_json(dataset)
    ending = dataset_json["file_ending"]
    training = training_cases(dataset, dataset_json)
    labeled = [case.images for case in training.values()]
    cases, problems = _group_files(images, ending, len(labeled[0]))
    folders = (dataset / "imagesTs", dataset / UNLABELED_IMAGES)
    taken = {*training, *(case for folder in folders for case in images_by_case(folder, ending))}
    problems += [f"case '{case}': the dataset has a case of this name" for case in sorted(taken & set(cases))]
    reader = reader_for(dataset_json, labeled[0][0])
    expectation = learn_expectation(labeled, dataset_json["channel_names"].values(), reader)
    # read where they will be, under their final names: some readers look for spacings by the name
    with tempfile.TemporaryDirectory(prefix=f".{UNLABELED_IMAGES}.", dir=dataset) as staging:
        placed = {
            case: _place(case, files, Path(staging), ending, copy) for case, files in sorted(cases.items())
        }
        unreadable, warnings = _check_images(placed, reader, expectation, num_processes)
        _refuse([*problems, *unreadable])
        target = dataset / UNLABELED_IMAGES
        target.mkdir(exist_ok=True)
        if domain is not None:  # first: a kill in between leaves no image whose domain is not noted
            _note_domain(dataset, dataset_json, cases, domain)
        for path in Path(staging).iterdir():
            path.rename(target / path.name)
    return AddedImages(sorted(cases), warnings)


def _group_files(folder: Path, ending: str, files_per_case: int) -> tuple[CaseFiles, list[str]]:
    """Files of each case, and what is wrong with file names."""
    if not folder.is_dir():
        raise UserFileError(f"{folder} is not a folder")
    by_case: dict[str, dict[int, Path]] = {}
    problems = []
    for path in sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")):
        if not path.name.endswith(ending):
            if path.name.lower().endswith(tuple(IMAGE_ENDINGS)):
                problems.append(f"{path.name}: the dataset's files end with {ending}")
            continue
        case, channel = _parse_name(path.name.removesuffix(ending), files_per_case)
        if case.endswith(SEGMENTATION_SUFFIX):
            problems.append(f"{path.name}: a case name must not end in '{SEGMENTATION_SUFFIX}'")
        if channel >= files_per_case:
            problems.append(f"{path.name}: the dataset has channels 0000 to {files_per_case - 1:04d}")
        elif channel in by_case.setdefault(case, {}):
            problems.append(f"{path.name}: case '{case}' is also in {by_case[case][channel].name}")
        else:
            by_case[case][channel] = path
    if not by_case and not problems:
        raise UserFileError(f"{folder} has no files ending with {ending}")
    cases: CaseFiles = {}
    for case, channels in by_case.items():
        missing = [f"{channel:04d}" for channel in range(files_per_case) if channel not in channels]
        if missing:
            problems.append(f"case '{case}': no file for channel {', '.join(missing)}")
        else:
            cases[case] = [channels[channel] for channel in range(files_per_case)]
    return cases, problems


def _parse_name(stem: str, files_per_case: int) -> tuple[str, int]:
    parts = case_and_channel(stem)
    if parts is not None and (files_per_case > 1 or parts[1] == 0):
        return parts
    # where a case is one file, "scan_2021" is a whole name
    return stem, 0


def _place(case: str, files: Sequence[Path], folder: Path, ending: str, copy: bool) -> list[Path]:
    """Link or copy the files of a case to ``folder`` under nnU-Net's names."""
    targets = [folder / f"{case}_{channel:04d}{ending}" for channel in range(len(files))]
    for path, target in zip(files, targets, strict=True):
        link_or_copy(path, target, copy)
    # CASE.json lies next to CASE_0000.tif and CASE.tif alike
    sidecar = files[0].parent / f"{case}.json"
    if sidecar.is_file():
        link_or_copy(sidecar, folder / sidecar.name, copy)
    return targets


def _check_images(
    cases: Mapping[str, Sequence[Path]],
    reader: BaseReaderWriter,
    expectation: Expectation,
    num_processes: int,
) -> tuple[list[str], list[str]]:
    """Problems and warnings, each naming its case."""
    check = partial(check_image, reader=reader, expected=expectation)
    files = list(cases.values())
    if num_processes == 1 or len(files) < MANY:
        found = list(map(check, tqdm(files, desc=TITLE, unit="case")))
    else:
        found = [
            result for _, result in sorted(results_of_workers(check, files, num_processes, TITLE, KILLED))
        ]
    problems, warnings = [], []
    for case, (problem, warning) in zip(cases, found, strict=True):
        if problem is not None:
            problems.append(f"case '{case}' {problem}")
        if warning is not None:
            warnings.append(f"case '{case}' {warning}")
    return problems, warnings


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        shown = "".join(f"\n  {problem}" for problem in problems[:MAX_PROBLEMS])
        more = f"\n  and {len(problems) - MAX_PROBLEMS} more" if len(problems) > MAX_PROBLEMS else ""
        raise UserError(f"nothing was added; problems: {len(problems)}{shown}{more}")


def _note_domain(dataset: Path, dataset_json: Mapping[str, Any], cases: CaseFiles, domain: str) -> None:
    domains = dict(dataset_json.get("domains", {})) | dict.fromkeys(sorted(cases), domain)
    write_json(dataset / "dataset.json", {**dataset_json, "domains": domains}, indent=4)
