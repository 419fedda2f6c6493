"""Prompts for segment-anything that nobody has to draw: learned from the image, or another network's maps."""

from __future__ import annotations

import torch
from segment_anything.modeling import PromptEncoder
from torch import nn

from nnunetv2_semiseg.networks.pixels import bilinear

CORNERS = 2
"""Number of embeddings that make a box prompt."""


class BoxPromptDecoders(nn.Module):
    """Small convolutional decoders, one per class, from the image embedding to a box-like prompt.

    Each has two 3x3 convolutions to a quarter of the channels, the mean over the grid, and a linear layer.
    The decoders share nothing but run as one: their first layers lie side by side, since all read the same
    embedding, and the others are convolutions and norms of K groups. There is no loop over the classes.
    """

    def __init__(self, num_classes: int, prompt_dim: int) -> None:
        """Start fresh.

        Args:
            num_classes: Number of decoders K.
            prompt_dim: Number of channels P of image and prompt embeddings.
        """
        super().__init__()
        self.num_classes = num_classes
        hidden = num_classes * max(1, prompt_dim // 4)
        self.convolutions = nn.Sequential(
            nn.Conv2d(prompt_dim, hidden, kernel_size=3, padding=1),
            nn.GroupNorm(num_classes, hidden),
            nn.GELU(),
            nn.Conv2d(hidden, hidden, kernel_size=3, stride=2, padding=1, groups=num_classes),
            nn.GroupNorm(num_classes, hidden),
            nn.GELU(),
        )
        self.corners = nn.Conv2d(
            hidden, num_classes * CORNERS * prompt_dim, kernel_size=1, groups=num_classes
        )

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Decode image embeddings into prompts.

        Args:
            embeddings: Image embeddings with their positions added, ``BxPxHxW``.

        Returns:
            A box for every class, ``BxKx2xP``.
        """
        pooled = self.convolutions(embeddings).mean(dim=(2, 3), keepdim=True)
        prompts: torch.Tensor = self.corners(pooled).reshape(len(embeddings), self.num_classes, CORNERS, -1)
        return prompts


def corner_embeddings(prompt_encoder: PromptEncoder) -> torch.Tensor:
    """What segment-anything adds to the positions of a box's first and second corner, ``2xP``."""
    return torch.cat([embedding.weight for embedding in prompt_encoder.point_embeddings[2:]])


def mask_prompts(prompt_encoder: PromptEncoder, logits: torch.Tensor) -> torch.Tensor:
    """Make each class's map a mask prompt of its own.

    Args:
        prompt_encoder: Segment-anything's module for image embeddings of HxW.
        logits: Logits of K classes on any grid, ``BxKxhxw``, which take no gradients.

    Returns:
        Mask embeddings, ``(B·K)xPxHxW``, all classes of an image one after the other.
    """
    resized = bilinear(logits.detach().float(), prompt_encoder.mask_input_size)
    embedded: torch.Tensor = prompt_encoder.mask_downscaling(resized.flatten(0, 1)[:, None])
    return embedded
