"""Scores of one case: classes, their mean, empty masks, regions and the ignore label."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from nnunetv2_semiseg.evaluation.measuring.classes import LabelClass
from nnunetv2_semiseg.evaluation.measuring.reading import LabelMap
from nnunetv2_semiseg.evaluation.measuring.scores import CLASS_MEAN, ClassScore, score_case

DISC, CUP = LabelClass("disc", (1,)), LabelClass("cup", (2,))


def label_map(rows: Any, spacing: tuple[float, ...] | None = None) -> LabelMap:
    return LabelMap(np.array([rows], dtype=np.int32), spacing)


def scored(
    true: Any, predicted: Any, *classes: LabelClass, ignore: int | None = None
) -> dict[str, ClassScore]:
    scores = score_case(label_map(true), label_map(predicted), classes or (DISC, CUP), ignore)
    return {score.label: score for score in scores}


def states(score: ClassScore) -> tuple[bool, bool, bool]:
    return score.empty_prediction, score.empty_reference, score.absent


def test_classes_and_their_mean() -> None:
    scores = scored([[1, 1, 0, 2]], [[1, 0, 0, 2]])
    assert list(scores) == ["disc", "cup", CLASS_MEAN]
    # the surface of a line are its ends: distances 0; 0, 1
    assert scores["disc"].values == pytest.approx({"dice": 2 / 3, "jaccard": 1 / 2, "hd95": 0.9, "asd": 0})
    assert scores["cup"].values == {"dice": 1, "jaccard": 1, "hd95": 0, "asd": 0}
    assert scores[CLASS_MEAN].values == pytest.approx(
        {"dice": 5 / 6, "jaccard": 3 / 4, "hd95": 0.45, "asd": 0}
    )
    assert states(scores[CLASS_MEAN]) == (False, False, False)


def test_the_spacing_of_the_reference_counts() -> None:
    true, predicted = label_map([[1, 0, 0]], (9, 1, 2)), label_map([[0, 0, 1]])
    assert score_case(true, predicted, [DISC], None)[0].values["hd95"] == 4


def test_one_class_has_no_mean() -> None:
    assert list(scored([[1]], [[1]], DISC)) == ["disc"]


def test_empty_prediction() -> None:
    scores = scored([[1, 2]], [[1, 0]])
    assert states(scores["cup"]) == (True, False, False)
    assert scores["cup"].values["dice"] == scores["cup"].values["jaccard"] == 0
    assert math.isnan(scores["cup"].values["hd95"])
    assert states(scores[CLASS_MEAN]) == (True, False, False)
    assert scores[CLASS_MEAN].values["dice"] == 0.5
    # the mean of the other class alone would reward the miss
    assert math.isnan(scores[CLASS_MEAN].values["hd95"])


def test_empty_reference() -> None:
    scores = scored([[1, 0]], [[1, 2]])
    assert states(scores["cup"]) == (False, True, False)
    assert scores["cup"].values["dice"] == 0
    assert math.isnan(scores["cup"].values["asd"])
    assert scores[CLASS_MEAN].values["dice"] == 0.5


def test_class_in_neither_is_left_out_of_the_mean() -> None:
    scores = scored([[1, 0]], [[1, 0]])
    assert states(scores["cup"]) == (False, False, True)
    assert all(math.isnan(value) for value in scores["cup"].values.values())
    assert scores[CLASS_MEAN].values == {"dice": 1, "jaccard": 1, "hd95": 0, "asd": 0}
    assert states(scores[CLASS_MEAN]) == (False, False, False)


def test_no_class_at_all() -> None:
    mean = scored([[0, 0]], [[0, 0]])[CLASS_MEAN]
    assert states(mean) == (False, False, True)
    assert all(math.isnan(value) for value in mean.values.values())


def test_regions() -> None:
    whole, core = LabelClass("whole", (1, 2)), LabelClass("core", (2,))
    scores = scored([[1, 2, 2, 0]], [[1, 1, 2, 0]], whole, core)
    assert scores["whole"].values["dice"] == 1
    assert scores["core"].values["dice"] == pytest.approx(2 / 3)


def test_ignored_pixels_count_for_nothing_and_distances_are_undefined() -> None:
    score = scored([[1, 3, 3]], [[1, 1, 0]], DISC, ignore=3)["disc"]
    assert score.partly_ignored
    assert score.values["dice"] == 1
    assert math.isnan(score.values["hd95"])


def test_a_case_without_ignored_pixels_has_distances() -> None:
    score = scored([[1, 0]], [[1, 0]], DISC, ignore=3)["disc"]
    assert not score.partly_ignored
    assert score.values["hd95"] == 0
