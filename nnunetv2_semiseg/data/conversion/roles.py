"""Which patients of a release are training, validation and test data."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from nnunetv2_semiseg.core.errors import UserError, UserFileError
from nnunetv2_semiseg.data.conversion.release import ConversionOptions, SourceCase, last_fifth
from nnunetv2_semiseg.data.raw.case_lists import listed_cases

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
        UserFileError: A list names a frame without a file.
        UserError: A line names no frame, or two lists with different roles name a patient.
    """
    roles: dict[str, Role] = {}
    for role, path in [(role, path) for role, paths in lists.items() for path in paths]:
        for frame in _read_list(path):
            if frame not in frames:
                raise UserFileError(f"{path} names {frame}, but there is no file of it; add or unlist it")
            patient = patient_of(frame)
            if roles.setdefault(patient, role) != role:
                raise UserError(
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
            raise UserError(
                f"{path}: line {number} is '{line.strip()}'; a line names a case such as patient001_frame01"
            )
        yield found[0]


@dataclass(frozen=True, kw_only=True)
class UnsplitOptions(ConversionOptions):
    """What a user chooses for such a release.

    Attributes:
        test_list: A file that names the test cases, one a line; None for the last fifth.
    """

    test_list: Path | None = None


def held_out_cases(
    names: Collection[str], test_list: Path | None, name_in_list: Callable[[str], str]
) -> frozenset[str]:
    """The test cases of a release.

    Args:
        names: All cases.
        test_list: See `UnsplitOptions`.
        name_in_list: The case that a line of the list names.

    Raises:
        UserFileError: The list does not exist.
        UserError: It names nothing, or a case that there is not.
    """
    if test_list is None:
        return last_fifth(list(names))
    return frozenset(listed_cases(test_list, names, "cases", name_in_list))


ValidationUse: TypeAlias = Literal["skip", "unlabeled", "test"]

VALIDATION_DOMAIN = "val"
"""Domain of a release's validation cases, which keeps them apart from its test cases in evaluations."""


def use_validation(cases: Sequence[SourceCase], use: ValidationUse, source: Path) -> list[SourceCase]:
    """What becomes of a release's validation cases, which are never labeled training data.

    Args:
        cases: The release's validation cases.
        use: ``skip`` leaves them out, ``unlabeled`` makes them training cases without masks, ``test`` makes
            them test cases of a domain of their own.
        source: The release's folder, for the error.

    Raises:
        UserError: They are to be used and there are none.
    """
    if use == "skip":
        return []
    if not cases:
        raise UserError(f"{source} has no validation cases; leave --val {use} out")
    if use == "test":
        return [replace(case, domain=VALIDATION_DOMAIN, split="test") for case in cases]
    return [replace(case, domain=VALIDATION_DOMAIN, split="train", masks=()) for case in cases]
