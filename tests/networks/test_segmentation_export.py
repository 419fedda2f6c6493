from __future__ import annotations

import dataclasses

import pytest
import torch

from nnunetv2_semiseg.networks.foundation import build_foundation
from nnunetv2_semiseg.networks.segmentation_export import DeployedSemanticSam, deployed_state


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
    # the rank is merged away and no weights are looked for
    config = dataclasses.replace(config, random_weights=False, lora_rank=7, checkpoint="/no/such/file.pth")
    deployed = DeployedSemanticSam(config, in_channels, num_classes=3)
    deployed.load_state_dict(torch.load(tmp_path / "weights.pth", weights_only=True))
    for size in [(96, 96), (40, 56), (130, 33)]:
        images = torch.randn(2, in_channels, *size)
        expected = student.predict(images)
        got = deployed(images)
        assert got.shape == (2, 3, *size)
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


def test_lora_is_in_the_deployed_weights(tiny_config):
    student, images = _trained_student(tiny_config, 1), torch.randn(1, 1, 48, 48)
    with_lora = DeployedSemanticSam(tiny_config, 1, 3)
    with_lora.load_state_dict(deployed_state(student))
    student.trained.lora = None
    without = DeployedSemanticSam(tiny_config, 1, 3)
    without.load_state_dict(deployed_state(student))
    assert not torch.allclose(with_lora(images), without(images), rtol=0.01)


def test_student_is_left_as_it_is(tiny_config):
    student = _trained_student(tiny_config, 1)
    before = {name: tensor.clone() for name, tensor in student.state_dict().items()}
    deployed_state(student)
    assert all(torch.equal(tensor, before[name]) for name, tensor in student.state_dict().items())
    assert any(parameter.requires_grad for parameter in student.trained.lora.parameters())


def test_state_has_no_trace_of_lora_and_no_gradients(tiny_config):
    state = deployed_state(_trained_student(tiny_config, 2))
    assert not any("lora" in name for name in state)
    assert not any(tensor.requires_grad for tensor in state.values())
    assert "sam.trained.image_input.channel_mix.weight" in state
