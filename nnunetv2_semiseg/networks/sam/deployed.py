"""Trained SAM models as networks for nnU-Net's predictor, and their states.

Such a network is built without any checkpoint and filled with a state that has everything, frozen weights
included.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import torch
from torch import nn

from nnunetv2_semiseg.networks.outputs import full_resolution
from nnunetv2_semiseg.networks.sam.build import build_prompted_sam
from nnunetv2_semiseg.networks.sam.config import FoundationConfig, PromptedFoundationConfig
from nnunetv2_semiseg.networks.sam.model.adaptation import LoraAdaptation
from nnunetv2_semiseg.networks.sam.model.architecture import SAM_ARCHITECTURES, build_sam_parts
from nnunetv2_semiseg.networks.sam.model.encoder import SamEncoder
from nnunetv2_semiseg.networks.sam.model.image_input import FoundationInput
from nnunetv2_semiseg.networks.sam.model.prediction_precision import chosen_precision
from nnunetv2_semiseg.networks.sam.semantic import FoundationTrainedParts, SemanticSam


class DeployedSemanticSam(nn.Module):
    """A `SemanticSam` student that predicts, filled by ``load_state_dict(deployed_state(student))``.

    LoRA stays beside the encoder's weights: merged into weights that a CPU rounds to bfloat16, its small
    updates would be lost in the rounding.
    """

    def __init__(self, config: FoundationConfig, in_channels: int, num_classes: int) -> None:
        """Build with weights that mean nothing yet.

        Args:
            config: Configuration of the student, whose ``checkpoint`` and ``random_weights`` are ignored.
            in_channels: Number of channels C of the patches.
            num_classes: Number of classes K, background included.
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
            images: Patches, ``BxCxHxW``.

        Returns:
            Logits, ``BxKxHxW``.
        """
        return self.sam.predict(images)


class DeployedPromptedSam(nn.Module):
    """A trained `PromptedSam` that predicts, and the network that makes its mask prompts.

    It is filled by ``load_state_dict(deployed_prompted_state(prompting, sam))``.
    """

    def __init__(
        self, config: PromptedFoundationConfig, prompting: nn.Module, in_channels: int, num_classes: int
    ) -> None:
        """Build with weights that mean nothing yet.

        Args:
            config: Configuration of the trained branch, whose ``checkpoint`` and ``random_weights`` are
                ignored.
            prompting: Network from patches ``BxCxHxW`` to logits ``BxKxHxW``; of deep supervision's outputs
                the first one prompts.
            in_channels: Number of channels C of the patches.
            num_classes: Number of classes K, background included.
        """
        super().__init__()
        self.prompting = prompting
        without_file = dataclasses.replace(config, checkpoint=None, random_weights=True)
        self.sam = build_prompted_sam(without_file, in_channels, num_classes)
        self.sam.encoder.prediction_precision = chosen_precision()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Segment patches of any size on their own grid.

        Args:
            images: Patches, ``BxCxHxW``.

        Returns:
            Logits, ``BxKxHxW``.
        """
        return self.sam.predict(images, full_resolution(self.prompting(images)))


def deployed_state(student: SemanticSam) -> dict[str, torch.Tensor]:
    """The state of a `DeployedSemanticSam` that predicts what a student does.

    Returns:
        Tensors by name in float32. Most are the student's own: save them before its next step.
    """
    return _float32_state({"sam": student})


def deployed_prompted_state(prompting: nn.Module, sam: nn.Module) -> dict[str, torch.Tensor]:
    """The state of a `DeployedPromptedSam` that predicts what a trained branch does.

    Returns:
        Tensors by name in float32. Most are the networks' own: save them before their next step.
    """
    return _float32_state({"prompting": prompting, "sam": sam})


def _float32_state(parts: Mapping[str, nn.Module]) -> dict[str, torch.Tensor]:
    """The state of a network that has several networks as its attributes."""
    state = {
        f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()
    }
    # a training may hold its image encoder in half precision
    halves = (torch.bfloat16, torch.float16)
    return {name: value.float() if value.dtype in halves else value for name, value in state.items()}
