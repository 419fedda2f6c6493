from __future__ import annotations

import numpy as np
import pytest
import torch
from exact_prediction import exact_prediction
from golden_files import GOLDEN

from nnunetv2_semiseg.networks.sam.build import build_foundation
from nnunetv2_semiseg.networks.sam.config import FoundationConfig
from nnunetv2_semiseg.networks.sam.model.adaptation import LoraAdaptation
from nnunetv2_semiseg.networks.sam.model.architecture import SamArchitecture, build_sam_parts
from nnunetv2_semiseg.networks.sam.model.encoder import SamEncoder
from nnunetv2_semiseg.networks.sam.model.image_input import FoundationInput
from nnunetv2_semiseg.networks.sam.semantic import FoundationTrainedParts, SemanticSam

__all__ = ["exact_prediction"]


GOLDEN_ARCHITECTURE = SamArchitecture(
    embed_dim=24,
    depth=3,
    num_heads=3,
    global_attention_blocks=(2,),
    window_size=4,
    mlp_ratio=2.0,
    prompt_dim=16,
    mask_prompt_channels=4,
    decoder_heads=2,
    decoder_mlp_dim=32,
    iou_head_depth=2,
    iou_head_dim=16,
)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def golden_file():
    """Reads a golden file as a dictionary of tensors."""

    def read(name: str) -> dict[str, torch.Tensor]:
        with np.load(GOLDEN / name) as arrays:
            return {key: torch.from_numpy(arrays[key]) for key in arrays.files}

    return read


@pytest.fixture
def golden_sam(golden_file) -> SemanticSam:
    """The tiny SAM of the golden file with its LoRA matrices."""
    numbers = golden_file("lora_sam_tiny.npz")
    parts = build_sam_parts(GOLDEN_ARCHITECTURE, image_size=96, num_classes=3)
    for name, part in zip(("image_encoder", "prompt_encoder", "mask_decoder"), parts, strict=True):
        prefix = f"param.{name}."
        state = {key.removeprefix(prefix): v for key, v in numbers.items() if key.startswith(prefix)}
        part.load_state_dict(state)
    lora = LoraAdaptation(embed_dim=24, depth=3, rank=2)
    matrices = {
        f"{q_or_v}.{block}.{matrix}.weight": f"lora.block{block}.{q_or_v}.{matrix}"
        for block in range(3)
        for q_or_v in "qv"
        for matrix in "AB"
    }
    lora.load_state_dict({ours: numbers[theirs] for ours, theirs in matrices.items()})
    image_input = FoundationInput(in_channels=3, image_size=96)
    return SemanticSam(SamEncoder(parts[0]), FoundationTrainedParts(image_input, lora, *parts[1:]))


@pytest.fixture
def tiny_config() -> FoundationConfig:
    return FoundationConfig(architecture="vit_tiny", image_size=96, random_weights=True, lora_rank=2)


@pytest.fixture
def tiny_sam(tiny_config) -> SemanticSam:
    """A student for two-channel patches of three classes, its LoRA no longer zero."""
    student = build_foundation(tiny_config, in_channels=2, num_classes=3)
    wake_lora(student)
    return student


def wake_lora(student: SemanticSam) -> None:
    assert student.trained.lora is not None
    for parameter in student.trained.lora.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
