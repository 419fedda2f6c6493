"""Releases that don't say which cases are test data: a list does, or the last fifth by name are."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_semiseg.data.case_lists import listed_cases
from nnunetv2_semiseg.data.conversion import ConversionOptions, last_fifth


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
        FileNotFoundError: The list does not exist.
        ValueError: It names nothing, or a case that there is not.
    """
    if test_list is None:
        return last_fifth(list(names))
    return frozenset(listed_cases(test_list, names, "cases", name_in_list))
