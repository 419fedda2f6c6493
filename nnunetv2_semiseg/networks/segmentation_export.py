"""A trained foundation model as one self-contained network for nnU-Net's predictor."""

from __future__ import annotations

import torch
from torch import nn

from nnunetv2_semiseg.networks.foundation_config import FoundationConfig
from nnunetv2_semiseg.networks.foundation_input import FoundationInput
from nnunetv2_semiseg.networks.sam import SAM_ARCHITECTURES, build_sam_parts
from nnunetv2_semiseg.networks.sam_encoder import SamEncoder
from nnunetv2_semiseg.networks.semantic_sam import FoundationTrainedParts, SemanticSam


class DeployedSemanticSam(nn.Module):
    """What a `SemanticSam` student predicts, with LoRA merged into the encoder's own weights.

    Built without any checkpoint and filled by ``load_state_dict(deployed_state(student))``.
    """

    def __init__(self, config: FoundationConfig, in_channels: int, num_classes: int) -> None:
        """Build with weights that mean nothing yet.

        Args:
            config: The student's; ``checkpoint``, ``random_weights`` and ``lora_rank`` are not looked at.
            in_channels: Channels of the patches.
            num_classes: Classes with background, K.
        """
        super().__init__()
        architecture = SAM_ARCHITECTURES[config.architecture]
        vit, *decoding_parts = build_sam_parts(architecture, config.image_size, num_classes)
        image_input = FoundationInput(in_channels, config.image_size, config.normalization)
        encoder = SamEncoder(vit)
        encoder.predicts = True
        self.sam = SemanticSam(encoder, FoundationTrainedParts(image_input, None, *decoding_parts))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Segment patches of any size on their own grid.

        Args:
            images: ``BxCxHxW``.

        Returns:
            Logits, ``BxKxHxW``.
        """
        return self.sam.predict(images)


@torch.no_grad()
def deployed_state(student: SemanticSam) -> dict[str, torch.Tensor]:
    """The state of a `DeployedSemanticSam` that equals ``student.predict`` to rounding.

    Args:
        student: Left as it is.

    Returns:
        Tensors by name, on the student's device. Those that LoRA does not touch are the student's own, as
        in `torch.nn.Module.state_dict`: save them before the next training step.
    """
    prefix = "trained.lora."
    state = {name: tensor for name, tensor in student.state_dict().items() if not name.startswith(prefix)}
    lora = student.trained.lora
    if lora is not None:
        for index, block in enumerate(student.encoder.vit.blocks):
            name = f"encoder.vit.blocks.{index}.attn.qkv.weight"
            state[name] = lora.merged_qkv(index, block.attn.qkv.weight.float())
    # the encoder may be held in half precision
    return {f"sam.{name}": tensor.float() for name, tensor in state.items()}
