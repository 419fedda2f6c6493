"""The yardstick: nnU-Net on labeled images alone, as long as the configuration says."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from nnunetv2_semiseg.evaluation.results.history import MEMORY
from nnunetv2_semiseg.trainers.supervised import nnUNetTrainerSupervised

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace


def make(workspace: Workspace, **settings: Any) -> nnUNetTrainerSupervised:
    plans = {**workspace.read_plans(), "continue_training": False}
    plans["configurations"]["2d_yard"] = {"inherits_from": "2d_small", "semiseg": settings}
    return nnUNetTrainerSupervised(plans, "2d_yard", 0, workspace.dataset_json, torch.device("cpu"))


def test_length_and_batch_are_the_configurations(workspace: Workspace) -> None:
    trainer = make(workspace, epochs=3, iterations_per_epoch=7, labeled_batch_size=5, save_every=2)
    trainer.initialize()
    assert (trainer.num_epochs, trainer.num_iterations_per_epoch, trainer.save_every) == (3, 7, 2)
    assert trainer.batch_size == 5


def test_the_plans_batch_is_the_default(workspace: Workspace) -> None:
    trainer = make(workspace)
    trainer.initialize()
    assert trainer.batch_size == 2


def test_unlabeled_images_do_not_touch_it(workspace: Workspace) -> None:
    shutil.rmtree(workspace.raw / "imagesUn")
    trainer = make(workspace, epochs=1, iterations_per_epoch=1, validation_iterations_per_epoch=1, seed=1)
    trainer.run_training()
    assert (workspace.model("nnUNetTrainerSupervised", "2d_yard") / "fold_0" / "progress.png").is_file()


def test_time_and_memory_are_logged(workspace: Workspace) -> None:
    lengths = {"epochs": 2, "iterations_per_epoch": 1, "validation_iterations_per_epoch": 1}
    make(workspace, **lengths, seed=1).run_training()
    model = workspace.model("nnUNetTrainerSupervised", "2d_yard")
    logged = workspace.checkpoint(model)["logging"]
    first, second = logged[f"{MEMORY}process"]
    assert 0.1 < first <= second < 64  # GiB
    assert [len(logged[f"epoch_{end}_timestamps"]) for end in ("start", "end")] == [2, 2]
    (log,) = (model / "fold_0").glob("training_log_*.txt")
    assert "Peak memory in GiB: process" in log.read_text()


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make(workspace)
    trainer.initialize()
    file = Path(trainer.output_folder) / "checkpoint_latest.pth"
    trainer.save_checkpoint(str(file))
    before = file.read_bytes()

    def half(content: Any, target: Any) -> None:
        target.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="No space"):
        trainer.save_checkpoint(str(file))
    assert file.read_bytes() == before
    assert not list(file.parent.glob("*.tmp"))


def test_unknown_keys_are_refused_as_by_every_trainer(workspace: Workspace) -> None:
    with pytest.raises(ValueError, match="unknown key 'epohcs'; valid keys are epochs"):
        make(workspace, epohcs=5)
