"""SynFoC's consensus and divergence: sharpen where two networks agree, pull together where they don't."""

from __future__ import annotations

import torch

from nnunetv2_semiseg.networks.pixels import class_entropy


def consensus_loss(
    first: torch.Tensor, first_mask: torch.Tensor, second: torch.Tensor, second_mask: torch.Tensor
) -> torch.Tensor:
    """Half the sum of both networks' ``mean(-p log p)`` over the pixels on which they agree.

    The mean is over all of B, C and S; pixels outside the mask count as 0. Each network has its own grid.

    Args:
        first: Probabilities ``B x C x S1``.
        first_mask: ``B x 1 x S1``, 1 where both networks have the same class.
        second: Probabilities ``B x C x S2``.
        second_mask: ``B x 1 x S2``.

    Returns:
        A scalar.
    """
    return 0.5 * ((class_entropy(first) * first_mask).mean() + (class_entropy(second) * second_mask).mean())


def divergence_loss(first: torch.Tensor, second: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over B, C and S of ``(p - q)²``, pixels outside the mask counting as 0.

    Args:
        first: Probabilities ``B x C x S``.
        second: The same shape.
        mask: ``B x 1 x S``, 1 where the networks have different classes.

    Returns:
        A scalar.
    """
    return ((first - second) ** 2 * mask).mean()
