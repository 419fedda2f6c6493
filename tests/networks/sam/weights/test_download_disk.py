"""Downloads to a disk that has no room, or where one may not write."""

from __future__ import annotations

import errno
import os
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from fetching import CONTENT, PART, Fetch, names, refusal
from loopback_server import FILE_NAME


def test_a_full_disk_is_seen_before_the_transfer(
    get: Fetch, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(9 << 20, 8 << 20, 1 << 20))
    message = refusal(get)
    assert "1 MB free" in message
    assert "3 MB are still to come" in message
    assert "nnUNet_semiseg_weights" in message
    assert names(folder) == set()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_gets_full(
    get: Fetch, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        message = refusal(get)
    assert f"{folder} is full" in message
    assert names(folder) == {PART}
    assert get().read_bytes() == CONTENT


def test_a_write_that_finds_no_room(get: Fetch, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def write(self, chunk: bytes) -> None:
            if self.file.tell() > 1 << 20:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.file.write(chunk)

    def open_full(path: Path, *arguments: Any) -> Any:
        return Full(opened(path, *arguments)) if path.suffix == ".part" else opened(path, *arguments)

    with monkeypatch.context() as broken:
        broken.setattr(Path, "open", open_full)
        assert "is full: make room" in refusal(get)
    assert names(folder) == {PART}
    assert get().read_bytes() == CONTENT


@pytest.mark.parametrize("place", ["pathlib.Path.mkdir", "pathlib.Path.open"])
@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_missing_permission(get: Fetch, monkeypatch: pytest.MonkeyPatch, place: str, number: int) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), "/cache/weights")

    monkeypatch.setattr(place, fail)
    message = refusal(get)
    assert message.startswith(
        "/cache/weights may not be read or written: ask for the right to, or set nnUNet_"
    )


def test_a_folder_that_is_a_file(get: Fetch, folder: Path) -> None:
    folder.parent.mkdir(parents=True)
    folder.touch()
    assert f"{folder} can't hold the file" in refusal(get)


def test_without_hard_links(get: Fetch, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", fail)
    assert get().read_bytes() == CONTENT
    assert names(folder) == {FILE_NAME}
