"""Paired differences between models."""

from __future__ import annotations

import math
from typing import Any

import pytest
from label_images import make_score

from nnunetv2_semiseg.evaluation.measuring.scores import Score
from nnunetv2_semiseg.evaluation.results.differences import Difference, paired_differences
from nnunetv2_semiseg.evaluation.results.summary import DOMAIN_MEAN

Values = dict[str, list[float]]


def scores_of(model: str, dice: Values, **changes: Any) -> list[Score]:
    """Scores by domain; cases are called by domain and number."""
    return [
        make_score(model, f"{domain}_{index}", domain, value, **changes)
        for domain, values in dice.items()
        for index, value in enumerate(values)
    ]


def by_domain(comparisons: list[Difference], measure: str = "dice") -> dict[str, Difference]:
    return {entry.domain: entry for entry in comparisons if entry.measure == measure}


def compared(baseline: Values, other: Values, measure: str = "dice") -> dict[str, Difference]:
    scores = scores_of("base", baseline) + scores_of("new", other)
    return by_domain(paired_differences(scores, ["base", "new"]), measure)


def test_a_constant_difference_is_certain() -> None:
    entry = compared({"A": [0.1, 0.5, 0.25, 0]}, {"A": [0.6, 1, 0.75, 0.5]})["A"]
    assert (entry.model, entry.baseline, entry.label, entry.pairs) == ("new", "base", "disc", 4)
    assert (entry.difference, entry.low, entry.high) == pytest.approx((0.5, 0.5, 0.5))
    assert entry.p_value == pytest.approx(2 / 2**4)


def test_pairs_count_and_not_means() -> None:
    # cases differ by far more than the models do
    entry = compared({"A": [0.1, 0.5, 0.9]}, {"A": [0.11, 0.52, 0.93]})["A"]
    assert entry.difference == pytest.approx(0.02)
    # differences of 0.01, 0.02 and 0.03; t of two degrees of freedom is 4.303
    margin = 4.303 * 0.01 / math.sqrt(3)
    assert (entry.low, entry.high) == pytest.approx((0.02 - margin, 0.02 + margin), abs=1e-5)


def test_domains_count_the_same_in_their_mean() -> None:
    entries = compared({"A": [0, 0, 0], "B": [0, 0]}, {"A": [0.1, 0.1, 0.1], "B": [0.5, 0.5]})
    assert list(entries) == ["A", "B", DOMAIN_MEAN]
    mean = entries[DOMAIN_MEAN]
    assert (mean.difference, mean.low, mean.high) == pytest.approx((0.3, 0.3, 0.3))
    assert mean.pairs == 5
    assert mean.p_value == pytest.approx(2 / 2**5)


def test_a_case_that_is_undefined_in_one_model_is_no_pair() -> None:
    entry = compared({"A": [0.1, math.nan, 0.3]}, {"A": [0.3, 0.9, math.nan]})["A"]
    assert entry.pairs == 1
    assert entry.difference == pytest.approx(0.2)
    assert all(math.isnan(value) for value in (entry.low, entry.high, entry.p_value))


def test_one_case_has_a_difference_and_no_interval() -> None:
    entry = compared({"A": [0.5]}, {"A": [0.75]})["A"]
    assert (entry.pairs, entry.difference) == (1, 0.25)
    assert all(math.isnan(value) for value in (entry.low, entry.high, entry.p_value))


def test_equal_predictions() -> None:
    entry = compared({"A": [0.5, 0.7]}, {"A": [0.5, 0.7]})["A"]
    assert (entry.difference, entry.low, entry.high) == (0, 0, 0)
    assert math.isnan(entry.p_value)


def test_a_domain_without_pairs_leaves_the_mean_of_domains_undefined() -> None:
    dice = {"A": [0.5, 0.6], "B": [0.5, 0.6]}
    baseline = scores_of("base", dice, hd95=3)
    found_nothing = scores_of("new", {"A": dice["A"]}, hd95=1) + scores_of("new", {"B": [0, 0]})
    entries = by_domain(paired_differences(baseline + found_nothing, ["base", "new"]), "hd95")
    assert (entries["A"].difference, entries["A"].pairs) == (-2, 2)
    for domain in ("B", DOMAIN_MEAN):
        entry = entries[domain]
        assert all(math.isnan(x) for x in (entry.difference, entry.low, entry.high, entry.p_value))


