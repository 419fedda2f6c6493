"""Every discovered method in each way in which it can be trained, and how to look at its networks."""

from __future__ import annotations

import pytest
import torch
from tiny_training import Case, Training, may_take_sam
from torch import nn

from nnunetv2_semiseg.methods.registry import discovered_methods

METHODS = discovered_methods()
CASES = [
    Case(method, dimension, with_sam)
    for method in METHODS.values()
    for dimension in sorted(method.dimensions)
    for with_sam in (False, True)
    if not with_sam or (dimension == 2 and may_take_sam(method))
]
every_method = pytest.mark.parametrize("case", CASES, ids=str)


def later_step(training: Training) -> Training:
    """Far enough that no ramp switches a term off."""
    training.steps_done = 8
    return training


def snapshot(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def gradient_norm(module: nn.Module) -> float:
    return sum(float(p.grad.abs().sum()) for p in module.parameters() if p.grad is not None)


def assert_all_reached(training: Training) -> None:
    """Each trained parameter has a gradient, and a finite one."""
    for name, network in training.trained().items():
        for parameter_name, parameter in network.named_parameters():
            if parameter.requires_grad:
                assert parameter.grad is not None, f"{name}.{parameter_name} gets no gradient"
                assert torch.isfinite(parameter.grad).all(), f"{name}.{parameter_name}"
