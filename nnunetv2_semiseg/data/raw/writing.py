"""Writing nnU-Net raw datasets that have unlabeled images.

A raw dataset is a folder ``DatasetNNN_Name`` with ``imagesTr`` and ``labelsTr``, ``imagesUn`` (unlabeled,
named like imagesTr), ``imagesTs`` and ``labelsTs``, and a ``dataset.json`` that says with the additional key
``"domains": {case: domain}`` where each image of any folder comes from.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from nnunetv2.dataset_conversion.generate_dataset_json import generate_dataset_json
from tqdm import tqdm

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.core.files import staged_folder
from nnunetv2_semiseg.data.raw.folders import UNLABELED_IMAGES, new_dataset_folder

Part: TypeAlias = Literal["labeled", "unlabeled", "test"]

FOLDERS: dict[Part, tuple[str, str | None]] = {
    "labeled": ("imagesTr", "labelsTr"),
    "unlabeled": (UNLABELED_IMAGES, None),
    "test": ("imagesTs", "labelsTs"),
}
"""The folders of images and labels of each part of a raw dataset."""


@dataclass(frozen=True)
class RawCase:
    """One case to be written.

    Attributes:
        name: Case name, unique in the dataset.
        part: Part of the dataset that the case belongs to, which decides its folders.
        domain: Place that the image comes from, such as a centre or a vendor.
        save: Function that writes the case. It gets the path for the image file and the path for the label,
            which is None for unlabeled cases.
    """

    name: str
    part: Part
    domain: str
    save: Callable[[Path, Path | None], None]


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """What ``dataset.json`` says of the dataset as a whole.

    Attributes:
        channel_names: A name for each channel; nnU-Net chooses the normalisation by them.
        labels: Names of the labels 0, 1, ...; the first is the background.
        file_ending: Ending of image and label files, with the dot.
        description: What the dataset is, for people who read dataset.json.
        reference: Paper or place of the data.
        license: Terms of the data.
    """

    channel_names: tuple[str, ...]
    labels: tuple[str, ...]
    file_ending: str
    description: str
    reference: str
    license: str


def write_raw_dataset(
    parent: Path,
    dataset_id: int,
    name: str,
    info: DatasetInfo,
    cases: Sequence[RawCase],
    overwrite: bool = False,
) -> Path:
    """Write ``parent/DatasetNNN_name``; it appears complete or not at all.

    Args:
        parent: The folder of raw datasets.
        dataset_id: 1 to 999.
        name: Rest of the dataset's name, behind ``DatasetNNN_``.
        info: What dataset.json says of the dataset.
        cases: All cases of all parts.
        overwrite: Whether an existing dataset of this id and name is replaced.

    Returns:
        The dataset's folder.

    Raises:
        UserError: The id is taken, the dataset exists and ``overwrite`` is false, a case name appears twice,
            or a case cannot be written.
    """
    target = new_dataset_folder(parent, dataset_id, name, overwrite)
    check_unique([case.name for case in cases])
    with staged_folder(target) as folder:
        for case in tqdm(cases, desc=target.name, unit="case"):
            _write_case(folder, case, info.file_ending)
        _write_dataset_json(folder, name, info, cases)
    return target


def check_unique(names: Sequence[str]) -> None:
    """Refuse case names that appear more than once.

    Raises:
        UserError: A name appears more than once; the message has the first such name.
    """
    for name, count in Counter(names).items():
        if count > 1:
            raise UserError(f"case name '{name}' appears {count} times; rename the files that lead to it")


def case_name(domain: str, stem: str) -> str:
    """A file-name-safe case name that no case of another domain has.

    The part up to the first underscore is the domain, which is why its own underscores become hyphens: domain
    ``A`` with ``B_1`` and domain ``A_B`` with ``1`` stay apart. Each becomes one: ``_A`` and ``__A`` differ.

    Examples:
        >>> case_name("Site A", "patient 07")
        'Site-A_patient_07'
    """
    domain = re.sub(r"[^A-Za-z0-9]", "-", domain)
    return f"{domain}_{re.sub(r'[^A-Za-z0-9_-]+', '_', stem)}"


def _write_case(folder: Path, case: RawCase, file_ending: str) -> None:
    image_folder, label_folder = FOLDERS[case.part]
    (folder / image_folder).mkdir(exist_ok=True)
    label_path = None
    if label_folder is not None:
        (folder / label_folder).mkdir(exist_ok=True)
        label_path = folder / label_folder / f"{case.name}{file_ending}"
    case.save(folder / image_folder / f"{case.name}_0000{file_ending}", label_path)


def _write_dataset_json(folder: Path, name: str, info: DatasetInfo, cases: Sequence[RawCase]) -> None:
    generate_dataset_json(
        str(folder),
        channel_names={str(index): channel for index, channel in enumerate(info.channel_names)},
        labels={label: index for index, label in enumerate(info.labels)},
        num_training_cases=sum(case.part == "labeled" for case in cases),
        file_ending=info.file_ending,
        dataset_name=name,
        reference=info.reference,
        description=info.description,
        license=info.license,
        converted_by="nnunetv2_semiseg",
        domains={case.name: case.domain for case in cases},
    )
