"""Configurations of a user's own in a plans file: settings as text, and how they get there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from nnunetv2_semiseg.core.config import SECTION, merge_nested
from nnunetv2_semiseg.core.files import write_json
from nnunetv2_semiseg.methods.settings import check_section

PATIENCE = 30.0
"""Seconds to wait for another command that writes the same plans, which takes it a moment."""


def configured_plans(
    plans: dict[str, Any], parent: str, name: str, settings: dict[str, Any]
) -> dict[str, Any]:
    """Plans with a configuration that inherits from another one and has hyper-parameters of its own.

    Args:
        plans: Content of a plans file.
        parent: Configuration to inherit from.
        name: Configuration to make, or to change if it exists.
        settings: Nested hyper-parameters.

    Returns:
        New plans; an existing configuration keeps what ``settings`` doesn't name.

    Raises:
        ValueError: Names don't fit together or a hyper-parameter is wrong.
    """
    configurations = plans["configurations"]
    if parent not in configurations:
        raise ValueError(
            f"configuration '{parent}' is not in the plans; they have: {', '.join(configurations)}"
        )
    if name not in configurations:
        check_name(name)
    existing = configurations.get(name, {"inherits_from": parent})
    if existing.get("inherits_from") != parent or name == parent:
        raise ValueError(
            f"configuration '{name}' exists and does not inherit from '{parent}': choose another --name "
            "(nnU-Net's own configurations lose such settings when the dataset is planned again)"
        )
    changed = {**existing, SECTION: merge_nested(existing.get(SECTION, {}), settings)}
    result = {**plans, "configurations": {**configurations, name: changed}}
    check_section(result, name)
    return result


def check_name(name: str) -> None:
    """Refuse names that folders cannot have, or by which nnU-Net would part a model folder's name wrongly.

    Args:
        name: Of a configuration, or what it begins with.

    Raises:
        ValueError: It is such a name.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", name) or "__" in name:
        raise ValueError(f"--name '{name}': use letters, digits, '-', '.' and single '_'")


def parse_settings(settings: list[str]) -> dict[str, Any]:
    """``["epochs=100", "synfoc.threshold=0.9"]`` as nested dictionaries.

    Raises:
        ValueError: A setting is not of the form ``key=value``, or its value is infinite or not a number.
    """
    parsed: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise ValueError(f"'{setting}' is not of the form key=value, as in epochs=100")
        try:
            value: Any = json.loads(text, parse_constant=_refuse_constant)
        except json.JSONDecodeError:
            value = text  # a plain word or a path
        for part in reversed(key.split(".")):
            value = {part: value}
        parsed = merge_nested(parsed, value)
    return parsed


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is no number that JSON has, and so none for plans")


def with_absolute_checkpoints(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with whole paths of checkpoints: a training is started from another folder.

    A shell doesn't expand ``~`` behind an equals sign.
    """
    whole: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            whole[key] = with_absolute_checkpoints(value)
        elif key == "checkpoint" and isinstance(value, str):
            whole[key] = str(Path(value).expanduser().resolve())
        else:
            whole[key] = value
    return whole


def setting_words(settings: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Nested settings as `parse_settings` takes them."""
    words = []
    for key, value in settings.items():
        if isinstance(value, Mapping):
            words += setting_words(value, f"{prefix}{key}.")
        else:
            words.append(f"{prefix}{key}={value if _is_plain_word(value) else json.dumps(value)}")
    return words


def _is_plain_word(value: Any) -> bool:
    """Whether it is text that no JSON could be meant by."""
    if not isinstance(value, str):
        return False
    try:
        json.loads(value)
    except json.JSONDecodeError:
        return True
    return False


@contextmanager
def only_writer(file: Path) -> Iterator[None]:
    """Let no other command of this package read a plans file in order to change it.

    Args:
        file: In a folder that exists. The lock is a hidden file beside it, which stays.

    Raises:
        ValueError: Another command does not come to its end.
    """
    lock = FileLock(file.with_name(f".{file.stem}.lock"))
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        raise ValueError(
            f"another command has been writing {file} for {PATIENCE:g} seconds: wait for its end, or stop it"
        ) from None
    except (OSError, NotImplementedError):
        pass  # a disk without locks; who may not write there at all is told so by writing
    try:
        yield
    finally:
        lock.release()


def write_plans(file: Path, plans: Mapping[str, Any]) -> None:
    """Replace a plans file in one move."""
    write_json(file, plans, indent=4)
