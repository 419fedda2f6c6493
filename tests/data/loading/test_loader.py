"""Batches of labeled and unlabeled patches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from batchgenerators.dataloading.nondet_multi_threaded_augmenter import NonDetMultiThreadedAugmenter
from batchgenerators.dataloading.single_threaded_augmenter import SingleThreadedAugmenter
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from threads import use_threads
from unlabeled_fixtures import IGNORE, LABELED, RGB, UNLABELED, VOLUME, make_dataset
from view_settings import views_with

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.core.config import ViewsConfig
from nnunetv2_semiseg.data.loading.loader import PairedLoader, build_unlabeled_loader
from nnunetv2_semiseg.data.loading.views import build_two_view_transform
from nnunetv2_semiseg.data.unlabeled.preprocessing import UnlabeledData

CPU = torch.device("cpu")
CASES = [(RGB, "2d"), (IGNORE, "2d"), (VOLUME, "2d"), (VOLUME, "3d_fullres")]
CHANNELS = {RGB: 3, IGNORE: 1, VOLUME: 2}


@pytest.fixture
def dataset(request, tmp_path, tmp_path_factory, monkeypatch):
    use_threads(monkeypatch)
    dataset = make_dataset(getattr(request, "param", RGB), tmp_path, tmp_path_factory, monkeypatch)
    monkeypatch.setenv("nnUNet_n_proc_DA", "0")
    return dataset


def nnunets_trainer(dataset, configuration="2d"):
    plans = {**dataset.plans_manager.plans, "continue_training": False}
    trainer = nnUNetTrainer(plans, configuration, 0, dataset.dataset_json, CPU)
    # what initialize() sets, without its network
    trainer._set_batch_size_and_oversample()
    return trainer


def unlabeled_loader(dataset, trainer, num_processes=None, batch_size=3, data=None, views=None):
    transforms = nnunets_trainer(dataset, trainer.configuration_name)
    rotation, slicewise, initial, axes = (
        transforms.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
    )
    patch_size = trainer.configuration_manager.patch_size
    mask = trainer.configuration_manager.use_mask_for_norm
    training = trainer.get_training_transforms(patch_size, rotation, None, axes, slicewise, mask)
    return build_unlabeled_loader(
        data or dataset.preprocess(trainer.configuration_name),
        batch_size,
        initial,
        patch_size,
        trainer.label_manager,
        build_two_view_transform(training, views or ViewsConfig()),
        CPU,
        num_processes,
    )


@pytest.mark.parametrize(("dataset", "configuration"), CASES, indirect=["dataset"])
def test_paired_batches(dataset, configuration):
    trainer = nnunets_trainer(dataset, configuration)
    labeled, validation = trainer.get_dataloaders()
    paired = PairedLoader(labeled, unlabeled_loader(dataset, trainer))
    patch, channels = tuple(trainer.configuration_manager.patch_size), CHANNELS[dataset.name]
    for _ in range(3):
        batch = next(paired)
        assert isinstance(batch, SemiSegBatch)
        assert batch.labeled_images.shape == (trainer.batch_size, channels, *patch)
        assert len(batch.labeled_targets) == len(trainer._get_deep_supervision_scales())
        assert batch.labeled_targets[0].shape == (trainer.batch_size, 1, *patch)
        assert batch.labeled_targets[0].dtype == torch.int16
        for view in (batch.unlabeled_weak, batch.unlabeled_strong):
            assert view.shape == (3, channels, *patch)
            assert view.dtype == torch.float32
            assert torch.isfinite(view).all()
        assert not torch.equal(batch.unlabeled_weak, batch.unlabeled_strong)
        assert set(batch.labeled_cases) <= set(LABELED)
        assert set(batch.unlabeled_cases) <= set(UNLABELED)
        assert all(type(case) is str for case in batch.unlabeled_cases)
        assert batch.task_ids is None
    assert iter(paired) is paired
    assert next(validation)["data"].shape[1] == channels


def test_views_are_split_in_the_right_order(dataset):
    trainer = nnunets_trainer(dataset)
    brighter = views_with(0, brightness_probability=1, brightness_range=(3, 3))
    labeled, _ = trainer.get_dataloaders()
    batch = next(PairedLoader(labeled, unlabeled_loader(dataset, trainer, views=brighter)))
    torch.testing.assert_close(batch.unlabeled_strong, 3 * batch.unlabeled_weak)


def test_only_the_named_cases_are_drawn(dataset):
    trainer = nnunets_trainer(dataset)
    data = UnlabeledData(dataset.preprocess().folder, ("u2",))
    loader = unlabeled_loader(dataset, trainer, data=data)
    assert set(next(loader)["keys"]) == {"u2"}


def test_padding_is_outside_of_the_image(dataset):
    """A patch that is larger than the images, without rotation or scaling: what is not padding is inside."""
    patch_size, image_size = (64, 64), (40, 44)
    transform = build_two_view_transform(
        SpatialTransform(patch_size, 0, False, p_rotation=0, p_scaling=0), views_with(0)
    )
    manager = nnunets_trainer(dataset).label_manager
    data = dataset.preprocess()
    batch = next(build_unlabeled_loader(data, 3, patch_size, patch_size, manager, transform, CPU))
    shown = (batch["weak"] != 0).any(dim=1, keepdim=True)  # no pixel of these images is black
    assert shown.sum(dim=(1, 2, 3)).tolist() == [np.prod(image_size)] * 3
    assert torch.equal(batch["inside"], shown)


def test_target_without_deep_supervision():
    view = torch.zeros(1, 1, 4, 4)
    labeled = iter([{"data": torch.zeros(1, 1, 4, 4), "target": torch.ones(1, 1, 4, 4), "keys": ["a"]}])
    unlabeled = iter([{"weak": view, "strong": view, "inside": view >= 0, "keys": np.array(["u"])}])
    batch = next(PairedLoader(labeled, unlabeled))
    assert len(batch.labeled_targets) == 1
    assert batch.labeled_targets[0].shape == (1, 1, 4, 4)


def test_same_seed_same_batches(dataset):
    trainer = nnunets_trainer(dataset)
    loader = unlabeled_loader(dataset, trainer)
    assert isinstance(loader, SingleThreadedAugmenter)

    def draw():
        np.random.seed(7)
        torch.manual_seed(7)
        return [next(loader) for _ in range(3)]

    for first, second in zip(draw(), draw(), strict=True):
        assert list(first["keys"]) == list(second["keys"])
        for part in ("weak", "strong", "inside"):
            assert torch.equal(first[part], second[part])


def test_parts_of_a_batch_are_ready_for_the_way_to_a_gpu(dataset):
    """Each tensor of the dictionary is pinned in memory; a part that is no whole copy would lose that."""
    batch = next(unlabeled_loader(dataset, nnunets_trainer(dataset)))
    tensors = {name: part for name, part in batch.items() if isinstance(part, torch.Tensor)}
    assert tensors.keys() == {"weak", "strong", "inside"}
    assert all(part.is_contiguous() for part in tensors.values())
    assert tensors["inside"].dtype == torch.bool


@pytest.mark.slow
def test_background_processes(dataset, monkeypatch):
    monkeypatch.setenv("nnUNet_n_proc_DA", "2")
    trainer = nnunets_trainer(dataset)
    labeled, validation = trainer.get_dataloaders()
    paired = PairedLoader(labeled, unlabeled_loader(dataset, trainer))
    try:
        assert isinstance(paired.unlabeled, NonDetMultiThreadedAugmenter)
        assert len(set(paired.unlabeled.seeds)) == 2
        assert next(paired).unlabeled_weak.shape[:2] == (3, 3)
        processes = [*paired.labeled._processes, *paired.unlabeled._processes]
        assert len(processes) == 4
        assert all(process.is_alive() for process in processes)
    finally:
        paired.finish()
        validation._finish()
    assert not any(process.is_alive() for process in processes)
    paired.finish()


def test_nnunets_debug_information_copes_with_it(dataset):
    trainer = nnunets_trainer(dataset)
    trainer.dataloader_train = PairedLoader(trainer.get_dataloaders()[0], unlabeled_loader(dataset, trainer))
    trainer._save_debug_information()
