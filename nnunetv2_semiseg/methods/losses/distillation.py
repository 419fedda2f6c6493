"""Knowledge distillation: a student follows the softened probabilities of a teacher (Hinton et al. 2015)."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from nnunetv2_semiseg.methods.losses.reduction import mean_inside


def distillation_loss(
    student_logits: torch.Tensor,
    teacher_logits: torch.Tensor,
    temperature: float = 10.0,
    inside: torch.Tensor | None = None,
) -> torch.Tensor:
    """``KD = T² · mean over pixels of Σ_c q_c log(q_c / p_c)``, all C channels (KnowSAM's KD term).

    q and p are the softmax of the teacher's and the student's logits over T. T² keeps the gradient's size
    independent of T. In float32: at T = 10 the probabilities differ by less than half precision can tell.

    Args:
        student_logits: ``B x C x S``.
        teacher_logits: The same shape; takes no gradient.
        temperature: T.
        inside: ``B x 1 x S``, bool: only these pixels count. None: all.

    Returns:
        A scalar, 0 for equal probabilities.
    """
    student = (student_logits.float() / temperature).log_softmax(1)
    teacher = (teacher_logits.detach().float() / temperature).log_softmax(1)
    divergence = F.kl_div(student, teacher, reduction="none", log_target=True)
    return temperature**2 * mean_inside(divergence.sum(1), inside)
