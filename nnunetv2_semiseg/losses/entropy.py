"""Entropy as a loss: it makes a network decide."""

from __future__ import annotations

import math

import torch

from nnunetv2_semiseg.uncertainty import pixel_entropy


def entropy_loss(logits: torch.Tensor) -> torch.Tensor:
    """``mean(-Σ_c p_c log p_c) / log C`` over batch and pixels (KnowSAM's entropy term), in float32.

    Args:
        logits: ``B x C x S``.

    Returns:
        A scalar from 0 (certain everywhere) to 1 (certain of nothing) for any number of classes.
    """
    return pixel_entropy(logits.float().softmax(1)).mean() / math.log(logits.shape[1])
