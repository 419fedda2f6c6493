"""Counts of a batch of a merged dataset: each case for the tasks that it is annotated for, and no others."""

from __future__ import annotations

from typing import NamedTuple

import torch


class TaskCounts(NamedTuple):
    """Pixels by task, without the background.

    Attributes:
        true_positive: ``T``, float64.
        false_positive: The same.
        false_negative: The same.
    """

    true_positive: torch.Tensor
    false_positive: torch.Tensor
    false_negative: torch.Tensor


def own_task_counts(logits: torch.Tensor, target: torch.Tensor, annotated: torch.Tensor) -> TaskCounts:
    """Count what a network says about the tasks that each sample is annotated for.

    The prediction is the most probable class of all, as in a predicted label map. What is predicted as a
    structure that a case is not annotated for is neither right nor wrong; where it lies on an annotated
    structure, that one is missed.

    Args:
        logits: Of background and tasks, ``B x 1 + T x S``.
        target: Label maps, ``B x 1 x S``: 0 or the label of a task, its index plus 1.
        annotated: ``B x T``, bool: the tasks that each sample is annotated for.
    """
    labels = torch.arange(1, logits.shape[1], device=logits.device).reshape(1, -1, *[1] * (logits.ndim - 2))
    predicted, true = logits.argmax(1, keepdim=True) == labels, target == labels
    counts = (predicted & true, predicted & ~true, ~predicted & true)
    return TaskCounts(*((count.flatten(2).sum(2) * annotated).sum(0).double() for count in counts))
