"""Files and folders that are whole or not there at all, JSON that may be damaged, and locks.

Whoever looks at a file or a folder that is written here, even after a kill, finds the old one or the new one.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from nnunetv2_semiseg.core.errors import UserError, UserFileError

LONGEST_REASON = 120
"""Letters that an error message quotes of another program's message."""


@contextmanager
def replacing(path: str | Path, suffix: str = ".tmp") -> Iterator[Path]:
    """Write a file under a temporary name beside it, which becomes the file in one move.

    Args:
        path: The file; it stays as it is when the block ends with an exception, such as a full disk.
        suffix: End of the temporary name. Processes that write the same file each need a suffix of their own.

    Yields:
        The path to write to.
    """
    temporary = Path(f"{path}{suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_file(path: str | Path) -> Iterator[IO[bytes]]:
    """Write a file as `replacing` does, and make sure that its bytes are on the disk before it is moved.

    Args:
        path: The file.

    Yields:
        The open file.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """Write a folder next to its place and move it there at the end.

    Args:
        target: The final path. What is there is replaced when the block ends without an exception; after an
            exception it is as before and nothing of the new folder is left.

    Yields:
        The empty folder to write to.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    # a leading dot hides it from nnU-Net, which takes every Dataset* folder for a dataset
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        # not the temporary folder itself: that one is closed to other users of a shared disk
        folder = staging / "new"
        folder.mkdir()
        yield folder
        _replace_folder(folder, target, staging / "old")
    finally:
        shutil.rmtree(staging)


def write_json(path: Path, content: Any, indent: int | None = None) -> None:
    """Write JSON as `replacing` writes a file."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=indent))


def read_json(file: Path, remedy: str, kind: type[dict[Any, Any]] | type[list[Any]] = dict) -> Any:
    """Content of a JSON file.

    Args:
        file: The file.
        remedy: What to do if it is missing or damaged, for the message.
        kind: What the file holds, a dictionary or a list.

    Raises:
        UserFileError: The file does not exist.
        UserError: The file is not valid JSON or holds something else.

    Examples:
        >>> read_json(Path("plans.json"), "plan the dataset")
        Traceback (most recent call last):
        ...
        nnunetv2_semiseg.core.errors.UserFileError: plans.json does not exist: plan the dataset
    """
    try:
        content = json.loads(file.read_text())
    except FileNotFoundError:
        raise UserFileError(f"{file} does not exist: {remedy}") from None
    except ValueError as error:  # no JSON, or no text
        raise UserError(f"{file} is damaged ({error}): {remedy}") from None
    if not isinstance(content, kind):
        found, wanted = type(content).__name__, kind.__name__
        raise UserError(f"{file} is damaged (it holds a {found}, not a {wanted}): {remedy}")
    return content


@contextmanager
def reading(what: object, remedy: str) -> Iterator[None]:
    """Turn whatever a reader of images raises on a broken file into an error that a user can mend.

    Readers raise what their libraries do, down to a bare ``Exception``. A lack of memory, and an error that
    is a `UserError` already, stay what they are.

    Args:
        what: The file, or files, that the block reads.
        remedy: What to do if it cannot be read.

    Raises:
        UserError: The block raised any other exception.
    """
    try:
        yield
    except (MemoryError, UserError):
        raise
    except Exception as error:
        reason = short_reason(error, str(what))
        raise UserError(f"{what} cannot be read ({reason}): {remedy}") from None


def short_reason(error: Exception, path: str = "") -> str:
    """The last line of an exception's message, where the reason stands, for a sentence that quotes it.

    Args:
        error: The exception.
        path: Path that the sentence names already, so that its last part is enough in the reason.
    """
    message = str(error).replace(path, Path(path).name) if path else str(error)
    lines = message.strip().splitlines() or [type(error).__name__]
    return textwrap.shorten(lines[-1], LONGEST_REASON)


@contextmanager
def locked(
    file: Path, busy: str, patience: float = 0, log: Callable[[str], None] | None = None
) -> Iterator[bool]:
    """Hold a lock that only one process can hold.

    It is a lock of the operating system, which ends with its process however that ends, so none is ever
    stale. Some disks, such as network shares, know no locks: there the block runs without one.

    Args:
        file: The file to lock, in an existing folder; it is made if it is missing, and stays.
        busy: What to say when another process holds the lock.
        patience: Seconds to wait for that process.
        log: Takes ``busy``, after which the wait has no end, and a warning about a disk without locks.
            Without it ``busy`` is an error.

    Yields:
        Whether the lock is held.

    Raises:
        UserError: Another process holds the lock, and there is no ``log``.
    """
    lock = FileLock(file)
    held = True
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        if log is None:
            raise UserError(busy) from None
        log(busy)
        lock.acquire()
    except (OSError, NotImplementedError) as error:
        held = False
        if log is not None:
            log(f"WARNING: {file} cannot be locked ({error}): start no second command that writes there")
    try:
        yield held
    finally:
        lock.release()


def _replace_folder(folder: Path, target: Path, old: Path) -> None:
    if not target.exists():
        folder.rename(target)
        return
    target.rename(old)
    try:
        folder.rename(target)
    except BaseException:
        old.rename(target)
        raise
