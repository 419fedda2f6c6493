"""Plans files that this package writes to: names of configurations, and one writer at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.core.files import write_json

PATIENCE = 30.0
"""Seconds to wait for another command that writes the same plans, which takes it a moment."""


def check_name(name: str) -> None:
    """Refuse names that folders cannot have, or by which nnU-Net would part a model folder's name wrongly.

    Args:
        name: Of a configuration, or what it begins with.

    Raises:
        UserError: It is such a name.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", name) or "__" in name:
        raise UserError(f"--name '{name}': use letters, digits, '-', '.' and single '_'")


@contextmanager
def only_writer(file: Path) -> Iterator[None]:
    """Let no other command of this package read a plans file in order to change it.

    Args:
        file: In a folder that exists. The lock is a hidden file beside it, which stays.

    Raises:
        UserError: Another command does not come to its end.
    """
    lock = FileLock(file.with_name(f".{file.stem}.lock"))
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        raise UserError(
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
