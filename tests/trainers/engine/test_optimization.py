"""Several optimizers, one loss, with and without a gradient scaler (which works on a CPU as well)."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from nnunetv2_semiseg.trainers.engine.optimization import (
    GRADIENT_CLIP_NORM,
    backward_and_step,
    optimizer_like,
    refuse_endless_overflow,
)


class TwoNetworks:
    def __init__(self) -> None:
        torch.manual_seed(0)
        self.networks = [nn.Linear(3, 2), nn.Linear(3, 2)]
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.SGD(self.networks[0].parameters(), lr=0.1),
            torch.optim.AdamW(self.networks[1].parameters(), lr=0.1),
        ]

    def loss(self, factors: tuple[float, float] = (1.0, 1.0)) -> torch.Tensor:
        images = torch.linspace(-1, 1, 12).reshape(4, 3)
        values = [
            f * network(images).square().mean() for f, network in zip(factors, self.networks, strict=True)
        ]
        return torch.stack(values).sum()

    def weights(self) -> list[torch.Tensor]:
        return [copy.deepcopy(network.weight.data) for network in self.networks]


def scaler() -> torch.amp.GradScaler:
    return torch.amp.GradScaler("cpu", init_scale=1024.0)


def gradient_norm(network: nn.Module) -> float:
    return float(torch.stack([p.grad.norm() for p in network.parameters() if p.grad is not None]).norm())


def test_a_scaler_changes_nothing_where_nothing_overflows() -> None:
    plain, scaled = TwoNetworks(), TwoNetworks()
    backward_and_step(plain.loss(), plain.optimizers, None)
    grad_scaler = scaler()
    backward_and_step(scaled.loss(), scaled.optimizers, grad_scaler)
    for first, second in zip(plain.weights(), scaled.weights(), strict=True):
        torch.testing.assert_close(first, second)
    assert grad_scaler.get_scale() == 1024


@pytest.mark.parametrize("with_scaler", [False, True])
def test_every_optimizers_gradient_is_clipped_on_its_own(with_scaler: bool) -> None:
    pair = TwoNetworks()
    free = TwoNetworks()
    free.loss().backward()
    backward_and_step(pair.loss((1e6, 1.0)), pair.optimizers, scaler() if with_scaler else None)
    assert gradient_norm(pair.networks[0]) == pytest.approx(GRADIENT_CLIP_NORM, rel=1e-4)
    assert gradient_norm(pair.networks[1]) == pytest.approx(gradient_norm(free.networks[1]), rel=1e-4)


def test_an_overflow_stops_the_optimizer_that_it_hits_alone() -> None:
    pair = TwoNetworks()
    before = pair.weights()
    grad_scaler = scaler()
    backward_and_step(pair.loss((1e38, 1.0)), pair.optimizers, grad_scaler)
    after = pair.weights()
    assert torch.equal(before[0], after[0])
    assert not torch.equal(before[1], after[1])
    assert grad_scaler.get_scale() == 512
    for optimizer in pair.optimizers:
        optimizer.zero_grad()
    backward_and_step(pair.loss(), pair.optimizers, grad_scaler)
    assert not torch.equal(after[0], pair.weights()[0])
    assert all(torch.isfinite(weight).all() for weight in pair.weights())


@pytest.mark.parametrize(
    "optimizer",
    [
        torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.01, momentum=0.99, nesterov=True),
        torch.optim.AdamW([torch.zeros(1, requires_grad=True)], lr=0.02, weight_decay=0.1),
    ],
)
def test_an_optimizer_like_another_has_its_constants(optimizer: torch.optim.Optimizer) -> None:
    parameter = nn.Parameter(torch.ones(2))
    other = optimizer_like(optimizer, [parameter])
    assert type(other) is type(optimizer)
    assert other.defaults == optimizer.defaults
    assert other.param_groups[0]["params"] == [parameter]


def test_a_gradient_that_is_not_finite_stops_a_training_before_it_spoils_the_weights() -> None:
    pair = TwoNetworks()
    before = pair.weights()
    with pytest.raises(FloatingPointError, match=r"diverged.* precision=float32.* --c"):
        backward_and_step(pair.loss() * math.nan, pair.optimizers, None)
    assert all(torch.equal(old, new) for old, new in zip(before, pair.weights(), strict=True))


def test_steps_that_are_all_skipped_stop_a_training() -> None:
    pair, scaling = TwoNetworks(), scaler()
    before = pair.weights()
    backward_and_step(pair.loss((math.inf, math.inf)), pair.optimizers, scaling)
    refuse_endless_overflow(scaling)  # one overflow is nothing
    refuse_endless_overflow(None)
    for _ in range(40):
        backward_and_step(pair.loss((math.inf, math.inf)), pair.optimizers, scaling)
    assert all(torch.equal(old, new) for old, new in zip(before, pair.weights(), strict=True))
    with pytest.raises(FloatingPointError, match=r"no step is taken.* precision=bfloat16"):
        refuse_endless_overflow(scaling)
