"""Volumes in nnU-Net's 2d configuration: a step of a trainer and its validation."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from threads import use_threads
from tiny_settings import tiny_values
from unlabeled_fixtures import VOLUME, make_dataset

from demo.small_network import small_architecture
from nnunetv2_semiseg.methods.knowsam import KnowSAM, KnowSAMConfig
from nnunetv2_semiseg.trainers.made import nnUNetTrainerKnowSAM

SETTINGS = {
    "epochs": 1,
    "iterations_per_epoch": 1,
    "picture_every": None,
    "labeled_batch_size": 2,
    "unlabeled_batch_size": 2,
    "knowsam": {"mixing_start": 0.0, **tiny_values(KnowSAMConfig, 32)},
}


@pytest.fixture
def volumes(tmp_path, tmp_path_factory, monkeypatch):
    use_threads(monkeypatch)
    dataset = make_dataset(VOLUME, tmp_path, tmp_path_factory, monkeypatch)
    monkeypatch.setenv("nnUNet_n_proc_DA", "0")
    monkeypatch.setenv("nnUNet_compile", "f")

    def add_tiny_configuration(plans):
        planned = plans["configurations"]["2d"]["architecture"]
        plans["configurations"]["2d_tiny"] = {
            "inherits_from": "2d",
            "architecture": small_architecture(planned, max_stages=3, features=4),
            "semiseg": SETTINGS,
        }

    dataset.change_plans(add_tiny_configuration)
    return dataset


def test_knowsam_learns_from_slices_and_predicts_volumes(volumes):
    plans = {**volumes.plans_manager.plans, "continue_training": False}
    trainer = nnUNetTrainerKnowSAM(plans, "2d_tiny", 0, volumes.dataset_json, torch.device("cpu"))
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    assert isinstance(trainer.method, KnowSAM)
    before = [parameter.detach().clone() for parameter in trainer.method.sam.parameters_to_train()]
    batch = next(trainer.dataloader_train)
    assert batch.labeled_images.shape == (2, 2, *trainer.configuration_manager.patch_size)
    assert batch.labeled_images.ndim == 4
    assert np.isfinite(float(trainer.train_step(batch)["loss"]))
    after = trainer.method.sam.parameters_to_train()
    assert any(not torch.equal(old, new) for old, new in zip(before, after, strict=True))

    nnUNetTrainer.perform_actual_validation(trainer)  # of the deployed network alone
    fold = volumes.root / "results" / volumes.name / "nnUNetTrainerKnowSAM__nnUNetPlans__2d_tiny" / "fold_0"
    predicted = sitk.ReadImage(str(fold / "validation" / "d.nii.gz"))
    image = sitk.ReadImage(str(volumes.raw / "imagesTr" / "d_0000.nii.gz"))
    assert predicted.GetSize() == image.GetSize() == (30, 28, 10)
    np.testing.assert_allclose(predicted.GetSpacing(), image.GetSpacing())
