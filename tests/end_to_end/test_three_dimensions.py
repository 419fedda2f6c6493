"""Volumes: a method in the 3d_fullres configuration on nnU-Net's own commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from demo.small_network import small_architecture
from nnunetv2_semiseg.data.conversion.phantom import PhantomOptions, write_phantom_dataset
from nnunetv2_semiseg.trainers.watching.watch import PICTURE_FILE

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace

pytestmark = pytest.mark.slow

CONFIGURATION, TRAINER = "3d_tiny", "nnUNetTrainerFixMatch"


def test_training_and_prediction_in_3d(empty_workspace: Workspace) -> None:
    workspace = empty_workspace
    options = PhantomOptions(domains=2, train=5, test=1, labeled=5, dimension=3, size=32)
    write_phantom_dataset(workspace.root / "raw", 500, "Phantom", options)
    planning = ("-d", 500, "-c", "3d_fullres", "-np", 1, "-npfp", 1)
    workspace.run("nnUNetv2_plan_and_preprocess", *planning, nnUNet_n_proc_DA="")
    plans = workspace.read_plans()
    planned = plans["configurations"]["3d_fullres"]
    plans["configurations"][CONFIGURATION] = {
        "inherits_from": "3d_fullres",
        "architecture": small_architecture(planned["architecture"], max_stages=3, features=8),
        "semiseg": {"epochs": 1, "iterations_per_epoch": 2, "validation_iterations_per_epoch": 1},
    }
    workspace.write_plans(plans)
    assert len(planned["patch_size"]) == 3

    log = workspace.run("nnUNetv2_train", 500, CONFIGURATION, 0, "-tr", TRAINER, "-device", "cpu")
    assert "2 labeled and 2 unlabeled samples a step, 5 unlabeled cases" in log
    assert "confident_share" in log
    epoch = log.partition("Epoch 0")[2].partition("train_loss")[0]
    assert "Speed: " in epoch
    assert "\r" not in epoch, "a log file has no line that is rewritten"
    assert (workspace.model(TRAINER, CONFIGURATION) / "fold_0" / PICTURE_FILE).is_file()
    model = ("-d", 500, "-c", CONFIGURATION, "-f", 0, "-tr", TRAINER, "-device", "cpu")
    images = ("-i", workspace.raw / "imagesTs", "-o", workspace.root / "predicted")
    workspace.run("nnUNetv2_predict", *images, *model, "-npp", 0, "-nps", 0, "--save_probabilities")
    files = sorted((workspace.root / "predicted").glob("*.npz"))
    assert [file.stem for file in files] == ["A_0005", "B_0005"]
    for file in files:
        probabilities = np.load(file)["probabilities"]
        assert probabilities.shape == (3, 16, 32, 32)
        assert np.isfinite(probabilities).all()