def test_a_domain_without_the_class_is_left_out_of_the_mean() -> None:
    nothing = [math.nan, math.nan]
    entries = compared({"A": [0.5, 0.6], "B": nothing}, {"A": [0.6, 0.7], "B": nothing})
    assert entries[DOMAIN_MEAN].difference == pytest.approx(0.1)
    assert entries[DOMAIN_MEAN].low == pytest.approx(0.1)


def test_a_class_in_no_case() -> None:
    nothing = {"A": [math.nan], "B": [math.nan]}
    for entry in compared(nothing, nothing).values():
        assert entry.pairs == 0
        assert math.isnan(entry.difference)


def test_every_other_model_is_compared_with_the_first() -> None:
    scores = [score for model in "abc" for score in scores_of(model, {"A": [0.5, 0.6]})]
    assert {(entry.model, entry.baseline) for entry in paired_differences(scores, list("abc"))} == {
        ("b", "a"),
        ("c", "a"),
    }
    assert paired_differences(scores_of("a", {"A": [0.5]}), ["a"]) == []


def spread_out(cases: int) -> list[float]:
    """Differences of so many cases that are not all alike."""
    return [0.01 * (index % 7) for index in range(cases)]


@pytest.mark.parametrize(("cases", "interval"), [(1, ""), (2, "t"), (19, "t"), (20, "bootstrap")])
def test_a_few_pairs_have_a_t_interval(cases: int, interval: str) -> None:
    entry = compared({"A": [0.0] * cases}, {"A": spread_out(cases)})["A"]
    assert entry.interval == interval
    assert math.isnan(entry.low) == (not interval)


@pytest.mark.parametrize(("cases", "interval"), [(1, ""), (19, "t"), (20, "bootstrap")])
def test_the_smallest_domain_decides_about_the_interval_of_their_mean(cases: int, interval: str) -> None:
    differences = {"A": spread_out(30), "B": spread_out(cases)}
    zeros = {domain: [0.0] * len(values) for domain, values in differences.items()}
    entries = compared(zeros, differences)
    assert (entries["A"].interval, entries[DOMAIN_MEAN].interval) == ("bootstrap", interval)


def test_domains_are_drawn_independently() -> None:
    """Where all shared one stream of random numbers, their errors would add up instead of averaging out."""
    zeros = {domain: [0.0] * 40 for domain in "ABCD"}
    entries = compared(zeros, dict.fromkeys("ABCD", spread_out(40)))
    width = {domain: entry.high - entry.low for domain, entry in entries.items()}
    assert width[DOMAIN_MEAN] == pytest.approx(width["A"] / 2, rel=0.05), "of four domains, half"


def test_measures_and_models_of_a_domain_are_drawn_alike() -> None:
    dice = {"A": spread_out(40)}
    zeros = {"A": [0.0] * 40}
    models = {"base": zeros, "one": dice, "two": dice}
    scores = [score for model, values in models.items() for score in scores_of(model, values)]
    entries = [entry for entry in paired_differences(scores, list(models)) if entry.pairs]
    assert [(entry.model, entry.measure) for entry in entries] == [
        (model, measure) for model in ("one", "two") for measure in ("dice", "jaccard")
    ]
    assert len({(entry.low, entry.high) for entry in entries}) == 1


def test_the_seed_decides_about_the_interval() -> None:
    dice = {"A": [index / 20 for index in range(20)]}
    scores = scores_of("base", dice) + scores_of("new", {"A": [value**2 for value in dice["A"]]})
    first, second, other = (paired_differences(scores, ["base", "new"], seed)[0] for seed in (0, 0, 1))
    assert first == second
    assert first.difference == other.difference
    assert first.low != other.low
