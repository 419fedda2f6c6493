"""The state of networks that were trained in mixed precision, for one network that predicts."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn


def float32_state(parts: Mapping[str, nn.Module]) -> dict[str, torch.Tensor]:
    """States of several networks as that of a network which has them as attributes.

    Args:
        parts: Networks by the name of the attribute.

    Returns:
        Tensors by name, without half precision. Most are the networks' own: save them before the next step.
    """
    state = {
        f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()
    }
    # an image encoder may be held in half precision
    halves = (torch.bfloat16, torch.float16)
    return {name: value.float() if value.dtype in halves else value for name, value in state.items()}
