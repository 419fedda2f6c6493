"""Two subnets of different families and the module that fuses them, as one network: what KnowSAM deploys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from nnunetv2_semiseg.networks.fusion import FusionModule
from nnunetv2_semiseg.networks.outputs import full_resolution
from nnunetv2_semiseg.networks.partner import build_planned, partner_architecture


class FusedOutput(NamedTuple):
    """What the subnets and their fusion say about a batch.

    Attributes:
        fused: Logits ``Y_f``, ``B x C x H x W``.
        first: Subnet A's output: logits, or a list of them, full resolution first, with deep supervision.
        second: Subnet B's, in the same form.
    """

    fused: torch.Tensor
    first: Any
    second: Any


class FusedNetwork(nn.Module):
    """Subnets A and B and their fusion; a plain call gives the fused logits, which are what is deployed."""

    def __init__(self, first: nn.Module, second: nn.Module, num_classes: int) -> None:
        """Join two subnets by a fresh fusion.

        Args:
            first: Subnet A, of any 2D architecture.
            second: Subnet B, with as many resolutions where there is deep supervision.
            num_classes: With background, C.
        """
        super().__init__()
        self.first = first
        self.second = second
        self.fusion = FusionModule(num_classes)

    def forward(self, images: torch.Tensor, with_subnets: bool = False) -> Any:
        """Segment patches.

        Args:
            images: ``B x C x H x W``.
            with_subnets: For training: give the subnets' outputs as well.

        Returns:
            A `FusedOutput` with ``with_subnets``; otherwise the fused logits ``B x C x H x W``, and with deep
            supervision a list of them and the means of both subnets' lower outputs, for nnU-Net's loss.
        """
        first, second = self.first(images), self.second(images)
        fused = self.fusion(full_resolution(first), full_resolution(second))
        if with_subnets:
            return FusedOutput(fused, first, second)
        if isinstance(first, list | tuple):
            return [fused, *((a + b) / 2 for a, b in zip(first[1:], second[1:], strict=True))]
        return fused


def build_fused_network(
    architecture: Mapping[str, Any], in_channels: int, num_classes: int, deep_supervision: bool
) -> FusedNetwork:
    """The planned network, its partner of the other family, and their fusion.

    Args:
        architecture: nnU-Net's entry of a 2D configuration.
        in_channels: Channels of an image.
        num_classes: With background.
        deep_supervision: Whether both subnets give their lower outputs as well.

    Returns:
        The network.

    Raises:
        ValueError: The planned network has no partner.
    """
    first, second = (
        build_planned(entry, in_channels, num_classes, deep_supervision)
        for entry in (architecture, partner_architecture(architecture))
    )
    return FusedNetwork(first, second, num_classes)
