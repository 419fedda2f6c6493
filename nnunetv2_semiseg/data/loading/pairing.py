"""A loader of unlabeled patches that matches nnU-Net's own loader of labeled ones."""

from __future__ import annotations

from typing import Any

import torch

from nnunetv2_semiseg.core.config import ViewsConfig
from nnunetv2_semiseg.data.loading.loader import PairedLoader, build_unlabeled_loader
from nnunetv2_semiseg.data.loading.views import build_two_view_transform
from nnunetv2_semiseg.data.unlabeled.preprocessing import UnlabeledData


def pair_with_unlabeled(
    labeled: Any,
    unlabeled: UnlabeledData,
    batch_size: int,
    views: ViewsConfig,
    label_manager: Any,
    device: torch.device,
    reproducible: bool = False,
) -> PairedLoader:
    """Put unlabeled batches beside the labeled ones, with the same patch and geometry.

    Args:
        labeled: The training loader of nnU-Net's ``get_dataloaders``, whose patch sizes and transforms count.
        unlabeled: The preprocessed unlabeled cases.
        batch_size: Unlabeled samples in a batch.
        views: The strong view.
        label_manager: nnU-Net's label manager of the dataset.
        device: The training's device.
        reproducible: Let the labeled images' blur choose its algorithm by size instead of by timing both.

    Returns:
        An endless iterator over `SemiSegBatch`.
    """
    source = getattr(labeled, "data_loader", None) or labeled.generator
    transforms = source.transforms
    if reproducible:
        _without_timing(transforms)
    skip = 1 if source.patch_size_was_2d else 0
    unlabeled_loader = build_unlabeled_loader(
        unlabeled,
        batch_size,
        source.patch_size[skip:],
        source.final_patch_size[skip:],
        label_manager,
        build_two_view_transform(transforms, views),
        device,
    )
    return PairedLoader(labeled, unlabeled_loader)


def _without_timing(transforms: Any) -> None:
    for transform in getattr(transforms, "transforms", []):
        inner = getattr(transform, "transform", transform)
        if hasattr(inner, "benchmark"):
            inner.benchmark = False
