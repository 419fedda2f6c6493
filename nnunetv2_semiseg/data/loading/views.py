"""Two views of an unlabeled patch: the same geometry, different intensities.

The geometry is nnU-Net's own, taken from the training transforms of the labeled images. Weak and strong view
leave the transform stacked along the channels, so that nnU-Net's data loader carries them unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform
from batchgeneratorsv2.transforms.intensity.contrast import BGContrast, ContrastTransform
from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform
from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.nnunet_masking import MaskImageTransform
from batchgeneratorsv2.transforms.utils.pseudo2d import Convert2DTo3DTransform, Convert3DTo2DTransform
from batchgeneratorsv2.transforms.utils.random import RandomTransform

from nnunetv2_semiseg.core.config import ViewsConfig

GEOMETRIC = (Convert3DTo2DTransform, SpatialTransform, Convert2DTo3DTransform, MirrorTransform)
"""Transforms of nnU-Net's training pipeline that move pixels; all others change values or targets."""

INVERTED_GAMMA_SHARE = 0.25
"""Share of gamma changes that are of the inverted image; nnU-Net draws these at 0.1 and the others at 0.3."""


class TwoViewTransform(BasicTransform):
    """Turns a patch into its weak and its strong view, stacked along the channels.

    Called as nnU-Net's loader calls its transforms: ``transform(image=..., segmentation=...)`` with the image
    ``C x S'`` (float32) and nnU-Net's segmentation ``1 x S'`` (int16, -1 outside of the image's nonzero
    region). Returns a dictionary with ``image``, ``2C x S``, first the weak and then the strong view, and
    ``segmentation``, ``1 x S``, of the same geometry: -1 also where the geometry brought in what lies beyond
    the image.
    """

    def __init__(
        self, geometry: BasicTransform, intensity: BasicTransform, masking: Sequence[BasicTransform] = ()
    ) -> None:
        """Put the stages together.

        Args:
            geometry: Applied once; its image is the weak view.
            intensity: Applied to a copy of the weak view; must not move pixels.
            masking: Applied to both views at the end, so that nothing is drawn outside of the image.
        """
        super().__init__()
        self.geometry = geometry
        self.intensity = intensity
        self.masking = ComposeTransforms(list(masking))

    def __call__(self, **data_dict: Any) -> dict[str, torch.Tensor]:
        """Draw and apply; see the class for shapes."""
        moved = self.geometry(image=data_dict["image"], segmentation=data_dict["segmentation"])
        weak, segmentation = moved["image"], moved["segmentation"]
        # intensity transforms and masking write in place
        strong = self.intensity(image=weak.clone())["image"]
        views = [self.masking(image=view, segmentation=segmentation)["image"] for view in (weak, strong)]
        return {"image": torch.cat(views, dim=0), "segmentation": segmentation}


def build_two_view_transform(training_transforms: BasicTransform, views: ViewsConfig) -> TwoViewTransform:
    """The transform for unlabeled patches that belongs to a trainer's transform for labeled ones.

    Args:
        training_transforms: What nnU-Net's ``get_training_transforms`` returns.
        views: Probabilities and ranges of the strong view.

    Returns:
        A transform whose weak view is exactly nnU-Net's spatial and mirror augmentation.

    Raises:
        ValueError: The training transforms contain no `SpatialTransform` to take the geometry from.

    Examples:
        >>> crop = SpatialTransform((32, 32), 0, random_crop=False, p_rotation=0.5)
        >>> transform = build_two_view_transform(crop, ViewsConfig(blur_probability=0))
        >>> inside = torch.zeros(1, 48, 48, dtype=torch.int16)
        >>> views = transform(image=torch.rand(1, 48, 48), segmentation=inside)
        >>> weak, strong = views["image"].chunk(2)
        >>> weak.shape, strong.shape
        (torch.Size([1, 32, 32]), torch.Size([1, 32, 32]))
    """
    pipeline = list(getattr(training_transforms, "transforms", [training_transforms]))
    geometry = [transform for transform in pipeline if isinstance(transform, GEOMETRIC)]
    masking = [transform for transform in pipeline if isinstance(transform, MaskImageTransform)]
    if not any(isinstance(transform, SpatialTransform) for transform in geometry):
        raise ValueError(
            "the training transforms contain no SpatialTransform, so the views of the unlabeled images have "
            "no patch size to crop to; keep nnU-Net's SpatialTransform in get_training_transforms"
        )
    slicewise = any(isinstance(transform, Convert3DTo2DTransform) for transform in geometry)
    intensity = strong_intensity_transform(views, slicewise=slicewise)
    return TwoViewTransform(ComposeTransforms(geometry), intensity, masking)


def strong_intensity_transform(views: ViewsConfig, slicewise: bool = False) -> ComposeTransforms:
    """nnU-Net's intensity transforms in nnU-Net's order, with the probabilities and ranges of the config.

    What the config does not name is as in nnU-Net; so blur and low resolution, once drawn, change each
    channel with probability one half.

    Args:
        views: Probabilities and ranges.
        slicewise: Leave the first axis out of the low-resolution change, as nnU-Net does for anisotropic
            volumes, which it augments slice by slice.

    Returns:
        A transform of ``image``, ``C x S``, that moves no pixel.
    """
    stages = [
        (_noise(), views.noise_probability),
        (_blur(), views.blur_probability),
        (_brightness(views), views.brightness_probability),
        (_contrast(views), views.contrast_probability),
        (_low_resolution(slicewise), views.low_resolution_probability),
        (_gamma(views), views.gamma_probability),
    ]
    return ComposeTransforms([RandomTransform(change, probability) for change, probability in stages])


def _noise() -> GaussianNoiseTransform:
    return GaussianNoiseTransform((0, 0.1), p_per_channel=1, synchronize_channels=True)


def _blur() -> GaussianBlurTransform:
    # benchmark=True would choose the algorithm by timing it: not reproducible
    return GaussianBlurTransform(
        (0.5, 1.0), synchronize_channels=False, synchronize_axes=False, p_per_channel=0.5, benchmark=False
    )


def _brightness(views: ViewsConfig) -> MultiplicativeBrightnessTransform:
    return MultiplicativeBrightnessTransform(
        BGContrast(views.brightness_range), synchronize_channels=False, p_per_channel=1
    )


def _contrast(views: ViewsConfig) -> ContrastTransform:
    return ContrastTransform(
        BGContrast(views.contrast_range), preserve_range=True, synchronize_channels=False, p_per_channel=1
    )


def _low_resolution(slicewise: bool) -> SimulateLowResolutionTransform:
    return SimulateLowResolutionTransform(
        scale=(0.5, 1),
        synchronize_channels=False,
        synchronize_axes=True,
        ignore_axes=(0,) if slicewise else None,
        p_per_channel=0.5,
    )


def _gamma(views: ViewsConfig) -> GammaTransform:
    return GammaTransform(
        BGContrast(views.gamma_range),
        p_invert_image=INVERTED_GAMMA_SHARE,
        synchronize_channels=False,
        p_per_channel=1,
        p_retain_stats=1,
    )
