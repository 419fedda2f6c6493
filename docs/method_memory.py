"""How much more memory than nnU-Net a method needs for its networks, from their shapes alone."""

from __future__ import annotations

import importlib
import itertools
import warnings
from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from torch import nn

from nnunetv2_semiseg.core.config import config_values, parse_config
from nnunetv2_semiseg.methods.base import Method, NetworkPlan, Setting
from nnunetv2_semiseg.trainers.engine.optimization import optimizer_like

USUAL = {2: ((320, 320), 7, 512), 3: ((128, 128, 128), 6, 320)}
"""Patch, stages and largest number of features of the U-Net that nnU-Net's default planner gives for it."""

CHANNELS, CLASSES = 1, 4


def memory_factor(method_class: type[Method], dimension: int) -> float:
    """Numbers kept for weights, gradients and optimizer states, as a multiple of nnU-Net's.

    Counted in the method with its defaults. What a pass keeps for the gradient is not in it: that grows with
    samples, patch and image size.

    Args:
        method_class: The method.
        dimension: Dimension of the patches, 2 or 3.

    Returns:
        1 where nothing but nnU-Net's network is trained, by nnU-Net's optimizer.
    """
    tiny_settings = importlib.import_module("tiny_settings")
    values = tiny_settings.with_foundation(method_class.config_class, {"random_weights": True})
    config = parse_config(method_class.config_class, values, "defaults")
    plans = PlansManager(_usual_plans(dimension, {method_class.key: config_values(config)}))

    plan = NetworkPlan(
        plans.get_configuration("tiny").configuration, CHANNELS, CLASSES, deep_supervision=True
    )

    def build() -> nn.Module:
        return method_class.build_network(plan)

    network, planned = build(), plan.build()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of random weights, which are as large as real ones
        method = method_class(config, Setting(CLASSES, CHANNELS, USUAL[dimension][0], build), network)
    nnunets = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.99)
    deployed = method_class.deployed_optimizer(config, network.parameters()) or nnunets
    optimizers = [deployed, *(item.optimizer for item in method.optimizers(partial(optimizer_like, nnunets)))]
    weights = {id(p): p.numel() for p in itertools.chain(network.parameters(), method.parameters())}
    return (sum(weights.values()) + sum(map(_kept_by, optimizers))) / (3 * _size(planned.parameters()))


def _usual_plans(dimension: int, section: dict[str, Any]) -> dict[str, Any]:
    patch, stages, most = USUAL[dimension]
    plans: dict[str, Any] = importlib.import_module("tiny_training").tiny_plans(dimension, section)
    configuration = plans["configurations"]["tiny"]
    configuration["patch_size"] = list(patch)
    configuration["architecture"]["arch_kwargs"].update(
        n_stages=stages,
        features_per_stage=[min(32 * 2**stage, most) for stage in range(stages)],
        kernel_sizes=[[3] * dimension] * stages,
        strides=[[1] * dimension, *[[2] * dimension] * (stages - 1)],
        n_conv_per_stage=[2] * stages,
        n_conv_per_stage_decoder=[2] * (stages - 1),
    )
    return plans


def _kept_by(optimizer: torch.optim.Optimizer) -> int:
    """Gradients and states: SGD keeps a momentum, Adam two moments."""
    states = 1 if isinstance(optimizer, torch.optim.SGD) else 2
    return (1 + states) * _size(
        parameter for group in optimizer.param_groups for parameter in group["params"]
    )


def _size(parameters: Iterable[nn.Parameter]) -> int:
    return sum(parameter.numel() for parameter in parameters)
