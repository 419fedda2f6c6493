"""Loading of unlabeled patches, and of labeled and unlabeled ones side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from batchgenerators.dataloading.nondet_multi_threaded_augmenter import NonDetMultiThreadedAugmenter
from batchgenerators.dataloading.single_threaded_augmenter import SingleThreadedAugmenter
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
from nnunetv2.utilities.default_n_proc_DA import get_allowed_n_proc_DA

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.core.config import ViewsConfig
from nnunetv2_semiseg.data.loading.views import TwoViewTransform, build_two_view_transform
from nnunetv2_semiseg.data.unlabeled.preprocessing import UnlabeledData


class UnlabeledDataLoader(nnUNetDataLoader):
    """nnU-Net's loader for cases without labels: patches from anywhere, never from a chosen class.

    Yields a dictionary: ``weak`` and ``strong``, the two views, ``U x C x S`` float32; ``inside``, where they
    show the image, ``U x 1 x S`` bool; ``keys``, the names of the cases.
    """

    def __init__(
        self,
        data: UnlabeledData,
        batch_size: int,
        initial_patch_size: Sequence[int],
        patch_size: Sequence[int],
        label_manager: Any,
        transform: TwoViewTransform,
    ) -> None:
        """Open the cases; see `build_unlabeled_loader` for the arguments."""
        dataset = nnUNetDatasetBlosc2(str(data.folder), list(data.cases))
        super().__init__(
            dataset,
            batch_size,
            initial_patch_size,
            patch_size,
            label_manager,
            oversample_foreground_percent=0.0,
            transforms=transform,
        )
        # with an ignore label nnU-Net samples patches around annotated pixels, which these cases lack
        self.has_ignore = False

    def generate_train_batch(self) -> dict[str, Any]:
        """nnU-Net's batch, taken apart here and not in the training's process.

        There it would cost time, and the parts would no longer lie in pinned memory.
        """
        batch = super().generate_train_batch()
        weak, strong = (view.contiguous() for view in batch["data"].chunk(2, dim=1))
        return {"weak": weak, "strong": strong, "inside": batch["target"] >= 0, "keys": batch["keys"]}


def build_unlabeled_loader(
    data: UnlabeledData,
    batch_size: int,
    initial_patch_size: Sequence[int],
    patch_size: Sequence[int],
    label_manager: Any,
    transform: TwoViewTransform,
    device: torch.device,
    num_processes: int | None = None,
) -> Iterator[dict[str, Any]]:
    """An endless iterator over unlabeled batches, made like nnU-Net's for labeled ones.

    Args:
        data: The preprocessed unlabeled cases.
        batch_size: Unlabeled samples in a batch, U.
        initial_patch_size: Patch to cut before the spatial transform, ``H, W`` or ``D, H, W``.
        patch_size: Patch that the network gets, S.
        label_manager: nnU-Net's label manager of the dataset.
        transform: Makes the two views, see `build_two_view_transform`.
        device: The training's device; batches are pinned in memory for CUDA.
        num_processes: Background processes; None: as many as nnU-Net takes for labeled images
            (``nnUNet_n_proc_DA``). 0 loads in this process and is reproducible from numpy's and torch's
            seeds.

    Returns:
        One of batchgenerators' augmenters around an `UnlabeledDataLoader`.
    """
    loader = UnlabeledDataLoader(data, batch_size, initial_patch_size, patch_size, label_manager, transform)
    if num_processes is None:
        num_processes = get_allowed_n_proc_DA()
    if num_processes == 0:
        return SingleThreadedAugmenter(loader, None)
    # without seeds all forked workers would go on with the same copy of torch's random stream
    seeds = [int(seed) for seed in np.random.randint(0, 2**31, num_processes)]
    augmenter = NonDetMultiThreadedAugmenter(
        loader,
        None,
        num_processes,
        num_cached=max(6, num_processes // 2),
        seeds=seeds,
        pin_memory=device.type == "cuda",
        wait_time=0.002,
    )
    next(augmenter)  # the processes start here, as nnU-Net's do, and not within the first training step
    return augmenter


class PairedLoader:
    """Endless iterator over `SemiSegBatch`, one labeled and one unlabeled batch at a time."""

    def __init__(self, labeled: Iterator[dict[str, Any]], unlabeled: Iterator[dict[str, Any]]) -> None:
        """Put two loaders together.

        Args:
            labeled: nnU-Net's loader: ``data`` ``L x C x S``, ``target`` ``L x 1 x S`` or, with deep
                supervision, a list of such, and ``keys``.
            unlabeled: Loader of unlabeled patches, from `build_unlabeled_loader`.
        """
        self.labeled = labeled
        self.unlabeled = unlabeled

    def __iter__(self) -> PairedLoader:
        """The loader itself."""
        return self

    def __next__(self) -> SemiSegBatch:
        """The next batch, on the CPU; ``task_ids`` is None."""
        labeled, unlabeled = next(self.labeled), next(self.unlabeled)
        targets = labeled["target"]
        return SemiSegBatch(
            labeled_images=labeled["data"],
            labeled_targets=tuple(targets) if isinstance(targets, list | tuple) else (targets,),
            unlabeled_weak=unlabeled["weak"],
            unlabeled_strong=unlabeled["strong"],
            labeled_cases=tuple(str(key) for key in labeled["keys"]),
            unlabeled_cases=tuple(str(key) for key in unlabeled["keys"]),
            unlabeled_inside=unlabeled["inside"],
        )

    def finish(self) -> None:
        """Shut the background processes of both loaders down; further calls do nothing."""
        for loader in (self.labeled, self.unlabeled):
            if isinstance(loader, NonDetMultiThreadedAugmenter):
                loader._finish()


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
