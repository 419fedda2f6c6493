"""Entropy as a loss: it makes a network decide."""

from __future__ import annotations

import math

import torch

from nnunetv2_semiseg.methods.losses.reduction import mean_inside
from nnunetv2_semiseg.networks.pixels import pixel_entropy


def entropy_loss(logits: torch.Tensor, inside: torch.Tensor | None = None) -> torch.Tensor:
    """``mean(-Σ_c p_c log p_c) / log C`` over batch and pixels (KnowSAM's entropy term), in float32.

    Args:
        logits: ``B x C x S``.
        inside: ``B x 1 x S``, bool: only these pixels count. None: all.

    Returns:
        A scalar from 0 (certain everywhere) to 1 (certain of nothing) for any number of classes.
    """
    entropy = pixel_entropy(logits.float().softmax(1))[:, 0]
    return mean_inside(entropy, inside) / math.log(logits.shape[1])
