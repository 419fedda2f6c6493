"""Deep supervision: what a network gives back beside its full-resolution logits."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def full_resolution(output: Any) -> torch.Tensor:
    """The full-resolution logits of an output: the tensor itself, or the first of deep supervision's list."""
    return output[0] if isinstance(output, list | tuple) else output


def split_batch(output: Any, first: int) -> tuple[Any, Any]:
    """The outputs of the first samples of a batch and of the others, in the form of ``output``."""
    if isinstance(output, list | tuple):
        return [level[:first] for level in output], [level[first:] for level in output]
    return output[:first], output[first:]


def set_deep_supervision(network: nn.Module, enabled: bool) -> nn.Module:
    """Switch the lower outputs of a network and all its parts on or off; returns the network.

    nnU-Net's own switch reaches one decoder; a method's deployed network may hold two.
    """
    for part in network.modules():
        if hasattr(part, "deep_supervision"):
            part.deep_supervision = enabled  # type: ignore[assignment]
    return network
