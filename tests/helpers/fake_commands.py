"""nnU-Net's commands in a moment: they write the files that real ones would write, and keep what was run."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from nnunetv2_semiseg.core.launcher import CommandFailedError, Launcher
from nnunetv2_semiseg.trainers.exported import exported_trainers
from nnunetv2_semiseg.trainers.made import all_trainers

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace

Compare = Callable[..., None]
"""The fixture ``compare``: the command in this process."""

SUPERVISED, FIXMATCH, CPS = "nnUNetTrainerSupervised", "nnUNetTrainerFixMatch", "nnUNetTrainerCPS"

HOUR = 3600.0


class FakeCommands:
    """Stands for `Launcher.run`.

    Attributes:
        run: Words of every command.
        failing: A command that has this word fails.
        extension: What each command saw as nnUNet_extTrainer.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.run: list[tuple[str, ...]] = []
        self.failing = ""
        self.extension: set[str] = set()

    def __call__(
        self,
        launcher: Launcher,
        words: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        on_line: Callable[[str], None],
        shown: str,
    ) -> None:
        self.run.append(tuple(words))
        self.extension.add(environment["nnUNet_extTrainer"])
        if self.failing in words:
            raise CommandFailedError(shown, 1, log, ["the cause\n"])
        program = words[0].removeprefix("nnUNetv2_")
        {"train": self._train, "predict": self._predict, "ensemble": self._predict}.get(
            program, lambda words: None
        )(list(words))

    def programs(self) -> list[str]:
        """What was run since the last call."""
        names = [words[0].removeprefix("nnUNetv2_") for words in self.run]
        self.run.clear()
        return names

    def _train(self, words: list[str]) -> None:
        configuration, fold, trainer = words[2], words[3], words[words.index("-tr") + 1]
        further = exported_trainers(all_trainers()[trainer])
        for name in (trainer, *(kind.__name__ for kind in further)):
            model = self.workspace.model(name, configuration)
            (model / f"fold_{fold}").mkdir(parents=True, exist_ok=True)
            for file, source in (("plans", "nnUNetPlans"), ("dataset", "dataset")):
                shutil.copy(self.workspace.preprocessed / f"{source}.json", model / f"{file}.json")
            logged = {
                "epoch_start_timestamps": [0.0, 2 * HOUR],
                "epoch_end_timestamps": [HOUR, 3 * HOUR],
                "train_losses": [1.0, 0.5],
                "semiseg/memory/process": [1.5, 2.5],
            }
            torch.save({"logging": logged}, model / f"fold_{fold}" / "checkpoint_final.pth")

    def _predict(self, words: list[str]) -> None:
        """The true label maps."""
        output = Path(words[words.index("-o") + 1])
        output.mkdir(parents=True)
        for file in (self.workspace.raw / "labelsTs").iterdir():
            shutil.copyfile(file, output / file.name)
            for ending in (".npz", ".pkl"):
                (output / f"{file.stem}{ending}").touch()
        shutil.copy(self.workspace.raw / "dataset.json", output)


def later(file: Path, seconds: float = 60) -> None:
    """Let a file be written after all others."""
    time = file.stat().st_mtime + seconds
    os.utime(file, (time, time))


def section(workspace: Workspace, configuration: str) -> dict[str, object]:
    """The settings of a configuration in the plans."""
    plans = json.loads((workspace.preprocessed / "nnUNetPlans.json").read_text())
    return dict(plans["configurations"][configuration]["semiseg"])


def refused(compare: Compare, capsys: pytest.CaptureFixture[str], *more: str, **changes: object) -> str:
    """The one line that a mistake ends with."""
    with pytest.raises(SystemExit) as ended:
        compare(*more, **changes)
    assert ended.value.code == 1
    error = capsys.readouterr().err
    assert error.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in error
    assert not Path("report").exists()
    return error
