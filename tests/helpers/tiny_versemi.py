"""VerSemi on images of a few pixels, with a network whose answers can be computed by hand."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.core.config import parse_config
from nnunetv2_semiseg.methods.base import Setting
from nnunetv2_semiseg.methods.step import Progress, StepContext, StepLosses
from nnunetv2_semiseg.methods.versemi import VerSemi, VerSemiConfig

TASKS, SIZE = 3, 6
SYNTHETIC = TASKS


class Recorder(nn.Module):
    """Logits from a pixel's value and the task, all of which it keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.linspace(-1, 1, TASKS + 1))
        self.asked: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.said: list[torch.Tensor] = []

    def forward(self, images: torch.Tensor, tasks: torch.Tensor) -> torch.Tensor:
        slots = tasks.reshape(len(images), -1)
        foreground = images[:, None, 0] * self.scale[slots][..., None, None]
        logits = torch.stack([torch.zeros_like(foreground), foreground], dim=2)
        logits.retain_grad()
        self.asked.append((images, tasks))
        self.said.append(logits)
        return logits if tasks.ndim == 2 else logits[:, 0]


def make_method(**values: Any) -> VerSemi:
    setting = Setting(num_classes=TASKS + 1, in_channels=1, patch_size=(SIZE, SIZE), new_network=nn.Identity)
    return VerSemi(parse_config(VerSemiConfig, values, "test"), setting, nn.Identity())


def make_batch(tasks: tuple[int, ...] = (0, 1, 2, 2), unlabeled: int = 3, seed: int = 0) -> SemiSegBatch:
    """Each image shows the structures 1, 2 and 3 side by side, below a background."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(len(tasks), 1, SIZE, SIZE, generator=generator)
    target = torch.arange(SIZE).div(2, rounding_mode="floor").add(1).expand(len(tasks), 1, SIZE, SIZE).clone()
    target[:, :, 0] = 0
    strong = torch.randn(unlabeled, 1, SIZE, SIZE, generator=generator)
    names = tuple(str(index) for index in range(len(tasks)))
    return SemiSegBatch(
        images,
        (target.to(torch.int16),),
        strong,
        strong,
        names,
        names[:unlabeled],
        task_ids=torch.tensor(tasks),
    )


def run(method: VerSemi, batch: SemiSegBatch, step: int) -> tuple[StepLosses, Recorder]:
    network = Recorder()
    context = StepContext(network, lambda output, targets: torch.zeros(()), Progress(step, 10))
    return method.losses(batch, context), network
