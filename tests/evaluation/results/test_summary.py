"""Means over cases and domains, with values computed by hand."""

from __future__ import annotations

import math

import pytest
from label_images import make_score

from nnunetv2_semiseg.evaluation.results.summary import DOMAIN_MEAN, Spread, spread, summarise


def undefined(value: Spread) -> bool:
    return math.isnan(value.mean) and math.isnan(value.std)


def test_spread_leaves_nan_out() -> None:
    assert spread([1, math.nan, 3]) == Spread(2, pytest.approx(math.sqrt(2)), 2)


def test_spread_of_one_value_and_of_none() -> None:
    assert spread([0.5]).mean == 0.5
    assert math.isnan(spread([0.5]).std)
    assert undefined(spread([]))
    assert undefined(spread([math.nan]))
    assert spread([math.nan]).count == 0


def test_one_domain_has_no_mean_of_domains() -> None:
    summaries = summarise([make_score("m", "a", dice=0.5, hd95=2), make_score("m", "b", dice=1, hd95=4)])
    assert [summary.domain for summary in summaries] == ["all"]
    assert summaries[0].values["dice"].mean == 0.75
    assert summaries[0].values["hd95"].mean == 3


def test_domains_count_the_same_however_many_cases_they_have() -> None:
    scores = [make_score("m", "a", "B", 0.2), make_score("m", "b", "A", 0.6), make_score("m", "c", "A", 1)]
    summaries = summarise(scores)
    assert [summary.domain for summary in summaries] == ["A", "B", DOMAIN_MEAN]
    assert [summary.cases for summary in summaries] == [2, 1, 3]
    assert summaries[2].values["dice"] == Spread(pytest.approx(0.5), pytest.approx(0.3 * math.sqrt(2)), 2)


def test_models_and_classes_stay_apart() -> None:
    scores = [make_score("m", "a", dice=0.5), make_score("m", "a", dice=1, label="cup")]
    scores += [make_score("n", "a", dice=0)]
    found = {(entry.model, entry.label): entry.values["dice"].mean for entry in summarise(scores)}
    assert found == {("m", "disc"): 0.5, ("m", "cup"): 1, ("n", "disc"): 0}


def test_states_are_counted_and_undefined_values_left_out() -> None:
    scores = [
        make_score("m", "a", dice=0, empty_prediction=True),
        make_score("m", "b", dice=0, empty_reference=True),
        make_score("m", "c"),
        make_score("m", "d", dice=1, hd95=3),
        make_score("m", "e", dice=1, partly_ignored=True),
    ]
    (summary,) = summarise(scores)
    counts = summary.empty_predictions, summary.empty_references, summary.absent, summary.partly_ignored
    assert counts == (1, 1, 1, 1)
    assert summary.cases == 5
    assert (summary.values["dice"].mean, summary.values["dice"].count) == (0.5, 4)
    assert (summary.values["hd95"].mean, summary.values["hd95"].count) == (3, 1)


def test_a_domain_without_the_class_is_left_out_of_the_mean() -> None:
    summaries = summarise([make_score("m", "a", "A", dice=0.5, hd95=1), make_score("m", "b", "B")])
    assert summaries[-1].values["dice"].mean == 0.5
    assert summaries[-1].values["hd95"].mean == 1


def test_a_domain_in_which_nothing_is_found_leaves_the_distance_undefined() -> None:
    missed = make_score("m", "b", "B", dice=0, empty_prediction=True)
    summaries = summarise([make_score("m", "a", "A", dice=0.5, hd95=1), missed])
    assert summaries[-1].values["dice"].mean == 0.25
    assert undefined(summaries[-1].values["hd95"])
