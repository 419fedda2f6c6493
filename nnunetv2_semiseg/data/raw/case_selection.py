"""Which cases are to be labeled: a number of them, or those of a text file, as published splits are given."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np

from nnunetv2_semiseg.core.errors import UserError, UserFileError

Selection: TypeAlias = Literal["first", "random"]

MAX_SHOWN = 3
"""Number of names that an error message shows."""


def choose_labeled(
    names: Collection[str],
    num_labeled: int | None,
    labeled_list: Path | None,
    selection: Selection = "first",
    seed: int = 0,
    what: str = "cases",
    name_of: Callable[[str], str] = str,
) -> list[str]:
    """The cases that are to be labeled: a number of them, or those of a list.

    Args:
        names: Candidates, each once.
        num_labeled: Number of cases, see `select_cases`; or None.
        labeled_list: File that names the cases, see `listed_cases`; or None.
        selection: ``first`` by name or ``random``.
        seed: Seed of the random selection.
        what: Words for the candidates in an error message.
        name_of: Function that gives the case that a line of the list names.

    Raises:
        UserFileError: The list does not exist.
        UserError: Both or neither of number and list are given, or one of them cannot be fulfilled.
    """
    if num_labeled is not None and labeled_list is None:
        return select_cases(list(names), num_labeled, selection, seed, what)
    if labeled_list is not None and num_labeled is None:
        return listed_cases(labeled_list, names, what, name_of)
    raise UserError("give either the number of labeled cases (--num-labeled) or their list (--labeled-list)")


def select_cases(
    names: Sequence[str],
    count: int,
    selection: Selection = "first",
    seed: int = 0,
    what: str = "cases",
) -> list[str]:
    """A number of cases, the first by name or random ones.

    Args:
        names: Candidates in any order, each once.
        count: Number of cases to choose, at least 1.
        selection: ``first`` by name or ``random``.
        seed: Seed of the random selection.
        what: Words for the candidates in an error message.

    Returns:
        ``count`` of the names, sorted.

    Raises:
        UserError: Fewer than ``count`` candidates, ``count`` below 1, or an unknown ``selection``.

    Examples:
        >>> select_cases(["c", "a", "b"], 2)
        ['a', 'b']
    """
    if selection not in get_args(Selection):
        raise UserError(f"selection '{selection}' is unknown; choose one of {', '.join(get_args(Selection))}")
    if count < 1:
        raise UserError(f"{count} labeled cases are too few; at least 1 is needed")
    if count > len(names):
        raise UserError(f"{count} labeled cases asked for, but there are only {len(names)} {what}")
    ordered = sorted(names)
    if selection == "first":
        return ordered[:count]
    chosen = np.random.default_rng(seed).choice(len(ordered), size=count, replace=False)
    return [ordered[index] for index in sorted(chosen)]


def listed_cases(
    path: Path, names: Collection[str], what: str, name_of: Callable[[str], str] = str
) -> list[str]:
    """The cases that a list names, each once, in its order; empty lines don't count.

    Args:
        path: Text file with one case per line.
        names: Names of the existing cases.
        what: Words for these cases in an error message.
        name_of: Function that gives the case that a line names.

    Raises:
        UserFileError: The list does not exist.
        UserError: The list names nothing, or something that is not in ``names``.
    """
    found: dict[str, None] = {}
    for number, line in list_lines(path):
        name = name_of(line)
        if name not in names:
            shown = ", ".join(sorted(names)[:MAX_SHOWN])
            raise UserError(
                f"{path}: line {number} is '{line}', which is none of the {len(names)} {what}; "
                f"they are {shown}{', ...' if len(names) > MAX_SHOWN else ''}"
            )
        found[name] = None
    if not found:
        raise UserError(f"{path} names no case; write one a line")
    return list(found)


def list_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line of a list that is not empty.

    Raises:
        UserFileError: The list does not exist.
        UserError: The list is no text.
    """
    if not path.is_file():
        raise UserFileError(f"{path} does not exist; it should name a case a line")
    try:
        lines = path.read_text().splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a text file; it should name a case a line") from None
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, line.strip()
