"""nnU-Net's own loss of networks with lower outputs and of networks without."""

from __future__ import annotations

from typing import Any

import torch
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper


def planned_loss(loss: Any, output: Any, targets: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """nnU-Net's loss, with deep supervision where there are several outputs.

    Args:
        loss: Of an nnU-Net trainer.
        output: Logits ``B x C x S``, or a list of them, full resolution first.
        targets: Label maps ``B x 1 x S``, full resolution first.

    Returns:
        A scalar.
    """
    if isinstance(output, list | tuple):
        value: torch.Tensor = loss(output, list(targets))
        return value
    single: Any = loss.loss if isinstance(loss, DeepSupervisionWrapper) else loss
    value = single(output, targets[0])
    return value
