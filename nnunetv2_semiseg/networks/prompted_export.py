"""A trained SAM branch and the network that prompts it, as one self-contained network for nnU-Net."""

from __future__ import annotations

import dataclasses

import torch
from torch import nn

from nnunetv2_semiseg.networks.deployed_state import float32_state
from nnunetv2_semiseg.networks.foundation import build_prompted_sam
from nnunetv2_semiseg.networks.foundation_config import PromptedFoundationConfig
from nnunetv2_semiseg.networks.outputs import full_resolution


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
        self.sam.encoder.predicts = False

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
