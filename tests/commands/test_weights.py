"""The command nnUNetv2_semiseg_weights."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from loopback_server import FILE_NAME, LoopbackServer, serving

from nnunetv2_semiseg.commands import weights as command_module
from nnunetv2_semiseg.commands.weights import main
from nnunetv2_semiseg.networks.sam.checkpoint import PART_NAMES
from nnunetv2_semiseg.networks.sam.model.architecture import (
    SAM_ARCHITECTURES,
    build_published_sam_parts,
    build_sam_parts,
)
from nnunetv2_semiseg.networks.sam.weights.registry import PUBLISHED_WEIGHTS

Command = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("nnUNet_semiseg_weights", str(tmp_path / "my weights"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "my weights"


@pytest.fixture
def command(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Gives what the command prints."""

    def run(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["nnUNetv2_semiseg_weights", *map(str, arguments)])
        capsys.readouterr()
        main()
        return capsys.readouterr().out

    return run


@pytest.fixture
def failing(command: Command, capsys: pytest.CaptureFixture[str]) -> Command:
    """Gives the one line with which the command gives up."""

    def run(*arguments: object) -> str:
        with pytest.raises(SystemExit) as stop:
            command(*arguments)
        assert stop.value.code == 1
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        return line

    return run


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackServer]:
    with serving(b"weights" * 1000) as state:
        monkeypatch.setitem(PUBLISHED_WEIGHTS, "loopback_vit_b", state.weights())
        yield state


def test_list_needs_no_connection(command: Command, folder: Path) -> None:
    folder.mkdir()
    (folder / "sam_vit_h_4b8939.pth").touch()
    shown = command("list")
    assert f"folder: {folder} (the environment variable nnUNet_semiseg_weights names another)" in shown
    assert "375,042,383 bytes (375 MB)" in shown
    assert "sam_vit_h (downloaded)" in shown
    for weights in PUBLISHED_WEIGHTS.values():
        for fact in (weights.name, weights.license, weights.url, weights.known_hash):
            assert fact in shown
    assert shown.count("unknown") == 2


def test_download_shows_license_and_size_and_how_to_go_on(
    command: Command, server: LoopbackServer, folder: Path
) -> None:
    lines = command("download", "loopback_vit_b").splitlines()
    assert lines[:5] == [
        f"{FILE_NAME} of Loopback",
        "license: no license, see nowhere",
        f"from: {server.url}",
        f"to: {folder}",
        "size: 7,000 bytes (0 MB)",
    ]
    assert lines[-2].startswith("  KnowSAM: ")
    words = shlex.split(lines[-2].partition(": ")[2])
    setting = f"knowsam.skd.foundation.checkpoint={folder / FILE_NAME}"
    expected = ["nnUNetv2_semiseg_configure", "-d", "DATASET", "-c", "2d", "--name", "2d_sam", setting]
    assert words == expected
    assert "synfoc.foundation.normalization=sam" in lines[-1]
    assert (folder / FILE_NAME).read_bytes() == server.content
    assert "is here already" in command("download", "loopback_vit_b")
    assert len(server.asked) == 1


def test_the_printed_line_is_taken_by_configure(
    command: Command, server: LoopbackServer, workspace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nnunetv2_semiseg.commands.configure import main as configure

    for line in command("download", "loopback_vit_b").splitlines()[-2:]:
        words = shlex.split(line.partition(": ")[2].replace("DATASET", "500"))
        monkeypatch.setattr(sys, "argv", words)
        configure()
    written = workspace.read_plans()["configurations"]["2d_sam"]["semiseg"]
    assert {*written} == {"knowsam", "synfoc"}


def test_a_failed_download_ends_with_one_line(failing: Command, server: LoopbackServer, folder: Path) -> None:
    server.status = 503
    assert "answered '503 Service Unavailable': try again later" in failing("download", "loopback_vit_b")
    assert not (folder / FILE_NAME).exists()


def test_a_stopped_download(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command_module, "fetch", stop)
    with pytest.raises(SystemExit) as stopped:
        command("download", "sam_vit_b")
    assert stopped.value.code == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_unknown_name(failing: Command) -> None:
    line = failing("download", "sam_vit_x")
    assert line == (
        "error: no published weights are called 'sam_vit_x': take one of medsam_vit_b, sam_vit_b, sam_vit_l, "
        "sam_vit_h"
    )


def test_check_knows_a_published_file_by_its_hash(
    command: Command, server: LoopbackServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "renamed"
    file.write_bytes(server.content)
    wanted = dataclasses.replace(server.weights(), architecture="vit_h")
    monkeypatch.setitem(PUBLISHED_WEIGHTS, "loopback_vit_b", wanted)
    shown = command("check", file)
    assert f"{file} is Loopback's vit_h, {FILE_NAME} as published: {wanted.known_hash}" in shown
    assert "license: no license" in shown
    assert "--name 2d_sam_vit_h" in shown
    assert "knowsam.skd.foundation.architecture=vit_h" in shown


def test_check_tells_the_architecture_of_other_files(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "finetuned.pth"
    save(file, build_published_sam_parts(SAM_ARCHITECTURES["vit_tiny"], 64))
    shown = command("check", file)
    assert f"{file} is none of the published files, but a whole set of vit_tiny weights" in shown
    assert "set medsam or sam" in shown
    assert shown.count("nnUNetv2_semiseg_configure") == 4


def test_check_says_who_can_not_use_a_file_without_heads(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "classes.pth"
    save(file, build_sam_parts(SAM_ARCHITECTURES["vit_tiny"], 64, 3))
    shown = command("check", file)
    assert "SynFoC can use it, KnowSAM and SKD can't" in shown
    assert "KnowSAM: " not in shown


def test_check_refuses(failing: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file.pth"
    assert "no such file" in failing("check", file)
    file.write_text("<html>Log in</html>")
    assert "no PyTorch checkpoint" in failing("check", file)
    torch.save({"weights": Path("code")}, file)
    assert "could run foreign code, so it was not read" in failing("check", file)

    def fail(_: Path) -> None:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(command_module, "recognized", fail)
    assert f"{file} may not be read: ask for the right to" in failing("check", file)


@pytest.mark.parametrize("action", [(), ("list",), ("download",), ("check",)])
def test_help_has_an_example(
    command: Command, capsys: pytest.CaptureFixture[str], action: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as stop:
        command(*action, "--help")
    assert stop.value.code == 0
    assert "example: nnUNetv2_semiseg_weights" in capsys.readouterr().out


def save(file: Path, parts: tuple[torch.nn.Module, ...]) -> None:
    pairs = zip(PART_NAMES, parts, strict=True)
    torch.save({f"{name}.{key}": t for name, part in pairs for key, t in part.state_dict().items()}, file)
