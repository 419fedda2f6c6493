"""How uncertain a segmentation is about each pixel; losses, networks and mixing all measure it like this."""

from __future__ import annotations

import torch


def class_entropy(probabilities: torch.Tensor) -> torch.Tensor:
    """``-p log p`` of each class, 0 with a finite gradient where a class is ruled out.

    Args:
        probabilities: Any shape, 0 to 1.

    Returns:
        The same shape.
    """
    tiny = torch.finfo(probabilities.dtype).tiny
    return -probabilities * probabilities.clamp_min(tiny).log()


def pixel_entropy(probabilities: torch.Tensor) -> torch.Tensor:
    """``-Σ_c p_c log p_c`` in nats: 0 for a certain pixel, ``log C`` for one without any preference.

    Args:
        probabilities: ``B x C x S``, over the classes.

    Returns:
        ``B x 1 x S``.
    """
    return class_entropy(probabilities).sum(1, keepdim=True)
