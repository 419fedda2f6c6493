"""How sure a mean of paired differences is: bootstrap and Wilcoxon's test."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import wilcoxon

RESAMPLES = 10_000
"""Of a bootstrap."""

CONFIDENCE = 0.95
"""Of its interval."""

CHUNK = 1 << 22
"""Indices that are drawn at once, to keep memory small."""

DECIMALS = 12
"""Differences are rounded to these, as rounding errors would tell equal ones apart in ranks."""

Values = npt.NDArray[np.float64]


def resampled_means(values: Sequence[float], seed: int | Sequence[int]) -> Values:
    """Means of samples with replacement.

    Args:
        values: At least one, none NaN.
        seed: Of numpy's generator.

    Returns:
        `RESAMPLES` means.
    """
    known = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(seed)
    rows = max(1, CHUNK // len(known))
    sizes = [min(rows, RESAMPLES - start) for start in range(0, RESAMPLES, rows)]
    draws = (known[rng.integers(0, len(known), (size, len(known)))].mean(axis=1) for size in sizes)
    return np.concatenate(list(draws))


def percentile_interval(means: Values) -> tuple[float, float]:
    """The middle `CONFIDENCE` of resampled means: lower and upper end."""
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)


def wilcoxon_p(differences: Sequence[float]) -> float:
    """Two-sided p-value of Wilcoxon's signed-rank test.

    Differences of zero are dropped, as Wilcoxon does; scipy chooses between the exact distribution and the
    approximation.

    Args:
        differences: Of pairs, none NaN.

    Returns:
        0 to 1; NaN where there are fewer than two differences, or all are zero.
    """
    rounded = np.round(np.asarray(differences, dtype=np.float64), DECIMALS)
    if len(rounded) < 2 or not rounded.any():
        return math.nan
    return float(wilcoxon(rounded).pvalue)
