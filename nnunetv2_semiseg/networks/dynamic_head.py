"""VerSemi's dynamic head: the last layers of a network, generated anew for each image and task.

Zeng et al., "Segment together: a versatile paradigm for semi-supervised medical image segmentation",
IEEE TMI 2025; the form of the head is that of DoDNet (Zhang et al., CVPR 2021).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

LAYERS = ((8, 8), (8, 8), (8, 2))
"""Inputs and outputs of the generated convolutions; the last one gives background and foreground."""

CHANNELS = LAYERS[0][0]
WEIGHTS = [inputs * outputs for inputs, outputs in LAYERS]
BIASES = [outputs for _, outputs in LAYERS]


class DynamicHead(nn.Module):
    """Logits of background and foreground for any of the tasks, from the features of a U-Net.

    What lies at a pixel goes through layers of one pixel's extent alone, so that space is one flat axis here
    and the head is the same for images and volumes.
    """

    def __init__(
        self,
        bottleneck_channels: int,
        decoder_channels: int,
        num_slots: int,
        bottleneck_norm: nn.Module,
        decoder_norm: nn.Module,
    ) -> None:
        """Start fresh.

        Args:
            bottleneck_channels: Number of features of the U-Net's lowest stage.
            decoder_channels: Number of features of the decoder's last stage.
            num_slots: Length of the one-hot code, which has all tasks and the synthetic one.
            bottleneck_norm: Normalisation of the bottleneck features before they are pooled. It must not be
                instance norm, which would take away the means that the pooling reads.
            decoder_norm: Normalisation of the decoder features.
        """
        super().__init__()
        self.num_slots = num_slots
        self.bottleneck_norm = bottleneck_norm
        self.controller = nn.Linear(bottleneck_channels + num_slots, sum(WEIGHTS) + sum(BIASES))
        self.decoder_norm = decoder_norm
        self.projection = nn.Conv1d(decoder_channels, CHANNELS, 1)

    def forward(self, bottleneck: torch.Tensor, decoded: torch.Tensor, tasks: torch.Tensor) -> torch.Tensor:
        """Segment every image for K tasks; what does not depend on the task is computed once.

        Args:
            bottleneck: Features of the lowest stage, ``B x C1 x S1``.
            decoded: Features of the decoder's last stage, ``B x C2 x S``.
            tasks: Task ids from 0, ``B x K``, int64.

        Returns:
            Logits of background and foreground, ``B x K x 2 x S``.
        """
        features = self.projection(F.relu(self.decoder_norm(decoded)).flatten(2))
        logits = convolve_by_sample(features, self.generate(bottleneck, tasks))
        return logits.unflatten(-1, decoded.shape[2:])

    def generate(self, bottleneck: torch.Tensor, tasks: torch.Tensor) -> torch.Tensor:
        """The parameters of the generated layers: all weights, then all biases.

        Args:
            bottleneck: ``B x C1 x S1``.
            tasks: ``B x K``.

        Returns:
            ``B x K x P``, P = 162.
        """
        pooled = F.relu(self.bottleneck_norm(bottleneck)).flatten(2).mean(2)
        codes = F.one_hot(tasks, self.num_slots).to(pooled.dtype)
        described = torch.cat([pooled[:, None].expand(-1, tasks.shape[1], -1), codes], dim=2)
        parameters: torch.Tensor = self.controller(described)
        return parameters


def convolve_by_sample(features: torch.Tensor, parameters: torch.Tensor) -> torch.Tensor:
    """Three convolutions with ReLU between, each sample and task with parameters of its own.

    Each layer is one grouped convolution: of the samples for the first, whose inputs all tasks share, then of
    the samples and tasks.

    Args:
        features: ``B x 8 x N``, N pixels.
        parameters: ``B x K x P``, from `DynamicHead.generate`.

    Returns:
        ``B x K x 2 x N``.
    """
    samples, tasks, _ = parameters.shape
    weights, biases = parameters.split([sum(WEIGHTS), sum(BIASES)], dim=2)
    x, groups = features.reshape(1, samples * CHANNELS, -1), samples
    for layer, (weight, bias) in enumerate(
        zip(weights.split(WEIGHTS, 2), biases.split(BIASES, 2), strict=True)
    ):
        kernel = weight.reshape(-1, LAYERS[layer][0], 1)
        x = F.conv1d(x if layer == 0 else F.relu(x), kernel, bias.reshape(-1), groups=groups)
        groups = samples * tasks
    return x.reshape(samples, tasks, LAYERS[-1][1], -1)
