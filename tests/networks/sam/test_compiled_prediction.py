"""`nnUNet_compile=t` makes nnU-Net compile the network for prediction: in one piece."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nnunetv2_semiseg.networks.sam.config import FoundationConfig, PromptedFoundationConfig
from nnunetv2_semiseg.networks.sam.deployed import DeployedPromptedSam, DeployedSemanticSam
from nnunetv2_semiseg.networks.sam.model.prediction_precision import VARIABLE


def _foundation_student() -> nn.Module:
    config = FoundationConfig(architecture="vit_tiny", random_weights=True, image_size=64)
    return DeployedSemanticSam(config, in_channels=1, num_classes=3)


def _prompted_branch() -> nn.Module:
    config = PromptedFoundationConfig(architecture="vit_tiny", random_weights=True, image_size=64)
    return DeployedPromptedSam(config, nn.Conv2d(1, 3, kernel_size=1), in_channels=1, num_classes=3)


@pytest.mark.parametrize("precision", ["auto", "bfloat16", "float32"])
@pytest.mark.parametrize("build", [_foundation_student, _prompted_branch])
def test_exported_sam_is_compiled_as_one_graph(monkeypatch, build, precision) -> None:
    monkeypatch.setenv(VARIABLE, precision)
    network, images = build(), torch.rand(1, 1, 48, 48)
    torch._dynamo.reset()
    # raises where dynamo would break the graph
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    for fold in range(2):
        weights = {name: tensor * (1 + fold) for name, tensor in build().state_dict().items()}
        compiled._orig_mod.load_state_dict(weights)
        with torch.inference_mode():
            compiled.eval()
            torch.testing.assert_close(compiled(images), network(images))
