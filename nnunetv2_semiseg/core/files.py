"""Files that are never half-written: whoever looks, even after a kill, finds the old one or the new one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from nnunetv2_semiseg.core.errors import UserError


@contextmanager
def replacing(path: str | Path, suffix: str = ".tmp") -> Iterator[Path]:
    """Yields a temporary name beside a file; what was written there replaces the file in one move.

    Args:
        path: Target; stays as it is when the block ends with an exception, such as a full disk.
        suffix: Of the temporary name. Processes that write the same file each need one of their own.
    """
    temporary = Path(f"{path}{suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_file(path: str | Path) -> Iterator[IO[bytes]]:
    """As `replacing`, with the temporary file opened, and on the disk before it is moved.

    Args:
        path: Target.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def write_json(path: Path, content: Any, indent: int | None = None) -> None:
    """Write JSON as `replacing` does."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=indent))


def read_json(file: Path, remedy: str) -> Any:
    """Content of a JSON file.

    Args:
        file: It.
        remedy: What to do where it is missing or damaged, for the message.

    Raises:
        UserError: It does not exist or is no JSON.
    """
    try:
        return json.loads(file.read_text())
    except FileNotFoundError:
        raise UserError(f"{file} does not exist: {remedy}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is damaged ({error}): {remedy}") from None
