"""A trained foundation model as one self-contained network for nnU-Net's predictor."""

from __future__ import annotations

import torch
from torch import nn

from nnunetv2_semiseg.networks.deployed_state import float32_state
from nnunetv2_semiseg.networks.foundation_config import FoundationConfig
from nnunetv2_semiseg.networks.foundation_input import FoundationInput
from nnunetv2_semiseg.networks.lora import LoraAdaptation
from nnunetv2_semiseg.networks.sam import SAM_ARCHITECTURES, build_sam_parts
from nnunetv2_semiseg.networks.sam_encoder import SamEncoder
from nnunetv2_semiseg.networks.semantic_sam import FoundationTrainedParts, SemanticSam


class DeployedSemanticSam(nn.Module):
    """What a `SemanticSam` student predicts.

    Built without any checkpoint and filled by ``load_state_dict(deployed_state(student))``. LoRA stays beside
    the encoder's weights: merged into weights that a CPU rounds to bfloat16, its small updates would be lost
    in the rounding.
    """

    def __init__(self, config: FoundationConfig, in_channels: int, num_classes: int) -> None:
        """Build with weights that mean nothing yet.

        Args:
            config: The student's; ``checkpoint`` and ``random_weights`` are not looked at.
            in_channels: Channels of the patches.
            num_classes: Classes with background, K.
        """
        super().__init__()
        architecture = SAM_ARCHITECTURES[config.architecture]
        vit, *decoding_parts = build_sam_parts(architecture, config.image_size, num_classes)
        image_input = FoundationInput(in_channels, config.image_size, config.normalization)
        lora = LoraAdaptation(architecture.embed_dim, architecture.depth, config.lora_rank)
        encoder = SamEncoder(vit)
        encoder.predicts = True
        self.sam = SemanticSam(encoder, FoundationTrainedParts(image_input, lora, *decoding_parts))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Segment patches of any size on their own grid.

        Args:
            images: ``BxCxHxW``.

        Returns:
            Logits, ``BxKxHxW``.
        """
        return self.sam.predict(images)


def deployed_state(student: SemanticSam) -> dict[str, torch.Tensor]:
    """The state of a `DeployedSemanticSam`; most tensors are the student's own, to be saved at once."""
    return float32_state({"sam": student})
