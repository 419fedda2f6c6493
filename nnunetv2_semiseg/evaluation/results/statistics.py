"""How sure a mean of paired differences is: confidence intervals and Wilcoxon's test."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

RESAMPLES = 10_000
"""Number of resamples of a bootstrap."""

CONFIDENCE = 0.95
"""Share of intervals that cover the true mean, 0 to 1."""

FEWEST_TO_RESAMPLE = 20
"""Number of values from which on an interval is a bootstrap's.

Percentile intervals of fewer are too narrow: of 8 normally distributed values, 88 % cover the true mean.
"""

T_INTERVAL, BOOTSTRAP = "t", "bootstrap"
"""Names of the two kinds of interval in reports."""

CHUNK = 1 << 22
"""Number of values that are drawn at once, which limits the memory that a bootstrap takes."""

DECIMALS = 12
"""Decimals of differences that are ranked; rounding errors below would tell equal differences apart."""

Values = npt.NDArray[np.float64]


def resampled_means(values: Sequence[float], seed: int | Sequence[int]) -> Values:
    """Means of samples that a bootstrap draws with replacement.

    Args:
        values: Numbers to draw from, at least two, none NaN.
        seed: Seed of numpy's generator.

    Returns:
        `RESAMPLES` means.

    Examples:
        >>> means = resampled_means([0.0, 1.0], seed=0)
        >>> sorted(set(means.tolist()))
        [0.0, 0.5, 1.0]
    """
    drawn = stats.bootstrap(
        (np.asarray(values, dtype=np.float64),),
        np.mean,
        n_resamples=RESAMPLES,
        batch=max(1, CHUNK // len(values)),
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return np.asarray(drawn.bootstrap_distribution)


def percentile_interval(means: Values) -> tuple[float, float]:
    """Lower and upper end of the middle `CONFIDENCE` of resampled means."""
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)


def t_interval(samples: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Student's interval of the mean of independent samples' means, each of which counts the same.

    Args:
        samples: Numbers of each sample, at least two, none NaN.

    Returns:
        Lower and upper end of the `CONFIDENCE` interval. Several samples may have different variances: the
        degrees of freedom are those of Welch and Satterthwaite.

    Examples:
        >>> low, high = t_interval([[0.01, 0.02, 0.03]])
        >>> print(f"{low:.3f} to {high:.3f}")
        -0.005 to 0.045
    """
    mean = float(np.mean([np.mean(sample) for sample in samples]))
    errors = np.array([np.var(sample, ddof=1) / len(sample) for sample in samples])
    if not errors.any():
        return mean, mean
    shares = errors / errors.sum()
    freedom = 1 / sum(share**2 / (len(sample) - 1) for share, sample in zip(shares, samples, strict=True))
    margin = stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * math.sqrt(errors.sum()) / len(samples)
    return mean - float(margin), mean + float(margin)


def wilcoxon_p(differences: Sequence[float]) -> float:
    """Two-sided p-value of Wilcoxon's signed-rank test.

    Differences of zero are dropped, as Wilcoxon does; scipy chooses between the exact distribution and the
    approximation.

    Args:
        differences: Differences of pairs, none NaN.

    Returns:
        0 to 1; NaN where there are fewer than two differences, or all are zero.
    """
    rounded = np.round(np.asarray(differences, dtype=np.float64), DECIMALS)
    if len(rounded) < 2 or not rounded.any():
        return math.nan
    return float(stats.wilcoxon(rounded).pvalue)
