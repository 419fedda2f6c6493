"""Which patients of a release are training, validation and test data."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from nnunetv2_semiseg.data.conversion import last_fifth

Role: TypeAlias = Literal["train", "val", "test"]

FRAME = re.compile(r"(patient\d+)_frame\d+")
"""Name of a time frame of a patient."""


def patient_of(frame: str) -> str:
    """``patient001`` of ``patient001_frame01``."""
    return frame.partition("_")[0]


def unlisted_roles(frames: Collection[str]) -> dict[str, Role]:
    """Role of each patient where a release has no split: the last fifth are test data."""
    patients = sorted({patient_of(frame) for frame in frames})
    held_out = last_fifth(patients)
    return {patient: "test" if patient in held_out else "train" for patient in patients}


def listed_roles(lists: Mapping[Role, Sequence[Path]], frames: Collection[str]) -> dict[str, Role]:
    """Role of each patient that list files name.

    Args:
        lists: Existing list files of each role. A line names a frame or one of its slices. Without any for
            training, all patients that no other list names are training data.
        frames: The frames that there are files of.

    Raises:
        FileNotFoundError: A list names a frame without a file.
        ValueError: A line names no frame, or two lists with different roles name a patient.
    """
    roles: dict[str, Role] = {}
    for role, path in [(role, path) for role, paths in lists.items() for path in paths]:
        for frame in _read_list(path):
            if frame not in frames:
                raise FileNotFoundError(f"{path} names {frame}, but there is no file of it; add or unlist it")
            patient = patient_of(frame)
            if roles.setdefault(patient, role) != role:
                raise ValueError(
                    f"{path} names {patient}, who is also in a list for {roles[patient]}; "
                    "a patient belongs to one part"
                )
    if not lists.get("train"):
        roles |= {patient_of(frame): "train" for frame in frames if patient_of(frame) not in roles}
    return roles


def _read_list(path: Path) -> Iterator[str]:
    """Frames that a list file names, with repetitions."""
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip():
            continue
        found = FRAME.match(Path(line.strip()).name)
        if found is None:
            raise ValueError(
                f"{path}: line {number} is '{line.strip()}'; a line names a case such as patient001_frame01"
            )
        yield found[0]
