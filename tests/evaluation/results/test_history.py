"""Histories from checkpoints, without running anything that a file says."""

from __future__ import annotations

import math
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nnunetv2_semiseg.evaluation.results.history import read_trainings


class Trap:
    """Makes a folder where it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def write(fold: Path, name: str = "checkpoint_final.pth", **content: Any) -> Path:
    fold.mkdir(parents=True, exist_ok=True)
    torch.save(content, fold / name)
    return fold / name


def logging() -> dict[str, Any]:
    return {
        "train_losses": [np.float32(0.5), 0.25],
        "mean_fg_dice": [np.float64(0.75), math.nan],
        "dice_per_class_or_region": [[np.float32(0.5)], [np.float32(0.75)]],
        "semiseg/loss/consistency": [1, 2],
    }


def test_a_checkpoint_like_nnunets(tmp_path: Path) -> None:
    network = torch.nn.Conv2d(1, 2, 3)
    optimizer = torch.optim.SGD(network.parameters(), momentum=0.9, lr=0.1)
    network(torch.ones(1, 1, 3, 3)).sum().backward()
    optimizer.step()
    write(
        tmp_path / "fold_0",
        network_weights=network.state_dict(),
        optimizer_state=optimizer.state_dict(),
        logging=logging(),
        trainer_name="nnUNetTrainerCPS",
        semiseg={"random": np.random.default_rng(0).bit_generator.state, "path": tmp_path, "bytes": b"\xff"},
        array=np.ones(3),
    )
    (history,) = read_trainings(tmp_path)
    assert (history.fold, history.trainer) == ("fold_0", "nnUNetTrainerCPS")
    assert history.values["train_losses"] == [0.5, 0.25]
    assert history.values["mean_fg_dice"][0] == 0.75
    assert all(map(math.isnan, history.values["dice_per_class_or_region"]))
    assert history.values["semiseg/loss/consistency"] == [1, 2]


def test_nothing_of_a_file_is_run(tmp_path: Path) -> None:
    file = write(tmp_path / "fold_0", logging=logging(), trap=Trap(tmp_path / "trapped"))
    (history,) = read_trainings(tmp_path)
    assert history.values["train_losses"] == [0.5, 0.25]
    assert history.trainer == ""
    assert not (tmp_path / "trapped").exists()
    torch.load(file, weights_only=False)
    assert (tmp_path / "trapped").exists()


def test_files_of_older_numpy(tmp_path: Path) -> None:
    file = write(tmp_path / "fold_0", logging=logging())
    with zipfile.ZipFile(file) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"))
    assert read_trainings(tmp_path)[0].values["train_losses"] == [0.5, 0.25]


def test_folds_and_unfinished_trainings(tmp_path: Path) -> None:
    write(tmp_path / "fold_0", "checkpoint_latest.pth", logging={"train_losses": [1.0]})
    write(tmp_path / "fold_0", "checkpoint_best.pth", logging={"train_losses": [2.0]})
    write(tmp_path / "fold_1", logging={"train_losses": [3.0]})
    (tmp_path / "fold_2").mkdir()
    assert [(one.fold, one.values["train_losses"]) for one in read_trainings(tmp_path)] == [
        ("fold_0", [1.0]),
        ("fold_1", [3.0]),
    ]
    assert [one.fold for one in read_trainings(tmp_path / "fold_1")] == ["fold_1"]


def test_what_is_no_training(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere is not a folder"):
        read_trainings(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"no fold with checkpoint_final\.pth"):
        read_trainings(tmp_path)
    write(tmp_path / "fold_0", network_weights={})
    with pytest.raises(ValueError, match=r"no checkpoint of nnU-Net with a history \(KeyError\)"):
        read_trainings(tmp_path)
    (tmp_path / "fold_0" / "checkpoint_final.pth").write_text("text")
    with pytest.raises(ValueError, match="BadZipFile"):
        read_trainings(tmp_path)
