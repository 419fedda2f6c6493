"""Plans files: reading what planning has written, names of configurations, and one writer at a time."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.core.files import locked, read_json, write_json

PATIENCE = 30.0
"""Seconds to wait for another command that writes the same plans, which takes it a moment."""


def check_name(name: str) -> None:
    """Refuse names that folders cannot have, or by which nnU-Net would part a model folder's name wrongly.

    Args:
        name: Name of a configuration, or the beginning of such names.

    Raises:
        UserError: The name is one of these.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", name) or "__" in name:
        raise UserError(f"--name '{name}': use letters, digits, '-', '.' and single '_'")


@contextmanager
def only_writer(file: Path) -> Iterator[None]:
    """Let no other command of this package read a plans file in order to change it.

    Args:
        file: Plans file in a folder that exists. The lock is a hidden file beside it, which stays.

    Raises:
        UserError: Another command does not come to its end.
    """
    busy = f"another command has been writing {file} for {PATIENCE:g} seconds: wait for its end, or stop it"
    with locked(file.with_name(f".{file.stem}.lock"), busy, PATIENCE):
        yield


def read_planned(file: Path) -> dict[str, Any]:
    """Read a JSON file that planning has written into the folder of a preprocessed dataset.

    Raises:
        UserFileError: The file does not exist.
        UserError: The file is damaged.
    """
    remedy = f"run nnUNetv2_plan_and_preprocess for {file.parent.name} first"
    return dict(read_json(file, remedy))


def read_plans(file: Path) -> dict[str, Any]:
    """Read a plans file; errors as in `read_planned`."""
    plans = read_planned(file)
    if not isinstance(plans.get("configurations"), dict):
        raise UserError(f"{file} has no 'configurations': plan {file.parent.name} again")
    return plans


def write_plans(file: Path, plans: Mapping[str, Any]) -> None:
    """Replace a plans file in one move."""
    write_json(file, plans, indent=4)


LIMIT = "semiseg_tasks"
"""The key in a configuration."""

TRAINED, SHOWN = "trained", "shown"


def limit_of(configuration: Mapping[str, Any]) -> tuple[int, list[int]] | None:
    """How many tasks the network was trained for, and the ids from 0 of those that it answers.

    Args:
        configuration: A resolved entry of ``configurations`` in the plans.

    Returns:
        None where the model is not limited.
    """
    if LIMIT not in configuration:
        return None
    trained, shown = (configuration[LIMIT][key] for key in (TRAINED, SHOWN))
    return len(trained), [trained.index(name) for name in shown]


def limited_plans(
    plans: Mapping[str, Any], configuration: str, tasks: Sequence[str], shown: Sequence[str]
) -> dict[str, Any]:
    """Plans of the same model that answers some of its tasks alone.

    Args:
        plans: Content of the model's plans.json.
        configuration: Name of the model's configuration.
        tasks: Names of the tasks that the model answers, by label.
        shown: Names of those that it is to answer, in the order of their new labels.
    """
    limited = copy.deepcopy(dict(plans))
    entry = limited["configurations"][configuration]
    # a model that is limited already keeps the weights of all tasks
    trained = entry[LIMIT][TRAINED] if LIMIT in entry else list(tasks)
    entry[LIMIT] = {TRAINED: trained, SHOWN: list(shown)}
    return limited
