"""Consistency: a student's probabilities follow a teacher's."""

from __future__ import annotations

import torch

from nnunetv2_semiseg.methods.losses.reduction import counted_mean


def consistency_loss(
    student: torch.Tensor, teacher: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean squared difference of probabilities, ``(p - P)²`` (Tarvainen and Valpola 2017, equation 1).

    Args:
        student: Probabilities ``B x C x S``.
        teacher: Probabilities of the same shape.
        mask: ``B x 1 x S``, bool; only pixels where it is True count (Yu et al. 2019, equation 2).

    Returns:
        A scalar, the mean over all classes of the pixels that count, 0 where none does; float32.
    """
    difference = (student.float() - teacher.float()) ** 2
    if mask is None:
        return difference.mean()
    return counted_mean((difference * mask).sum(), mask.sum() * difference.shape[1])
