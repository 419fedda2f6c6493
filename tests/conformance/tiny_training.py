"""A tiny network, batch and configuration in which every discovered method can take steps."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

import torch
from torch import nn

from nnunetv2_semiseg.batch import SemiSegBatch
from nnunetv2_semiseg.config import parse_config
from nnunetv2_semiseg.losses.segmentation import seg_loss
from nnunetv2_semiseg.methods.base import DEPLOYED, Method, Setting, StepContext, StepLosses
from nnunetv2_semiseg.networks.foundation_config import FoundationConfig
from nnunetv2_semiseg.optimization import backward_and_step
from nnunetv2_semiseg.schedules import Progress

SIZE, CLASSES, SAMPLES = 32, 3, 2
TOTAL_STEPS = 10


class TinyNetwork(nn.Module):
    """Two convolutions whose logits are far enough apart for pseudo-labels to be confident."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        conv = nn.Conv2d if dimension == 2 else nn.Conv3d
        norm = nn.InstanceNorm2d if dimension == 2 else nn.InstanceNorm3d
        self.layers = nn.Sequential(
            conv(1, 4, 3, padding=1), norm(4, affine=True), nn.LeakyReLU(), conv(4, CLASSES, 1)
        )
        with torch.no_grad():
            self.layers[-1].weight.mul_(20)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layers(images)


def tiny_config(kind: type[Any]) -> Any:
    """A method's defaults, with a tiny random foundation wherever it has one."""
    return parse_config(kind, _tiny_values(kind), kind.__name__)


def _tiny_values(kind: type[Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        if hint is FoundationConfig:
            values[field.name] = {"architecture": "vit_tiny", "random_weights": True, "image_size": SIZE}
        elif dataclasses.is_dataclass(hint):
            values[field.name] = _tiny_values(typing.cast("type[Any]", hint))
    return values


@dataclasses.dataclass
class Training:
    """A method, the deployed network and all optimizers, without nnU-Net around them."""

    method: Method
    network: nn.Module
    setting: Setting
    step: int = 0

    def __post_init__(self) -> None:
        self.scheduled = self.method.optimizers()
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=0.01, momentum=0.9)
        self.method.train()

    def context(self) -> StepContext:
        def supervised(logits: torch.Tensor, targets: tuple[torch.Tensor, ...]) -> torch.Tensor:
            labels = targets[0][:, 0].long()
            return seg_loss(logits, labels, torch.ones_like(labels, dtype=torch.bool))

        return StepContext(self.network, supervised, Progress(self.step, TOTAL_STEPS))

    def losses(self, batch: SemiSegBatch) -> StepLosses:
        return self.method.losses(batch, self.context())

    def take_step(self, batch: SemiSegBatch) -> None:
        progress = Progress(self.step, TOTAL_STEPS)
        optimizers = [self.optimizer, *(item.optimizer for item in self.scheduled)]
        for optimizer in optimizers:
            optimizer.zero_grad()
        for item in self.scheduled:
            item.set_learning_rate(progress)
        backward_and_step(self.losses(batch).total, optimizers, None)
        self.method.after_step(self.network, progress)
        self.step += 1

    def trained(self) -> dict[str, nn.Module]:
        return {DEPLOYED: self.network, **self.method.trained_networks()}


def make_training(method_class: type[Method], dimension: int, seed: int = 0) -> Training:
    torch.manual_seed(seed)
    network = TinyNetwork(dimension)
    setting = Setting(num_classes=CLASSES, in_channels=1, patch_size=(SIZE,) * dimension)
    method = method_class(tiny_config(method_class.config_class), setting, network)
    return Training(method, network, setting)


def make_batch(dimension: int, seed: int = 0) -> SemiSegBatch:
    generator = torch.Generator().manual_seed(seed)
    shape = (SAMPLES, 1, *(SIZE,) * dimension)

    def images() -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    weak = images()
    target = torch.randint(CLASSES, shape, generator=generator).to(torch.int16)
    names = tuple(f"case{index}" for index in range(SAMPLES))
    return SemiSegBatch(images(), (target,), weak, weak + 0.3 * images(), names, names)
