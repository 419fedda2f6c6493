"""Classes of a dataset: labels, regions, the ignore label."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nnunetv2_semiseg.evaluation.measuring.classes import (
    LabelClass,
    foreground_classes,
    ignore_value,
    predictable_values,
)

REGIONS = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "ignore": 4}


def test_labels() -> None:
    labels = {"background": 0, "disc": 1, "cup": 2}
    assert foreground_classes(labels) == [LabelClass("disc", (1,)), LabelClass("cup", (2,))]
    assert ignore_value(labels) is None
    assert predictable_values(labels) == {0, 1, 2}


def test_regions_and_ignore_label() -> None:
    assert foreground_classes(REGIONS) == [LabelClass("whole", (1, 2, 3)), LabelClass("core", (2, 3))]
    assert ignore_value(REGIONS) == 4
    assert predictable_values(REGIONS) == {0, 1, 2, 3}


def test_mask() -> None:
    labels = np.array([0, 1, 2, 3])
    assert LabelClass("disc", (2,)).mask(labels).tolist() == [False, False, True, False]
    assert LabelClass("core", (2, 3)).mask(labels).tolist() == [False, False, True, True]


@pytest.mark.parametrize("value", ["1", 1.5, True, [1, "2"], [], None])
def test_other_values_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"'disc' of dataset\.json"):
        foreground_classes({"background": 0, "disc": value})


def test_no_foreground_is_refused() -> None:
    with pytest.raises(ValueError, match="no foreground"):
        foreground_classes({"background": 0, "ignore": 1})
