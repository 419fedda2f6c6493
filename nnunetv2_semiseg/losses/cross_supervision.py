"""Cross pseudo supervision: one network learns the classes that another one sees."""

from __future__ import annotations

import torch
from torch.nn import functional as F


def cross_supervision_loss(learner: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Cross entropy against the other network's class map (Chen et al., CVPR 2021, equation 3).

    Args:
        learner: Logits ``B x C x S`` of the network that learns.
        other: Logits ``B x C x S`` of the one that teaches; gets no gradient.

    Returns:
        A scalar, the mean over all pixels, float32.
    """
    return F.cross_entropy(learner.float(), other.argmax(1))
