from __future__ import annotations

import dataclasses

import pytest
import torch

from nnunetv2_semiseg.networks.sam.build import build_foundation
from nnunetv2_semiseg.networks.sam.deployed import DeployedSemanticSam, deployed_state


def _trained_student(config, in_channels):
    student = build_foundation(config, in_channels, num_classes=3)
    for parameter in student.parameters_to_train():
        torch.nn.init.normal_(parameter, std=0.2)
    return student


@pytest.mark.parametrize("in_channels", [1, 2, 3])
@pytest.mark.parametrize("normalization", ["medsam", "sam"])
def test_deployed_network_equals_the_student(tiny_config, in_channels, normalization, tmp_path):
    config = dataclasses.replace(tiny_config, normalization=normalization)
    student = _trained_student(config, in_channels)
    torch.save(deployed_state(student), tmp_path / "weights.pth")
    # no weights are looked for
    config = dataclasses.replace(config, random_weights=False, checkpoint="/no/such/file.pth")
    deployed = DeployedSemanticSam(config, in_channels, num_classes=3)
    deployed.load_state_dict(torch.load(tmp_path / "weights.pth", weights_only=True))
    for size in [(96, 96), (40, 56), (130, 33)]:
        images = torch.randn(2, in_channels, *size)
        expected = student.predict(images)
        got = deployed(images)
        assert got.shape == (2, 3, *size)
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


def test_student_is_left_as_it_is(tiny_config):
    student = _trained_student(tiny_config, 1)
    before = {name: tensor.clone() for name, tensor in student.state_dict().items()}
    deployed_state(student)
    assert all(torch.equal(tensor, before[name]) for name, tensor in student.state_dict().items())
    assert any(parameter.requires_grad for parameter in student.trained.lora.parameters())


def test_state_is_complete_and_has_no_gradients(tiny_config):
    state = deployed_state(_trained_student(tiny_config, 2))
    assert not any(tensor.requires_grad for tensor in state.values())
    parts = ("encoder.vit.pos_embed", "trained.image_input.channel_mix.weight", "trained.lora.q.0.A.weight")
    assert {f"sam.{part}" for part in parts} <= set(state)
