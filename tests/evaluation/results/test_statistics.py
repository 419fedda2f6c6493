"""Intervals and Wilcoxon's test on samples whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from nnunetv2_semiseg.evaluation.results import statistics
from nnunetv2_semiseg.evaluation.results.statistics import (
    RESAMPLES,
    percentile_interval,
    resampled_means,
    t_interval,
    wilcoxon_p,
)


def test_means_of_two_values_are_the_binomial_distribution() -> None:
    means = resampled_means([0, 1], seed=0)
    assert len(means) == RESAMPLES
    shares = [float((means == value).mean()) for value in (0, 0.5, 1)]
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.02)
    assert percentile_interval(means) == (0, 1)


def test_interval_of_many_values_is_nearly_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(0).normal(3, 1, 400)
    low, high = percentile_interval(resampled_means(values.tolist(), seed=0))
    error = 1.96 * values.std() / math.sqrt(400)
    assert (low, high) == pytest.approx((values.mean() - error, values.mean() + error), abs=0.01)


def test_the_seed_decides() -> None:
    first, second, other = (resampled_means([1, 2, 4], seed) for seed in ((0, 1), (0, 1), (0, 2)))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_many_cases_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "CHUNK", 3000)
    means = resampled_means([0, 1], seed=0)
    assert len(means) == RESAMPLES
    assert float(means.mean()) == pytest.approx(0.5, abs=0.02)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(-10, 10), min_size=2, max_size=20))
def test_interval_lies_between_the_extremes(values: list[float]) -> None:
    low, high = percentile_interval(resampled_means(values, seed=0))
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9


def test_the_t_interval_of_one_sample_is_that_of_its_t_test() -> None:
    values = [0.1, 0.4, -0.2, 0.3, 0.35]
    low, high = stats.ttest_1samp(values, 0).confidence_interval()
    assert t_interval([values]) == pytest.approx((low, high))


def test_the_t_interval_of_two_samples_is_that_of_welchs_test() -> None:
    first, second = [0.1, 0.4, -0.2, 0.3], [1.0, 3, 2, 5, 7, 1, 4]
    # the mean of both means is half the difference of the first to what the second is turned around to
    turned = stats.ttest_ind(first, [-value for value in second], equal_var=False)
    low, high = turned.confidence_interval(0.95)
    assert t_interval([first, second]) == pytest.approx((low / 2, high / 2))


def test_equal_values_have_an_interval_without_width() -> None:
    assert t_interval([[0.25, 0.25], [0.75, 0.75, 0.75]]) == (0.5, 0.5)
    assert t_interval([[0, 0, 0], [0, 1e-200]]) == pytest.approx((0, 0))


def test_of_few_values_the_t_interval_covers_the_mean_as_often_as_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The reason for it: a percentile interval of 8 values misses the mean in an eighth of all cases."""
    monkeypatch.setattr(statistics, "RESAMPLES", 1000)
    samples = np.random.default_rng(0).normal(size=(2000, 8)).tolist()

    def coverage(intervals: list[tuple[float, float]]) -> float:
        return sum(low <= 0 <= high for low, high in intervals) / len(intervals)

    assert coverage([t_interval([sample]) for sample in samples]) == pytest.approx(0.95, abs=0.015)
    bootstrap = [percentile_interval(resampled_means(sample, seed=0)) for sample in samples]
    assert coverage(bootstrap) == pytest.approx(0.88, abs=0.015)


def test_the_t_interval_covers_the_mean_of_unequal_domains() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        low, high = t_interval([rng.normal(0, 1, 5).tolist(), rng.normal(0, 3, 8).tolist()])
        covered += low <= 0 <= high
    assert covered / 2000 == pytest.approx(0.95, abs=0.015)


def test_wilcoxon_of_differences_in_one_direction() -> None:
    # of all 2^n signs, two are as extreme
    assert wilcoxon_p([1, 2, 3, 4, 5, 6]) == pytest.approx(2 / 2**6)
    assert wilcoxon_p([-0.1 * step for step in range(1, 21)]) == pytest.approx(2 / 2**20)


def test_wilcoxon_of_balanced_differences() -> None:
    assert wilcoxon_p([1, -2, -3, 4]) == 1


@pytest.mark.parametrize("differences", [[], [0.1], [0, 0, 0], [1e-17, -1e-16, 0]])
def test_wilcoxon_is_undefined_where_there_is_nothing_to_rank(differences: list[float]) -> None:
    assert math.isnan(wilcoxon_p(differences))


def test_rounding_errors_do_not_tell_equal_differences_apart() -> None:
    exact = wilcoxon_p([0.1, 0.1, 0.1, -0.1, 0.2])
    assert wilcoxon_p([0.8 - 0.7, 0.3 - 0.2, 0.1, 0.2 - 0.3, 0.9 - 0.7]) == exact
