"""Cross pseudo supervision: one network learns the classes that another one sees."""

from __future__ import annotations

import torch
from torch.nn import functional as F


def cross_supervision_loss(
    learner: torch.Tensor, other: torch.Tensor, inside: torch.Tensor | None = None
) -> torch.Tensor:
    """Cross entropy against the other network's class map (Chen et al., CVPR 2021, equation 3).

    Args:
        learner: Logits ``B x C x S`` of the network that learns.
        other: Logits ``B x C x S`` of the one that teaches; gets no gradient.
        inside: ``B x 1 x S``, bool: what lies outside of the image is background. None: all is inside.

    Returns:
        A scalar, the mean over all pixels, float32.
    """
    classes = other.argmax(1) if inside is None else other.argmax(1) * inside[:, 0]
    return F.cross_entropy(learner.float(), classes)
