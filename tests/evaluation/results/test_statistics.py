"""Bootstrap and Wilcoxon's test on samples whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from nnunetv2_semiseg.evaluation.results import statistics
from nnunetv2_semiseg.evaluation.results.statistics import (
    RESAMPLES,
    percentile_interval,
    resampled_means,
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
@given(st.lists(st.floats(-10, 10), min_size=1, max_size=20))
def test_interval_lies_between_the_extremes(values: list[float]) -> None:
    low, high = percentile_interval(resampled_means(values, seed=0))
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9


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
