"""Preparation of nnU-Net's patches as images that segment-anything expects."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

SAM_PIXEL_MEAN = (123.675, 116.28, 103.53)
SAM_PIXEL_STD = (58.395, 57.12, 57.375)
"""Mean and standard deviation of red, green and blue in 8-bit images, as SAM was trained with."""


class FoundationInput(nn.Module):
    """Rescales and resizes patches, gives them three channels, and normalises them.

    One channel is repeated, three are used as they are, and any other number goes through a trained 1x1
    convolution that starts as the mean.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self, in_channels: int, image_size: int, normalization: Literal["medsam", "sam"] = "medsam"
    ) -> None:
        """Start with the mean if channels have to be mixed.

        Args:
            in_channels: Number of channels C of the patches.
            image_size: Side S of the prepared images in pixels.
            normalization: ``medsam`` leaves intensities in 0..1; ``sam`` multiplies by 255 (SAM's statistics
                are those of 8-bit images), subtracts SAM's pixel mean and divides by its pixel std.

        Raises:
            ValueError: There are no channels.
        """
        super().__init__()
        if in_channels < 1:
            raise ValueError(f"images need at least one channel, got {in_channels}")
        self.in_channels = in_channels
        self.image_size = image_size
        self.channel_mix: nn.Conv2d | None = None
        if in_channels not in (1, 3):
            self.channel_mix = nn.Conv2d(in_channels, 3, kernel_size=1, bias=False)
            nn.init.constant_(self.channel_mix.weight, 1 / in_channels)
        mean, std = (SAM_PIXEL_MEAN, SAM_PIXEL_STD) if normalization == "sam" else ((0.0,) * 3, (255.0,) * 3)
        # for images in 0..1; not persistent: constants, not weights
        self.register_buffer("mean", torch.tensor(mean).reshape(3, 1, 1) / 255, persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(3, 1, 1) / 255, persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Prepare patches.

        Args:
            images: Patches with any intensities, ``BxCxHxW``.

        Returns:
            Prepared images, ``Bx3xSxS``.

        Raises:
            ValueError: ``images`` are not two-dimensional or have another number of channels.
        """
        if images.ndim != 4 or images.shape[1] != self.in_channels:
            raise ValueError(
                f"the foundation model takes 2D images of {self.in_channels} channels, B x C x H x W; "
                f"got the shape {tuple(images.shape)}"
            )
        size = (self.image_size, self.image_size)
        images = F.interpolate(rescale_to_unit(images), size, mode="bilinear", align_corners=False)
        if self.channel_mix is not None:
            images = self.channel_mix(images)
        # a single channel is repeated by broadcasting
        return (images - self.mean) / self.std


def rescale_to_unit(images: torch.Tensor) -> torch.Tensor:
    """Bring every sample to 0..1, all its channels with one minimum and one maximum.

    Args:
        images: Patches with any intensities, ``BxCxHxW``.

    Returns:
        The patches in 0..1, float32; zeros for a constant sample.
    """
    images = images.float()
    low = images.amin(dim=(1, 2, 3), keepdim=True)
    extent = images.amax(dim=(1, 2, 3), keepdim=True) - low
    return (images - low) / torch.where(extent > 0, extent, torch.ones_like(extent))
