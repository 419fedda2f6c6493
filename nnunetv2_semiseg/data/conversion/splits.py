"""How the cases of a release are split into training, validation and test data.

A release says it by its folders, by list files, or not at all: then the last fifth of the cases are test
data. Its validation cases have no place of their own in a raw dataset, as nnU-Net validates in folds of the
labeled images; a user says what becomes of them. Frames of one patient are never split.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from nnunetv2_semiseg.core.errors import UserError, UserFileError
from nnunetv2_semiseg.data.conversion.release import ConversionOptions, SourceCase
from nnunetv2_semiseg.data.raw.case_selection import list_lines, listed_cases

Role: TypeAlias = Literal["train", "val", "test"]
ValidationUse: TypeAlias = Literal["skip", "unlabeled", "test"]

TEST_FRACTION = 0.2
"""Share of each domain that becomes test data where the release has no split."""

VALIDATION_DOMAIN = "val"
"""Domain of a release's validation cases, which keeps them apart from its test cases in evaluations."""

FRAME = re.compile(r"(patient\d+)_frame\d+")
"""Name of a time frame of a patient."""


@dataclass(frozen=True, kw_only=True)
class TestListOptions(ConversionOptions):
    """What a user chooses for a release without a split.

    Attributes:
        test_list: File that names the test cases, one per line; None for the last fifth.
    """

    test_list: Path | None = None


def last_fifth(stems: Sequence[str]) -> frozenset[str]:
    """The test cases of a domain without a split: the last 20 % by name, at least one of two."""
    count = max(int(len(stems) * TEST_FRACTION), min(len(stems) - 1, 1))
    return frozenset(sorted(stems)[len(stems) - count :])


def held_out_cases(
    names: Collection[str], test_list: Path | None, name_in_list: Callable[[str], str]
) -> frozenset[str]:
    """The test cases of a release without a split.

    Args:
        names: Names of all cases.
        test_list: File that names the test cases, one per line; None for the last fifth.
        name_in_list: Function that gives the case that a line of the list names.

    Raises:
        UserFileError: The list does not exist.
        UserError: The list names nothing, or a case that does not exist.
    """
    if test_list is None:
        return last_fifth(list(names))
    return frozenset(listed_cases(test_list, names, "cases", name_in_list))


def assign_validation(cases: Sequence[SourceCase], use: ValidationUse, source: Path) -> list[SourceCase]:
    """The validation cases of a release as what the user makes of them, never as labeled training data.

    Args:
        cases: Validation cases of the release.
        use: ``skip`` leaves them out, ``unlabeled`` makes them training cases without masks, ``test`` makes
            them test cases of a domain of their own.
        source: Folder of the release, for the error message.

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
        frames: Names of the frames that have files.

    Raises:
        UserFileError: A list names a frame without a file.
        UserError: A line names no frame, or two lists with different roles name a patient.
    """
    roles: dict[str, Role] = {}
    for role, path in [(role, path) for role, paths in lists.items() for path in paths]:
        for frame in _listed_frames(path):
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


def _listed_frames(path: Path) -> Iterator[str]:
    """Frames that a list file names, with repetitions."""
    for number, line in list_lines(path):
        found = FRAME.match(Path(line).name)
        if found is None:
            raise UserError(
                f"{path}: line {number} is '{line}'; a line names a case such as patient001_frame01"
            )
        yield found[0]
