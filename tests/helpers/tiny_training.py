"""A tiny network, batch and configuration in which every discovered method can take steps."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from planned_unet import planned_unet
from tiny_settings import tiny_values
from torch import nn

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.core.config import SECTION, config_values, parse_config
from nnunetv2_semiseg.methods.base import Method, Setting, StepContext, StepLosses
from nnunetv2_semiseg.methods.losses.segmentation import seg_loss
from nnunetv2_semiseg.methods.parts.schedules import Progress
from nnunetv2_semiseg.methods.parts.skd import SkdConfig
from nnunetv2_semiseg.methods.registry import discovered_trainers
from nnunetv2_semiseg.trainers.engine.optimization import backward_and_step, optimizer_like
from nnunetv2_semiseg.trainers.semiseg import nnUNetTrainerSemiSeg

SIZE, CLASSES, SAMPLES = 32, 3, 2
TOTAL_STEPS = 10
LEARNING_RATE = 0.01


def tiny_plans(dimension: int, section: dict[str, Any]) -> dict[str, Any]:
    """Plans with a plain U-Net of three stages."""
    architecture = planned_unet(
        [4, 8, 8], dimension, n_conv_per_stage=[1, 1, 1], n_conv_per_stage_decoder=[1, 1]
    )
    configuration = {"architecture": architecture, "patch_size": [SIZE] * dimension, SECTION: section}
    return {"plans_name": "tiny", "configurations": {"tiny": configuration}}


def network_builder(
    method_class: type[Method], config: Any, dimension: int, channels: int = 1, classes: int = CLASSES
) -> Callable[[], nn.Module]:
    """What the method's own trainer builds, with logits far enough apart for confident pseudo-labels."""
    plans = PlansManager(tiny_plans(dimension, {method_class.key: config_values(config)}))
    configuration = plans.get_configuration("tiny")

    def build() -> nn.Module:
        trainer = trainers_of(method_class)[0]
        network = trainer.build_network_architecture(plans, configuration, channels, classes, True)
        for part in network.modules():
            if isinstance(part, nn.Conv2d | nn.Conv3d) and part.out_channels == classes:
                with torch.no_grad():
                    part.weight.mul_(20)
        return network

    return build


def trainers_of(method_class: type[Method]) -> list[type[nnUNetTrainerSemiSeg]]:
    """The trainers that train a method."""
    return [
        kind
        for kind in discovered_trainers().values()
        if issubclass(kind, nnUNetTrainerSemiSeg) and kind.method_class is method_class
    ]


def tiny_config(kind: type[Any], with_sam: bool = False) -> Any:
    """A method's defaults, with a tiny random foundation wherever it has one.

    Args:
        kind: The method's configuration.
        with_sam: Switch the SAM branch on that the method may take.
    """
    values = tiny_values(kind, SIZE)
    if with_sam:
        values["skd"]["enabled"] = True
    return parse_config(kind, values, kind.__name__)


def may_take_sam(method_class: type[Method]) -> bool:
    """Whether a SAM branch is an option of the method."""
    return typing.get_type_hints(method_class.config_class).get("skd") is SkdConfig


@dataclasses.dataclass
class Training:
    """A method, the deployed network and all optimizers, without nnU-Net around them."""

    method: Method
    network: nn.Module
    setting: Setting
    step: int = 0

    def __post_init__(self) -> None:
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=LEARNING_RATE, momentum=0.9)
        self.scheduled = self.method.optimizers(partial(optimizer_like, self.optimizer))
        self.method.train()

    def context(self) -> StepContext:
        return StepContext(self.network, supervised_loss, Progress(self.step, TOTAL_STEPS))

    def losses(self, batch: SemiSegBatch) -> StepLosses:
        return self.method.losses(batch, self.context())

    def take_step(self, batch: SemiSegBatch, look: Callable[[StepLosses], object] = bool) -> None:
        """One step; ``look`` gets its losses as the trainer's watch does."""
        progress = Progress(self.step, TOTAL_STEPS)
        optimizers = [self.optimizer, *(item.optimizer for item in self.scheduled)]
        for optimizer in optimizers:
            optimizer.zero_grad()
        for item in self.scheduled:
            item.set_learning_rate(progress, LEARNING_RATE)
        losses = self.losses(batch)
        look(losses)
        backward_and_step(losses.total, optimizers, None)
        self.method.after_step(self.network, progress)
        self.step += 1

    def trained(self) -> dict[str, nn.Module]:
        return {**self.method.deployed_parts(self.network), **self.method.trained_networks()}


def supervised_loss(output: Any, targets: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Over all outputs where there is deep supervision, as nnU-Net's."""
    outputs = output if isinstance(output, list | tuple) else [output]
    losses = []
    for logits, target in zip(outputs, targets, strict=False):
        labels = target[:, 0].long()
        losses.append(seg_loss(logits, labels, torch.ones_like(labels, dtype=torch.bool)))
    return torch.stack(losses).mean()


@dataclasses.dataclass(frozen=True)
class Case:
    """A method in one of the ways in which it can be trained."""

    method_class: type[Method]
    dimension: int
    with_sam: bool = False
    channels: int = 1
    classes: int = CLASSES

    def __str__(self) -> str:
        return f"{self.method_class.key}-{self.dimension}d{'-sam' * self.with_sam}"

    def make_training(self, seed: int = 0) -> Training:
        torch.manual_seed(seed)
        config = tiny_config(self.method_class.config_class, self.with_sam)
        build = network_builder(self.method_class, config, self.dimension, self.channels, self.classes)
        network = build()
        shape = (SIZE,) * self.dimension
        setting = Setting(self.classes, self.channels, patch_size=shape, new_network=build)
        return Training(self.method_class(config, setting, network), network, setting)


def make_batch(dimension: int, seed: int = 0, channels: int = 1, classes: int = CLASSES) -> SemiSegBatch:
    generator = torch.Generator().manual_seed(seed)
    space = (SIZE,) * dimension

    def images() -> torch.Tensor:
        return torch.randn((SAMPLES, channels, *space), generator=generator)

    weak = images()
    target = torch.randint(classes, (SAMPLES, 1, *space), generator=generator).to(torch.int16)
    lower = target[(..., *(slice(None, None, 2),) * dimension)]
    names = tuple(f"case{index}" for index in range(SAMPLES))
    strong, tasks = weak + 0.3 * images(), torch.arange(SAMPLES) % (classes - 1)
    return SemiSegBatch(images(), (target, lower), weak, strong, names, names, task_ids=tasks)
