"""Two subnets and their fusion as one network."""

from __future__ import annotations

import pytest
import torch
from planned_unet import planned_unet

from nnunetv2_semiseg.networks.fused import FusedNetwork, FusedOutput, build_fused_network
from nnunetv2_semiseg.networks.outputs import set_deep_supervision

ARCHITECTURE = planned_unet([4, 8, 8], n_conv_per_stage=[2, 2, 2], n_conv_per_stage_decoder=[2, 2])
IMAGES = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def network() -> FusedNetwork:
    torch.manual_seed(0)
    return build_fused_network(ARCHITECTURE, 1, 3, deep_supervision=True).eval()


def test_the_subnets_are_of_two_families(network: FusedNetwork) -> None:
    assert type(network.first) is not type(network.second)


def test_a_plain_call_gives_what_nnunet_scores(network: FusedNetwork) -> None:
    fused, lower = network(IMAGES)
    assert fused.shape == (2, 3, 32, 32)
    assert lower.shape == (2, 3, 16, 16)
    set_deep_supervision(network, False)
    assert torch.equal(network(IMAGES), fused)


def test_training_sees_the_subnets(network: FusedNetwork) -> None:
    output = network(IMAGES, with_subnets=True)
    assert isinstance(output, FusedOutput)
    for subnet, given in ((network.first, output.first), (network.second, output.second)):
        assert all(torch.equal(a, b) for a, b in zip(subnet(IMAGES), given, strict=True))
    lower = network(IMAGES)[1]
    assert torch.allclose(lower, (output.first[1] + output.second[1]) / 2)


def test_the_fused_logits_train_everything(network: FusedNetwork) -> None:
    network.train()(IMAGES, with_subnets=True).fused.square().mean().backward()
    for part in (network.first, network.second, network.fusion):
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())
