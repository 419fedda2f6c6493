"""What a method gets to see in one training step."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class SemiSegBatch:
    """Labeled images with their targets, and two views of unlabeled images.

    L and U are the numbers of labeled and unlabeled samples, C the channels of an image, S the spatial
    shape of a patch (``H, W`` or ``D, H, W``). Images are float32, normalised as the plans say.

    Attributes:
        labeled_images: Labeled images under nnU-Net's training augmentation, ``L x C x S``.
        labeled_targets: Label maps of the labeled images (int16), full resolution first, ``L x 1 x S``;
            with deep supervision followed by one map for each lower output of the network.
        unlabeled_weak: Unlabeled images after spatial transforms and mirroring, ``U x C x S``.
        unlabeled_strong: The same patches, pixel-aligned with ``unlabeled_weak``, with strong intensity
            changes on top, ``U x C x S``.
        labeled_cases: Case names of the labeled samples, L of them.
        unlabeled_cases: Case names of the unlabeled samples, U of them.
        unlabeled_inside: Where the unlabeled patches show the image, ``U x 1 x S`` (bool), rather than what
            lies outside: padding, corners that a rotation brings in, zeros around a cut-out organ. None:
            everywhere.
        task_ids: Task that each labeled sample stands for, ``L``; None for single-task data.
        annotated_tasks: All tasks that each labeled sample is annotated for, ``L x K``; K is the most that
            any case has, and -1 fills up the row of a case that has fewer. None for single-task data.

    Examples:
        >>> images, views = torch.zeros(2, 1, 64, 64), torch.zeros(3, 1, 64, 64)
        >>> batch = SemiSegBatch(
        ...     labeled_images=images,
        ...     labeled_targets=(images.short(),),
        ...     unlabeled_weak=views,
        ...     unlabeled_strong=views + 1,
        ...     labeled_cases=("a", "b"),
        ...     unlabeled_cases=("u", "v", "w"),
        ... )
        >>> batch.inside.shape, bool(batch.inside.all())
        (torch.Size([3, 1, 64, 64]), True)
    """

    labeled_images: torch.Tensor
    labeled_targets: tuple[torch.Tensor, ...]
    unlabeled_weak: torch.Tensor
    unlabeled_strong: torch.Tensor
    labeled_cases: tuple[str, ...]
    unlabeled_cases: tuple[str, ...]
    unlabeled_inside: torch.Tensor | None = None
    task_ids: torch.Tensor | None = None
    annotated_tasks: torch.Tensor | None = None

    @property
    def inside(self) -> torch.Tensor:
        """Where the unlabeled patches show the image, as a tensor even if it is everywhere; ``U x 1 x S``."""
        if self.unlabeled_inside is not None:
            return self.unlabeled_inside
        return torch.ones_like(self.unlabeled_weak[:, :1], dtype=torch.bool)

    @property
    def all_inside(self) -> torch.Tensor:
        """Where labeled patches, which count everywhere, and unlabeled ones show it; ``(L + U) x 1 x S``."""
        labeled = torch.ones_like(self.labeled_images[:, :1], dtype=torch.bool)
        return torch.cat([labeled, self.inside])

    def to(self, device: torch.device) -> SemiSegBatch:
        """The same batch with all tensors on ``device``."""

        def move(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.to(device, non_blocking=True)

        def move_any(tensor: torch.Tensor | None) -> torch.Tensor | None:
            return None if tensor is None else move(tensor)

        return SemiSegBatch(
            labeled_images=move(self.labeled_images),
            labeled_targets=tuple(move(target) for target in self.labeled_targets),
            unlabeled_weak=move(self.unlabeled_weak),
            unlabeled_strong=move(self.unlabeled_strong),
            labeled_cases=self.labeled_cases,
            unlabeled_cases=self.unlabeled_cases,
            unlabeled_inside=move_any(self.unlabeled_inside),
            task_ids=move_any(self.task_ids),
            annotated_tasks=move_any(self.annotated_tasks),
        )
