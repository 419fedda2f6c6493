"""Batches of unlabeled samples for pictures."""

from __future__ import annotations

import torch

from nnunetv2_semiseg.core.batch import SemiSegBatch


def make_batch(
    images: torch.Tensor, cases: tuple[str, ...], inside: torch.Tensor | None = None
) -> SemiSegBatch:
    """The strong view is half of the weak one, the labeled images are of no interest."""
    target = torch.zeros_like(images[:, :1], dtype=torch.int16)
    return SemiSegBatch(images, (target,), images, images / 2, cases, cases, unlabeled_inside=inside)
