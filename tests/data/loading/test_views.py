"""Weak and strong view: one geometry, nnU-Net's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform
from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from view_settings import views_with

from nnunetv2_semiseg.core.config import ViewsConfig
from nnunetv2_semiseg.data.loading.views import build_two_view_transform, strong_intensity_transform

OFF, ALWAYS = views_with(0), views_with(1)
FLAT, VOLUME, ANISOTROPIC = (24, 32), (16, 20, 24), (4, 24, 24)
SEEDS = range(12)


def training_transforms(patch_size, masked=None):
    return nnUNetTrainer.get_training_transforms(
        patch_size,
        rotation_for_DA=(-np.pi, np.pi),
        deep_supervision_scales=[[1.0] * len(patch_size), [0.5] * len(patch_size)],
        mirror_axes=tuple(range(len(patch_size))),
        do_dummy_2d_data_aug=patch_size == ANISOTROPIC,
        use_mask_for_norm=masked,
        ignore_label=3,
    )


def coordinates(patch_size, margin=6):
    """An image whose channels are the pixels' coordinates, and a segmentation that is -1 in one half."""
    shape = [size + margin for size in patch_size]
    if patch_size == ANISOTROPIC:
        shape[0] = patch_size[0]
    image = torch.stack(torch.meshgrid(*(torch.arange(1.0, n + 1) for n in shape), indexing="ij"))
    segmentation = torch.zeros((1, *shape), dtype=torch.int16)
    segmentation[..., : shape[-1] // 2] = -1
    return image, segmentation


def draw(transform, patch_size, seed):
    torch.manual_seed(seed)
    np.random.seed(seed)
    image, segmentation = coordinates(patch_size)
    result = transform(image=image, segmentation=segmentation)
    weak, strong = result["image"].chunk(2)
    return weak, strong, result["segmentation"]


@pytest.mark.parametrize("patch_size", [FLAT, VOLUME, ANISOTROPIC])
@pytest.mark.parametrize("seed", SEEDS)
def test_views_coincide_without_intensity_changes(patch_size, seed):
    transform = build_two_view_transform(training_transforms(patch_size), OFF)
    weak, strong, segmentation = draw(transform, patch_size, seed)
    assert weak.shape == (len(patch_size), *patch_size)
    assert segmentation.shape == (1, *patch_size)
    torch.testing.assert_close(weak, strong, rtol=0, atol=0)


@pytest.mark.parametrize("patch_size", [FLAT, VOLUME, ANISOTROPIC])
@pytest.mark.parametrize("seed", SEEDS)
def test_weak_view_is_nnunets_spatial_and_mirror_augmentation(patch_size, seed):
    training = training_transforms(patch_size)
    names = ("SpatialTransform", "MirrorTransform", "Convert3DTo2DTransform", "Convert2DTo3DTransform")
    nnunet = ComposeTransforms([t for t in training.transforms if type(t).__name__ in names])
    weak, _, segmentation = draw(build_two_view_transform(training, ALWAYS), patch_size, seed)
    torch.manual_seed(seed)
    np.random.seed(seed)
    image, labels = coordinates(patch_size)
    expected = nnunet(image=image, segmentation=labels)
    torch.testing.assert_close(weak, expected["image"], rtol=0, atol=0)
    torch.testing.assert_close(segmentation, expected["segmentation"], rtol=0, atol=0)


@pytest.mark.parametrize("patch_size", [FLAT, VOLUME, ANISOTROPIC])
def test_what_a_rotation_brings_in_is_outside(patch_size):
    transform = build_two_view_transform(training_transforms(patch_size), OFF)
    seen = 0
    for seed in SEEDS:
        torch.manual_seed(seed)
        np.random.seed(seed)
        image = torch.ones((1, *patch_size))
        result = transform(image=image, segmentation=torch.zeros((1, *patch_size), dtype=torch.int16))
        beyond = result["image"][:1] == 0
        assert (result["segmentation"][beyond] == -1).all()
        assert set(result["segmentation"].unique().tolist()) <= {-1, 0}
        seen += int(beyond.any())
    assert seen  # the patch as large as the image: every rotation shows its corners


@pytest.mark.parametrize("patch_size", [FLAT, VOLUME, ANISOTROPIC])
def test_geometry_varies(patch_size):
    transform = build_two_view_transform(training_transforms(patch_size), OFF)
    corners = {tuple(draw(transform, patch_size, seed)[0].flatten(1)[:, 0].tolist()) for seed in SEEDS}
    assert len(corners) > len(SEEDS) // 3


@pytest.mark.parametrize("patch_size", [FLAT, VOLUME])
def test_strong_view_has_other_intensities_in_the_same_places(patch_size):
    """Brightness, contrast and gamma keep the order of the values, so pixels that moved would show."""
    views = views_with(0, brightness_probability=1, contrast_probability=1, gamma_probability=1)
    transform = build_two_view_transform(training_transforms(patch_size), views)
    for seed in SEEDS:
        weak, strong, _ = draw(transform, patch_size, seed)
        assert not torch.equal(weak, strong)
        for before, after in zip(weak, strong, strict=True):
            order = before.flatten().argsort()
            assert (after.flatten()[order].diff() >= -1e-3).all()


def test_default_strong_view_differs_nearly_always():
    transform = build_two_view_transform(training_transforms(FLAT), ViewsConfig())
    differing = [not torch.equal(*draw(transform, FLAT, seed)[:2]) for seed in range(30)]
    assert sum(differing) >= 28


@pytest.mark.parametrize("patch_size", [FLAT, VOLUME])
def test_both_views_are_masked_outside_of_the_image(patch_size):
    masked = [True] + [False] * (len(patch_size) - 1)
    transform = build_two_view_transform(training_transforms(patch_size, masked), ALWAYS)
    for seed in SEEDS:
        weak, strong, segmentation = draw(transform, patch_size, seed)
        outside = segmentation[0] < 0
        assert outside.any()
        assert (weak[0][outside] == 0).all()
        assert (strong[0][outside] == 0).all()
        assert (strong[1][outside] != 0).any()


@pytest.mark.parametrize("value", [0.0, -3.5])
@pytest.mark.parametrize("patch_size", [FLAT, VOLUME, ANISOTROPIC])
def test_constant_patches_stay_finite(patch_size, value):
    transform = build_two_view_transform(training_transforms(patch_size), ALWAYS)
    for seed in SEEDS:
        torch.manual_seed(seed)
        np.random.seed(seed)
        image = torch.full((2, *patch_size), value)
        segmentation = torch.zeros((1, *patch_size), dtype=torch.int16)
        assert torch.isfinite(transform(image=image, segmentation=segmentation)["image"]).all()


def test_same_seed_same_views():
    transform = build_two_view_transform(training_transforms(FLAT), ALWAYS)
    first, second = draw(transform, FLAT, 3), draw(transform, FLAT, 3)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_blur_does_not_choose_its_algorithm_by_timing():
    random = strong_intensity_transform(ViewsConfig()).transforms
    blur = next(t.transform for t in random if isinstance(t.transform, GaussianBlurTransform))
    assert blur.benchmark is False


@pytest.mark.parametrize(("patch_size", "ignored"), [(VOLUME, None), (ANISOTROPIC, (0,))])
def test_anisotropic_volumes_keep_their_slices_at_low_resolution(patch_size, ignored):
    random = build_two_view_transform(training_transforms(patch_size), ALWAYS).intensity.transforms
    low = next(t.transform for t in random if isinstance(t.transform, SimulateLowResolutionTransform))
    assert low.ignore_axes == ignored


def test_config_reaches_the_transforms():
    views = ViewsConfig(gamma_range=(0.9, 1.1), gamma_probability=0.25, noise_probability=0.125)
    noise, *_, gamma = strong_intensity_transform(views).transforms
    assert gamma.transform.gamma.contrast_range == (0.9, 1.1)
    assert gamma.apply_probability == 0.25
    assert noise.apply_probability == 0.125


def test_images_are_inverted_for_gamma_as_often_as_in_nnunet():
    """nnU-Net draws two gamma changes, of the inverted image and of the image; here one is either."""
    drawn = {
        random.transform.p_invert_image: random.apply_probability
        for random in training_transforms(FLAT).transforms
        if isinstance(getattr(random, "transform", None), GammaTransform)
    }
    *_, gamma = strong_intensity_transform(ViewsConfig()).transforms
    assert drawn.keys() == {0, 1}
    assert gamma.transform.p_invert_image == pytest.approx(drawn[1] / (drawn[0] + drawn[1]))


def test_training_transforms_without_a_spatial_one():
    with pytest.raises(ValueError, match="contain no SpatialTransform"):
        build_two_view_transform(ComposeTransforms([MirrorTransform((0, 1))]), OFF)


def test_a_single_spatial_transform_will_do():
    transform = build_two_view_transform(SpatialTransform(FLAT, 0, False), OFF)
    assert draw(transform, FLAT, 0)[0].shape == (2, *FLAT)


def test_transform_can_be_printed():
    assert "SpatialTransform" in str(build_two_view_transform(training_transforms(FLAT), ViewsConfig()))
