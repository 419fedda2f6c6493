"""CPS: its loss by hand, two different networks, and the second one's way out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from stub_step import (
    CLASSES,
    HALFWAY,
    RAMP,
    Pixelwise,
    make_batch,
    make_context,
    make_setting,
    probabilities,
    seg_loss_by_hand,
)
from torch import nn

from nnunetv2_semiseg.methods.cps import CPS, CPSConfig
from nnunetv2_semiseg.methods.losses.agreement import class_map_agreement
from nnunetv2_semiseg.methods.losses.cross_supervision import cross_supervision_loss
from nnunetv2_semiseg.methods.step import Progress


def cross_entropy_by_hand(learner: np.ndarray, other: np.ndarray) -> float:
    pairs = zip(learner, other, strict=True)
    return float(np.mean([-np.log(p[np.argmax(q)]) for p, q in pairs]))


@pytest.mark.parametrize("dimension", [2, 3])
def test_terms_by_hand(dimension: int) -> None:
    torch.manual_seed(0)
    network, batch = Pixelwise(dimension), make_batch(dimension)
    method = CPS(CPSConfig(), make_setting(dimension), network)
    losses = method.losses(batch, make_context(network, HALFWAY))
    first, second = (probabilities(net, batch.unlabeled_strong) for net in (network, method.second))
    target = batch.labeled_targets[0].long().flatten().numpy()
    everywhere = np.ones(target.shape, dtype=bool)
    expected = {
        "supervised": seg_loss_by_hand(probabilities(network, batch.labeled_images), target, everywhere),
        "supervised_second": seg_loss_by_hand(
            probabilities(method.second, batch.labeled_images), target, everywhere
        ),
        "cross": cross_entropy_by_hand(first, second),
        "cross_second": cross_entropy_by_hand(second, first),
    }
    assert {name: term.value.item() for name, term in losses.terms.items()} == pytest.approx(
        expected, rel=1e-4
    )
    total = expected["supervised"] + expected["supervised_second"]
    total += 0.1 * RAMP * (expected["cross"] + expected["cross_second"])
    assert losses.total.item() == pytest.approx(total, rel=1e-4)
    maps = (torch.from_numpy(p.argmax(1)).reshape(len(batch.unlabeled_strong), -1) for p in (first, second))
    agreement = class_map_agreement(*maps, CLASSES).mean()
    assert losses.measures["agreement"].item() == pytest.approx(agreement.item())


def test_the_teaching_side_gets_no_gradient() -> None:
    learner = torch.randn(2, 3, 4, 4, requires_grad=True)
    other = torch.randn(2, 3, 4, 4, requires_grad=True)
    cross_supervision_loss(learner, other).backward()
    assert learner.grad is not None
    assert learner.grad.abs().sum() > 0
    assert other.grad is None


def test_networks_start_different_and_stay_so() -> None:
    torch.manual_seed(0)
    network, batch = Pixelwise(), make_batch()
    method = CPS(CPSConfig(weight=10), make_setting(), network)
    parameters = [*network.parameters(), *method.second.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=0.9)
    for step in range(21):
        assert not torch.allclose(network.layer.weight, method.second.layer.weight, atol=1e-3)
        optimizer.zero_grad()
        method.losses(batch, make_context(network, Progress(step, 20))).total.backward()
        optimizer.step()


def test_the_second_network_has_the_rate_of_the_deployed_one() -> None:
    network = Pixelwise()
    method = CPS(CPSConfig(), make_setting(), network)
    (item,) = method.optimizers(lambda parameters: torch.optim.SGD(parameters, lr=1.0, momentum=0.99))
    item.set_learning_rate(HALFWAY, 0.25)
    assert item.optimizer.param_groups[0]["lr"] == 0.25
    assert item.optimizer.param_groups[0]["momentum"] == 0.99


def test_exported_weights_are_the_second_networks() -> None:
    network: nn.Module = Pixelwise()
    method = CPS(CPSConfig(), make_setting(), network)
    (export,) = CPS.exports
    other = Pixelwise()
    other.load_state_dict(export.state(method, network))
    images = make_batch().unlabeled_weak
    assert torch.equal(other(images), method.second(images))
