"""One step of a method on a few pixels, with 1x1 convolutions for networks: small enough for plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.methods.base import Setting
from nnunetv2_semiseg.methods.losses.segmentation import seg_loss
from nnunetv2_semiseg.methods.step import Progress, StepContext
from nnunetv2_semiseg.networks.outputs import full_resolution

CLASSES, SAMPLES, SIZE = 3, 2, 4
IGNORE = 9
HALFWAY, RAMP = Progress(5, 10), np.exp(-5 * 0.25)
"""The middle of a training, and what the sigmoid ramp gives there, by hand."""

FloatArray = NDArray[np.float64]


class Pixelwise(nn.Module):
    """Logits of each pixel from its value alone, far enough apart that some are confident."""

    def __init__(self, dimension: int = 2) -> None:
        super().__init__()
        self.layer = (nn.Conv2d if dimension == 2 else nn.Conv3d)(1, CLASSES, 1)
        with torch.no_grad():
            self.layer.weight.normal_(0, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layer(images)
        return logits


def make_setting(dimension: int = 2, ignore_label: int | None = None) -> Setting:
    return Setting(
        num_classes=CLASSES,
        in_channels=1,
        patch_size=(SIZE,) * dimension,
        new_network=lambda: Pixelwise(dimension),
        ignore_label=ignore_label,
    )


def make_batch(dimension: int = 2) -> SemiSegBatch:
    shape = (SAMPLES, 1, *(SIZE,) * dimension)
    labeled, weak, strong = (torch.randn(shape) for _ in range(3))
    names = tuple(str(index) for index in range(SAMPLES))
    target = torch.randint(CLASSES, shape).to(torch.int16)
    return SemiSegBatch(labeled, (target,), weak, strong, names, names)


def make_context(network: nn.Module, progress: Progress) -> StepContext:
    def supervised(output: Any, targets: tuple[torch.Tensor, ...]) -> torch.Tensor:
        labels = targets[0][:, 0].long()
        annotated = labels != IGNORE
        return seg_loss(full_resolution(output), labels * annotated, annotated)

    return StepContext(network, supervised, progress)


@torch.no_grad()
def probabilities(network: nn.Module, images: torch.Tensor) -> FloatArray:
    """Softmax by hand, ``pixels x classes``, the samples one after another."""
    logits = network(images).double().movedim(1, -1).reshape(-1, CLASSES).numpy()
    exponentials = np.exp(logits)
    return np.asarray(exponentials / exponentials.sum(1, keepdims=True))


def seg_loss_by_hand(p: FloatArray, labels: NDArray[np.int64], trusted: NDArray[np.bool_]) -> float:
    """Cross entropy over all pixels plus soft Dice, both of the trusted pixels alone."""
    cross_entropy, dice = 0.0, 0.0
    for pixel, label in enumerate(labels):
        cross_entropy -= np.log(p[pixel, label]) * trusted[pixel] / len(labels)
    for c in range(CLASSES):
        overlap = sum(p[i, c] for i in range(len(p)) if trusted[i] and labels[i] == c)
        sizes = sum(p[i, c] ** 2 + (labels[i] == c) for i in range(len(p)) if trusted[i])
        dice += (1 - (2 * overlap + 1e-10) / (sizes + 1e-10)) / CLASSES
    return float(cross_entropy + dice)
