from __future__ import annotations

import math

import pytest
import torch

from nnunetv2_semiseg.networks.fused import FusionModule, agreement
from nnunetv2_semiseg.networks.pixels import pixel_entropy

THEIR_NAMES = {
    "agreement": "ambiguous_conv",
    "certainty": "entmap_conv",
    "logits": "logits_conv",
    "fuse": "final_conv",
}


@pytest.fixture
def golden(golden_file):
    return golden_file("knowsam_fusion_module.npz")


@pytest.fixture
def golden_fusion(golden) -> FusionModule:
    fusion = FusionModule(num_classes=2)
    state = {}
    for name in fusion.state_dict():
        part, rest = name.split(".", 1)
        state[name] = golden[f"param.{THEIR_NAMES[part]}.{rest}"]
    fusion.load_state_dict(state)
    assert len(state) == sum(key.startswith("param.") for key in golden)
    return fusion


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_golden_output(golden, golden_fusion, mode):
    golden_fusion.train(mode == "train")
    fused = golden_fusion(golden["in_subnet_a_logits"], golden["in_subnet_b_logits"])
    # the released code adds 1e-6 inside the entropy's logarithm; ours needs no such shift
    torch.testing.assert_close(fused, golden[f"out_fused_{mode}"], rtol=1e-4, atol=5e-5)


@pytest.mark.parametrize("classes", [2, 4])
def test_any_number_of_classes_and_any_size(classes):
    logits = torch.randn(2, 2, classes, 17, 30)
    assert FusionModule(classes)(*logits).shape == (2, classes, 17, 30)


def test_agreement_is_one_minus_the_xor():
    first = torch.tensor([0.6, 0.6, 0.4, 0.4]).reshape(1, 1, 2, 2)
    second = torch.tensor([0.9, 0.5, 0.51, 0.1]).reshape(1, 1, 2, 2)
    assert agreement(first, second).flatten().tolist() == [1, 0, 0, 1]


def test_entropy_in_nats():
    assert pixel_entropy(torch.full((1, 4, 1, 1), 0.25)).item() == pytest.approx(math.log(4))


@pytest.mark.parametrize("closed", [[], ["logits"], ["certainty"]], ids=lambda parts: f"no {parts}")
def test_gradients_reach_both_subnets_through_logits_and_entropies(closed):
    fusion = FusionModule(3)
    for part in closed:
        torch.nn.init.zeros_(getattr(fusion, part)[0].weight)
    subnets = [torch.randn(2, 3, 16, 16, requires_grad=True) for _ in range(2)]
    fusion(*subnets).square().mean().backward()
    for subnet in subnets:
        assert subnet.grad is not None
        assert subnet.grad.abs().sum() > 0


def test_agreement_passes_no_gradient():
    fusion = FusionModule(3)
    for part in (fusion.logits, fusion.certainty):
        torch.nn.init.zeros_(part[0].weight)
    subnets = [torch.randn(2, 3, 16, 16, requires_grad=True) for _ in range(2)]
    fusion(*subnets).square().mean().backward()
    assert all(subnet.grad.abs().sum() == 0 for subnet in subnets)


def test_every_parameter_is_trained():
    fusion = FusionModule(3)
    fusion(*torch.randn(2, 2, 3, 16, 16)).softmax(1)[:, 0].square().mean().backward()
    for name, parameter in fusion.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_certain_subnets_in_mixed_precision_are_finite():
    fusion = FusionModule(3)
    subnets = (100 * torch.randn(2, 2, 3, 16, 16)).requires_grad_(True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        fused = fusion(*subnets)
    fused.float().square().mean().backward()
    assert torch.isfinite(fused).all()
    assert subnets.grad is not None
    assert torch.isfinite(subnets.grad).all()
