"""Text files that name cases, one a line, as published splits are given."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from nnunetv2_semiseg.core.errors import UserError, UserFileError
from nnunetv2_semiseg.data.raw.writing import Selection, select_cases

MAX_SHOWN = 3
"""How many names an error shows."""


def listed_cases(
    path: Path, names: Collection[str], what: str, name_of: Callable[[str], str] = str
) -> list[str]:
    """The cases that a list names, each once, in its order; empty lines don't count.

    Args:
        path: The list.
        names: The cases that there are.
        what: How to name them in an error.
        name_of: The case that a line names.

    Raises:
        UserFileError: The list does not exist.
        UserError: It names nothing, or something that is not in ``names``.
    """
    if not path.is_file():
        raise UserFileError(f"{path} does not exist; it should name a case a line")
    found: dict[str, None] = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip():
            continue
        name = name_of(line.strip())
        if name not in names:
            shown = ", ".join(sorted(names)[:MAX_SHOWN])
            raise UserError(
                f"{path}: line {number} is '{line.strip()}', which is none of the {len(names)} {what}; "
                f"they are {shown}{', ...' if len(names) > MAX_SHOWN else ''}"
            )
        found[name] = None
    if not found:
        raise UserError(f"{path} names no case; write one a line")
    return list(found)


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
        num_labeled: How many, see `select_cases`; or None.
        labeled_list: The list, see `listed_cases`; or None.
        selection: See `select_cases`.
        seed: See `select_cases`.
        what: How to name the candidates in an error.
        name_of: See `listed_cases`.

    Raises:
        UserFileError: The list does not exist.
        UserError: Both or neither of number and list are given, or one of them cannot be fulfilled.
    """
    if num_labeled is not None and labeled_list is None:
        return select_cases(list(names), num_labeled, selection, seed, what)
    if labeled_list is not None and num_labeled is None:
        return listed_cases(labeled_list, names, what, name_of)
    raise UserError("give either the number of labeled cases (--num-labeled) or their list (--labeled-list)")
