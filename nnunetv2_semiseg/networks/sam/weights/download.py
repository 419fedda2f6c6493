"""Published weights in a folder: fetched once, verified, and never there by half."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pooch

from nnunetv2_semiseg.core.files import locked
from nnunetv2_semiseg.networks.sam.weights.registry import PUBLISHED_WEIGHTS, VARIABLE, PublishedWeights
from nnunetv2_semiseg.networks.sam.weights.transfer import DownloadError, Report, ResumingDownloader

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


def fetch(weights: PublishedWeights, folder: Path, report: Report = print) -> Path:
    """Make sure that a published file lies in a folder, whole.

    Bytes gather in ``FILE.part``, which a later call goes on with. The file gets its name when its hash is
    right. A second call at the same time waits for the first one.

    Args:
        weights: The published file.
        folder: Folder of downloads; it is made if it does not exist.
        report: Takes lines about what is going on.

    Returns:
        Path of the file.

    Raises:
        DownloadError: Server, connection, hash or disk made it impossible; the message says what to do.
    """
    file = folder / weights.file_name
    with _disk_errors(folder):
        # looked at without the lock first: the folder may be read-only where there is nothing to do
        if _is_here(weights, file, report):
            return file
        folder.mkdir(parents=True, exist_ok=True)
        busy = f"another process is fetching {weights.file_name}: waiting for it"
        with locked(folder / f"{weights.file_name}.lock", busy, log=report):
            if not _is_here(weights, file, report):
                _retrieve(weights, file, report)
    return file


def _is_here(weights: PublishedWeights, file: Path, report: Report) -> bool:
    """Whether the whole file is there; another file of the same name is not replaced."""
    if not file.exists():
        return False
    if not is_whole(file, weights):
        raise DownloadError(
            f"{file} exists and is not the published file ({weights.known_hash} does not match): move it "
            f"away and give the same command again, or set {VARIABLE} to another folder"
        )
    report(f"{file} is here already, and whole")
    return True


def _retrieve(weights: PublishedWeights, file: Path, report: Report) -> None:
    """Let pooch fetch a file, verify it, and give it its name."""
    part = file.with_name(f"{file.name}.part")
    # what pooch would say stands in our own lines
    pooch.get_logger().setLevel(logging.ERROR)
    try:
        pooch.retrieve(
            weights.url,
            known_hash=weights.known_hash,
            fname=file.name,
            path=file.parent,
            downloader=ResumingDownloader(part, weights.num_bytes, report),
        )
    except DownloadError:
        raise
    except ValueError:  # pooch's way of saying that the hash is wrong
        part.unlink(missing_ok=True)
        raise DownloadError(
            f"what {weights.url} sent is not {weights.file_name} as published (its {weights.known_hash} does "
            "not match) and was deleted: give the same command again, and if the hash is wrong again, look "
            "with a browser whether a proxy answers in the server's place"
        ) from None
    part.unlink(missing_ok=True)
    report(f"{file} is whole: {weights.known_hash}")


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Say what to do if the disk refuses."""
    try:
        yield
    except OSError as error:
        place = f"or set {VARIABLE} to another folder"
        if error.errno in NO_SPACE:
            reason = f"{folder} is full: make room there and give the same command again, {place}"
        elif isinstance(error, PermissionError) or error.errno == errno.EROFS:
            reason = f"{error.filename or folder} may not be read or written: ask for the right to, {place}"
        else:
            reason = f"{folder} can't hold the file ({error.strerror or error}): mend that, {place}"
        raise DownloadError(reason) from error


def is_whole(file: Path, weights: PublishedWeights) -> bool:
    """Whether a file is a published one, to the last bit.

    Raises:
        OSError: The file can't be read.
    """
    if weights.num_bytes not in (None, file.stat().st_size):
        return False
    algorithm, _, digest = weights.known_hash.partition(":")
    return str(pooch.file_hash(file, alg=algorithm)) == digest


def recognized(file: Path) -> PublishedWeights | None:
    """The published file that a file is a copy of, whatever its name; None if there is no such file.

    Raises:
        OSError: The file can't be read.
    """
    return next((weights for weights in PUBLISHED_WEIGHTS.values() if is_whole(file, weights)), None)
