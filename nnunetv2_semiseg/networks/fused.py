"""Two subnets of different families and the module that fuses them, as one network: what KnowSAM deploys.

Huang et al., "KnowSAM: learnable prompting SAM-induced knowledge distillation for semi-supervised medical
image segmentation", IEEE TMI 2025, whose hybrid aggregation module is `FusionModule`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from nnunetv2_semiseg.networks.outputs import full_resolution
from nnunetv2_semiseg.networks.pixels import pixel_entropy
from nnunetv2_semiseg.networks.planned import build_planned, partner_architecture

DOUBT_CHANNELS = 16
"""Number of features that the fusion makes of the agreement map, and as many of the entropy maps."""

LOGIT_CHANNELS = 32
"""Number of features that the fusion makes of both subnets' logits."""


class FusedOutput(NamedTuple):
    """What the subnets and their fusion say about a batch.

    Attributes:
        fused: Logits ``Y_f``, ``B x C x H x W``.
        first: Subnet A's output: logits, or a list of them, full resolution first, with deep supervision.
        second: Subnet B's output in the same form.
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
            num_classes: Number of classes C, background included.
        """
        super().__init__()
        self.first = first
        self.second = second
        self.fusion = FusionModule(num_classes)

    def forward(self, images: torch.Tensor, with_subnets: bool = False) -> Any:
        """Segment patches.

        Args:
            images: ``B x C x H x W``.
            with_subnets: Whether to give the subnets' outputs as well, as training needs them.

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
        num_classes: Number of classes, background included.
        deep_supervision: Whether both subnets give their lower outputs as well.

    Returns:
        The network.

    Raises:
        UserError: The planned network has no partner.
    """
    first, second = (
        build_planned(entry, in_channels, num_classes, deep_supervision)
        for entry in (architecture, partner_architecture(architecture))
    )
    return FusedNetwork(first, second, num_classes)


class FusionModule(nn.Module):
    """Fused logits ``Y_f`` from the logits of two networks.

    Three inputs go through two convolutions each: where both agree, how certain each is, and both logits.
    """

    def __init__(self, num_classes: int) -> None:
        """Start fresh; a 1x1 convolution ends each of the three branches.

        Args:
            num_classes: Number of classes C, background included.
        """
        super().__init__()
        self.agreement = _two_convolutions(num_classes, DOUBT_CHANNELS, DOUBT_CHANNELS, last_kernel=1)
        self.certainty = _two_convolutions(2, DOUBT_CHANNELS, DOUBT_CHANNELS, last_kernel=1)
        self.logits = _two_convolutions(2 * num_classes, DOUBT_CHANNELS, LOGIT_CHANNELS, last_kernel=1)
        together = 2 * DOUBT_CHANNELS + LOGIT_CHANNELS
        self.fuse = _two_convolutions(together, together, num_classes, last_kernel=3)

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Fuse the logits of two networks.

        Gradients reach both networks through their logits and their entropies; the agreement has none.

        Args:
            first: Logits of subnet A, ``BxCxHxW``.
            second: Logits of subnet B, the same shape.

        Returns:
            Fused logits, ``BxCxHxW``.
        """
        # half precision would blur the entropies
        p_first, p_second = first.float().softmax(1), second.float().softmax(1)
        features = [
            self.agreement(agreement(p_first, p_second)),
            self.certainty(1 - torch.cat([pixel_entropy(p_first), pixel_entropy(p_second)], dim=1)),
            self.logits(torch.cat([first, second], dim=1)),
        ]
        fused: torch.Tensor = self.fuse(torch.cat(features, dim=1))
        return fused


def agreement(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """1 where both networks have a class above 0.5 or neither has it, else 0: one minus the XOR.

    Args:
        first: Probabilities of one network, ``BxCxHxW``.
        second: Probabilities of the other, the same shape.

    Returns:
        ``BxCxHxW``, in the type of ``first``.
    """
    return ((first > 0.5) == (second > 0.5)).to(first.dtype)


def _two_convolutions(inputs: int, hidden: int, outputs: int, last_kernel: int) -> nn.Sequential:
    """3x3 and ``last_kernel`` convolution, each with batch norm and leaky ReLU, also the fused logits'."""
    layers: list[nn.Module] = []
    for channels, width, kernel in ((inputs, hidden, 3), (hidden, outputs, last_kernel)):
        layers += [
            nn.Conv2d(channels, width, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(width),
            nn.LeakyReLU(0.2, inplace=True),
        ]
    return nn.Sequential(*layers)
