"""A tiny network, batch and configuration in which every discovered method can take steps."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable
from typing import Any

import torch
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from planned_unet import planned_unet
from tiny_settings import tiny_values
from torch import nn

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.core.config import SECTION, config_values, parse_config
from nnunetv2_semiseg.methods.base import Method, NetworkPlan, Setting
from nnunetv2_semiseg.methods.losses.segmentation import seg_loss
from nnunetv2_semiseg.methods.parts.skd import OptionalSkdConfig
from nnunetv2_semiseg.trainers.engine.step import MethodStep

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
    """What the method deploys, with logits far enough apart for confident pseudo-labels."""
    plans = PlansManager(tiny_plans(dimension, {method_class.key: config_values(config)}))
    plan = NetworkPlan(plans.get_configuration("tiny").configuration, channels, classes, True)

    def build() -> nn.Module:
        network = method_class.build_network(plan)
        for part in network.modules():
            if isinstance(part, nn.Conv2d | nn.Conv3d) and part.out_channels == classes:
                with torch.no_grad():
                    part.weight.mul_(20)
        return network

    return build


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
    return typing.get_type_hints(method_class.config_class).get("skd") is OptionalSkdConfig


class Training(MethodStep):
    """A method's steps with a plain optimizer, without nnU-Net around them."""

    def __init__(self, method: Method, network: nn.Module, setting: Setting, step: int = 0) -> None:
        optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE, momentum=0.9)
        super().__init__(method, network, optimizer, supervised_loss, TOTAL_STEPS, steps_done=step)
        self.setting = setting
        self.method.train()

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
