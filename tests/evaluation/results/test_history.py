"""Histories from checkpoints; files that could run code are refused."""

from __future__ import annotations

import math
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.evaluation.results.history import read_trainings
from nnunetv2_semiseg.trainers.engine.random_state import random_state


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
        semiseg={"random": random_state(), "bytes": b"\xff"},
        init_args={"device": torch.device("cpu")},
    )
    (history,) = read_trainings(tmp_path)
    assert (history.fold, history.trainer) == ("fold_0", "nnUNetTrainerCPS")
    assert history.values["train_losses"] == [0.5, 0.25]
    assert history.values["mean_fg_dice"][0] == 0.75
    assert all(map(math.isnan, history.values["dice_per_class_or_region"]))
    assert history.values["semiseg/loss/consistency"] == [1, 2]


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "fold_0", logging=logging(), trap=Trap(tmp_path / "trapped"))
    with pytest.raises(UserError, match=r"_final\.pth has an object of the type \w+\.mkdir, which could run"):
        read_trainings(tmp_path)
    assert not (tmp_path / "trapped").exists()
    torch.load(file, weights_only=False)
    assert (tmp_path / "trapped").exists()


def test_arrays_hold_numbers_alone(tmp_path: Path) -> None:
    write(tmp_path / "fold_0", logging=logging(), array=np.array([Trap(tmp_path / "trapped")]))
    with pytest.raises(UserError, match="could run code"):
        read_trainings(tmp_path)
    assert not (tmp_path / "trapped").exists()


def test_no_other_file_of_this_process_may_name_numpy_afterwards(tmp_path: Path) -> None:
    file = write(tmp_path / "fold_0", logging=logging())
    read_trainings(tmp_path)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(file, weights_only=True)


def test_what_is_no_list_is_no_history(tmp_path: Path) -> None:
    write(tmp_path / "fold_0", logging={"train_losses": [1.0], "note": 3}, trainer_name=5)
    (history,) = read_trainings(tmp_path)
    assert (history.values, history.trainer) == ({"train_losses": [1.0]}, "")


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
    with pytest.raises(UserError, match="no checkpoint of nnU-Net with a history"):
        read_trainings(tmp_path)


@pytest.mark.parametrize(
    "damage", [lambda data: b"text", lambda data: b"", lambda data: data[: len(data) // 2]]
)
def test_a_damaged_checkpoint(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    file = write(tmp_path / "fold_0", logging=logging())
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(UserError, match=r"checkpoint_final\.pth cannot be read .* train its model again"):
        read_trainings(tmp_path)
