"""What becomes of the cases that a release sets aside for validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias

from nnunetv2_semiseg.data.conversion import SourceCase

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
        ValueError: They are to be used and there are none.
    """
    if use == "skip":
        return []
    if not cases:
        raise ValueError(f"{source} has no validation cases; leave --val {use} out")
    if use == "test":
        return [replace(case, domain=VALIDATION_DOMAIN, split="test") for case in cases]
    return [replace(case, domain=VALIDATION_DOMAIN, split="train", masks=()) for case in cases]
