"""Files that are whole or not there, damaged JSON, broken images, and locks."""

from __future__ import annotations

import multiprocessing
import threading
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from filelock import FileLock

from nnunetv2_semiseg.core import files
from nnunetv2_semiseg.core.errors import UserError, UserFileError
from nnunetv2_semiseg.core.files import (
    atomic_file,
    locked,
    read_json,
    reading,
    replacing,
    staged_folder,
    write_json,
)

BUSY = "another one works here: wait"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    write_json(file, {"old": 1})
    with replacing(file) as temporary:
        temporary.write_text("new")
        assert read_json(file, "") == {"old": 1}
    assert file.read_text() == "new"
    assert names(tmp_path) == ["a.json"]


def test_an_interrupted_file_stays_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"old")

    def write_half() -> None:
        with atomic_file(file) as stream:
            stream.write(b"half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert file.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_a_file_is_on_the_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "a.bin"
    there = []
    monkeypatch.setattr(files.os, "fsync", lambda number: there.append(file.exists()))
    with atomic_file(file) as stream:
        stream.write(b"new")
    assert there == [False]
    assert file.read_bytes() == b"new"


@pytest.mark.parametrize("old", [False, True])
def test_a_folder_appears_whole_and_in_place_of_the_old_one(tmp_path: Path, old: bool) -> None:
    target = tmp_path / "parent" / "Dataset001"
    if old:
        target.mkdir(parents=True)
        (target / "old").touch()
    with staged_folder(target) as folder:
        (folder / "new").touch()
        assert not (target / "new").exists()
    assert names(target) == ["new"]
    assert names(target.parent) == ["Dataset001"]


def test_an_interrupted_folder_stays_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "Dataset001"
    target.mkdir()
    (target / "old").touch()

    def write_half() -> None:
        with staged_folder(target) as folder:
            (folder / "new").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert names(target) == ["old"]
    assert names(tmp_path) == ["Dataset001"]


def test_the_old_folder_comes_back_when_the_new_one_cannot_take_its_place(tmp_path: Path) -> None:
    target = tmp_path / "Dataset001"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(FileNotFoundError), staged_folder(target) as folder:
        folder.rmdir()
    assert names(target) == ["old"]
    assert names(tmp_path) == ["Dataset001"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", r"a\.json is damaged \(Expecting property name .*\): mend it"),
        (b'"\xff"', r"a\.json is damaged \(.*decode byte.*\): mend it"),
        (b"[]", r"a\.json is damaged \(it holds a list, not a dict\): mend it"),
    ],
)
def test_damaged_json_comes_with_a_remedy(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_json(tmp_path / "a.json", "mend it")


def test_missing_json_comes_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(UserFileError, match=r"a\.json does not exist: plan first"):
        read_json(tmp_path / "a.json", "plan first")


def test_json_may_be_a_list(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", [1, 2])
    assert read_json(tmp_path / "a.json", "", list) == [1, 2]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            RuntimeError("Exception thrown\nITK ERROR: no data\n"),
            r"a\.nii cannot be read \(ITK ERROR: no data\)",
        ),
        (
            OSError("cannot identify /data/a.nii"),
            r"/data/a\.nii cannot be read \(cannot identify a\.nii\): replace it",
        ),
        (AssertionError(), r"a\.nii cannot be read \(AssertionError\): replace it"),
        (ValueError("long " * 100), r"a\.nii cannot be read \((long ){20,25}\[\.\.\.\]\): replace it"),
    ],
)
def test_whatever_a_reader_raises_is_told(error: Exception, message: str) -> None:
    with pytest.raises(UserError, match=message), reading(Path("/data/a.nii"), "replace it"):
        raise error


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_trouble_of_the_machine_is_not_the_files(error: type[BaseException]) -> None:
    with pytest.raises(error), reading("a.nii", "replace it"):
        raise error


def hold(file: Path, held: Event, release: Event) -> None:
    with locked(file, BUSY) as is_held:
        assert is_held
        held.set()
        release.wait(60)


@pytest.fixture
def holder(tmp_path: Path):
    """Another process that holds ``.lock`` until the returned event is set."""
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    process = context.Process(target=hold, args=(tmp_path / ".lock", held, release))
    process.start()
    assert held.wait(60)
    yield release
    release.set()
    process.join(60)
    assert process.exitcode == 0


def test_the_second_process_is_refused(tmp_path: Path, holder: Event) -> None:
    with pytest.raises(UserError, match=BUSY), locked(tmp_path / ".lock", BUSY):
        pass
    before = time.monotonic()
    with pytest.raises(UserError, match=BUSY), locked(tmp_path / ".lock", BUSY, patience=0.3):
        pass
    assert time.monotonic() - before >= 0.3


def test_the_second_process_waits_where_it_can_say_so(tmp_path: Path, holder: Event) -> None:
    said: list[str] = []

    def log(line: str) -> None:
        said.append(line)
        threading.Timer(0.2, holder.set).start()

    with locked(tmp_path / ".lock", BUSY, log=log) as held:
        assert held
        assert holder.is_set()
    assert said == [BUSY]


def test_a_lock_ends_with_its_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[FileLock] = []

    def make(file: Path) -> FileLock:
        made.append(FileLock(file))  # kept: a lock that nobody holds any more ends by itself
        return made[-1]

    monkeypatch.setattr(files, "FileLock", make)
    for _ in range(2):
        with pytest.raises(KeyError), locked(tmp_path / ".lock", BUSY):
            raise KeyError
    assert [lock.is_locked for lock in made] == [False, False]


@pytest.mark.parametrize("error", [OSError("no locks"), NotImplementedError("no locks")])
def test_disks_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(FileLock, "acquire", refuse)
    said: list[str] = []
    with locked(tmp_path / ".lock", BUSY) as held:
        assert not held
    with locked(tmp_path / ".lock", BUSY, log=said.append) as held:
        assert not held
    assert len(said) == 1
    assert "cannot be locked (no locks)" in said[0]
