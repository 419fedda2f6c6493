"""Outputs of a network with and without deep supervision, which adds logits of lower resolutions."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def full_resolution(output: Any) -> torch.Tensor:
    """The full-resolution logits of an output: the tensor itself, or the first of deep supervision's list.

    Examples:
        >>> logits, half = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 4, 4)
        >>> full_resolution([logits, half]) is full_resolution(logits) is logits
        True
    """
    return output[0] if isinstance(output, list | tuple) else output


def split_batch(output: Any, first: int) -> tuple[Any, Any]:
    """Part an output between two samples of the batch.

    Args:
        output: Logits, or deep supervision's list of them.
        first: Number of samples in the first part.

    Returns:
        The outputs of the first samples and of all others, in the form of ``output``.
    """
    if isinstance(output, list | tuple):
        return [level[:first] for level in output], [level[first:] for level in output]
    return output[:first], output[first:]


def set_deep_supervision(network: nn.Module, enabled: bool) -> nn.Module:
    """Switch the lower outputs of a network and all its parts on or off.

    nnU-Net's own switch reaches one decoder; a method's deployed network may hold two.

    Args:
        network: Changed in place.
        enabled: Whether there are lower outputs.

    Returns:
        The network.
    """
    for part in network.modules():
        if hasattr(part, "deep_supervision"):
            part.deep_supervision = enabled  # type: ignore[assignment]
    return network
