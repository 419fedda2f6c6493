"""Mutual learning: each of two networks takes the other's probabilities as soft labels."""

from __future__ import annotations

import torch

from nnunetv2_semiseg.methods.losses.reduction import mean_inside


def mutual_loss(
    logits: torch.Tensor, other_logits: torch.Tensor, inside: torch.Tensor | None = None
) -> torch.Tensor:
    """``mean over pixels of -Σ_c q_c log p_c``, q from the other network (KnowSAM's mutual term), in float32.

    Args:
        logits: Logits of the network that learns, ``B x C x S``.
        other_logits: Logits of the network that it learns from, of the same shape; they take no gradient.
        inside: ``B x 1 x S``, bool: only these pixels count. None: all.

    Returns:
        A scalar; at its smallest, for equal probabilities, the other network's mean entropy.
    """
    other = other_logits.detach().float().softmax(1)
    return mean_inside(-(other * logits.float().log_softmax(1)).sum(1), inside)
