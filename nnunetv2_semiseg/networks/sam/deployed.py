"""A trained foundation model as one self-contained network for nnU-Net's predictor."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import torch
from torch import nn

from nnunetv2_semiseg.networks.outputs import full_resolution
from nnunetv2_semiseg.networks.sam.build import build_prompted_sam
from nnunetv2_semiseg.networks.sam.config import FoundationConfig, PromptedFoundationConfig
from nnunetv2_semiseg.networks.sam.model.adaptation import LoraAdaptation
from nnunetv2_semiseg.networks.sam.model.encoder import SamEncoder
from nnunetv2_semiseg.networks.sam.model.image_input import FoundationInput
from nnunetv2_semiseg.networks.sam.model.parts import SAM_ARCHITECTURES, build_sam_parts
from nnunetv2_semiseg.networks.sam.model.prediction_precision import chosen_precision
from nnunetv2_semiseg.networks.sam.semantic import FoundationTrainedParts, SemanticSam


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
        encoder.prediction_precision = chosen_precision()
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


class DeployedPromptedSam(nn.Module):
    """What a `PromptedSam` predicts whose mask prompts another network makes.

    Built without any checkpoint and filled by ``load_state_dict(deployed_prompted_state(...))``.
    """

    def __init__(
        self, config: PromptedFoundationConfig, prompting: nn.Module, in_channels: int, num_classes: int
    ) -> None:
        """Build with weights that mean nothing yet.

        Args:
            config: The trained branch's; where its weights came from is not looked at.
            prompting: A network from ``B x C x H x W`` to logits ``B x K x H x W``; of deep supervision's
                outputs the first prompts.
            in_channels: Channels C of the patches.
            num_classes: Classes with background, K.
        """
        super().__init__()
        self.prompting = prompting
        without_file = dataclasses.replace(config, checkpoint=None, random_weights=True)
        self.sam = build_prompted_sam(without_file, in_channels, num_classes)
        self.sam.encoder.prediction_precision = chosen_precision()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Segment patches of any size on their own grid.

        Args:
            images: ``B x C x H x W``.

        Returns:
            Logits, ``B x K x H x W``.
        """
        return self.sam.predict(images, full_resolution(self.prompting(images)))


def deployed_prompted_state(prompting: nn.Module, sam: nn.Module) -> dict[str, torch.Tensor]:
    """The state of a `DeployedPromptedSam`; most tensors are the networks' own, to be saved at once."""
    return float32_state({"prompting": prompting, "sam": sam})


def float32_state(parts: Mapping[str, nn.Module]) -> dict[str, torch.Tensor]:
    """States of several networks as that of a network which has them as attributes.

    Args:
        parts: Networks by the name of the attribute.

    Returns:
        Tensors by name, without half precision. Most are the networks' own: save them before the next step.
    """
    state = {
        f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()
    }
    # an image encoder may be held in half precision
    halves = (torch.bfloat16, torch.float16)
    return {name: value.float() if value.dtype in halves else value for name, value in state.items()}
