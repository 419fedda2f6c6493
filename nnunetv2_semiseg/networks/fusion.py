"""KnowSAM's hybrid aggregation module: two subnets' logits fused, with regard to where they are in doubt."""

from __future__ import annotations

import torch
from torch import nn

from nnunetv2_semiseg.uncertainty import pixel_entropy

DOUBT_CHANNELS = 16
"""Features of the disagreement map and of the entropy maps."""

LOGIT_CHANNELS = 32
"""Features of both logits."""


class FusionModule(nn.Module):
    """Fused logits ``Y_f`` from the logits of two networks.

    Three inputs go through two convolutions each: where both agree, how certain each is, and both logits.
    """

    def __init__(self, num_classes: int) -> None:
        """Start fresh; one 1x1 convolution ends each branch.

        Args:
            num_classes: With background, C.
        """
        super().__init__()
        self.agreement = _two_convolutions(num_classes, DOUBT_CHANNELS, DOUBT_CHANNELS, last_kernel=1)
        self.certainty = _two_convolutions(2, DOUBT_CHANNELS, DOUBT_CHANNELS, last_kernel=1)
        self.logits = _two_convolutions(2 * num_classes, DOUBT_CHANNELS, LOGIT_CHANNELS, last_kernel=1)
        together = 2 * DOUBT_CHANNELS + LOGIT_CHANNELS
        self.fuse = _two_convolutions(together, together, num_classes, last_kernel=3)

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Fuse.

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
        first: Probabilities, ``BxCxHxW``.
        second: The same shape.

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
