"""What the tests of ``nnUNetv2_semiseg_compare`` have in common."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from fake_commands import FIXMATCH, Compare, FakeCommands

from nnunetv2_semiseg.commands.compare import main
from nnunetv2_semiseg.core.launcher import Launcher

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace


@pytest.fixture
def commands(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> FakeCommands:
    fake = FakeCommands(workspace)
    monkeypatch.setattr(Launcher, "run", lambda *arguments: fake(*arguments))
    return fake


@pytest.fixture
def pages() -> None:
    """For tests that look at the page: to draw it takes most of their time, so that others leave it away."""


@pytest.fixture
def compare(
    workspace: Workspace,
    commands: FakeCommands,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Compare:
    """The command in this process, by default for two trainers of two iterations."""
    monkeypatch.chdir(workspace.root)
    monkeypatch.setenv("nnUNet_extTrainer", "/of/the/user")
    if "pages" not in request.fixturenames:
        monkeypatch.setattr("nnunetv2_semiseg.commands.compare.report_page", lambda report, sources: "page")

    def run(
        *more: str,
        trainers: tuple[str, ...] = ("nnUNetTrainer", FIXMATCH),
        configuration: str = "2d_small",
        iterations: tuple[str, ...] = ("--iterations", "2"),
        devices: tuple[str, ...] = ("cpu",),
        output: tuple[str, ...] = ("-o", "report"),
    ) -> None:
        which = ["-d", "500", "-c", configuration, "--trainers", *trainers, *iterations]
        where = ["--devices", *devices, *output, "-np", "1"]
        monkeypatch.setattr(sys, "argv", ["nnUNetv2_semiseg_compare", *which, *where, *more])
        main()

    return run
