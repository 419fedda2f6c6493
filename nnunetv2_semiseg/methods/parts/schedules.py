"""How far a training is, and the weights that depend on it.

Every schedule is a function of the fraction of the configured length, so that a short run is a small model
of a long one.
"""

from __future__ import annotations

import math

from nnunetv2_semiseg.methods.step import Progress


def sigmoid_ramp(progress: Progress) -> float:
    """Weight of the unsupervised terms, ``exp(-5 (1 - t/t_max)²)``: 0.0067 at the start, 1 at the end.

    Examples:
        >>> [round(sigmoid_ramp(Progress(step, 1000)), 4) for step in (0, 500, 1000)]
        [0.0067, 0.2865, 1.0]
    """
    return math.exp(-5.0 * (1.0 - progress.fraction) ** 2)


def linear_warmup(progress: Progress, steps: int, longest_fraction: float = 0.1) -> float:
    """Factor on a learning rate that rises linearly to 1 and stays there.

    Args:
        progress: Where the training stands.
        steps: Steps that the rise takes.
        longest_fraction: The rise never takes more than this share of the training.

    Returns:
        A factor above 0 and at most 1.
    """
    length = max(1.0, min(steps, longest_fraction * progress.total_steps))
    return min((progress.step + 1) / length, 1.0)
