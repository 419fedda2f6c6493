"""From one value a pixel to a loss."""

from __future__ import annotations

import torch


def mean_inside(values: torch.Tensor, inside: torch.Tensor | None = None) -> torch.Tensor:
    """Mean over the pixels that lie inside of the images.

    Args:
        values: ``B x S``.
        inside: ``B x 1 x S``, bool; None: all do.

    Returns:
        A scalar, 0 where no pixel lies inside.
    """
    if inside is None:
        return values.mean()
    return (values * inside[:, 0]).sum() / inside.sum().clamp_min(1)
