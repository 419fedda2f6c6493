"""What the plots of the page show: which number stands where."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from label_images import make_score
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nnunetv2_semiseg.evaluation.results.history import FoldHistory
from nnunetv2_semiseg.evaluation.results.report import Report
from nnunetv2_semiseg.evaluation.writing.page import boxes, curves, scatter
from nnunetv2_semiseg.evaluation.writing.page.drawing import Picture
from nnunetv2_semiseg.evaluation.writing.page.model_styles import model_styles

MODELS = ("first", "last")
DICE = {
    "first": {"A": [0.1, 0.3, 0.2], "B": [0.7, math.nan]},
    "last": {"A": [0.5, 0.4, 0.6], "B": [0.9, 0.8]},
}
"""By model and domain; the second case of B has no value of the first model."""


@pytest.fixture
def report() -> Report:
    """HD95 is 10 times Dice."""
    scores = [
        make_score(model, f"{domain}_{index}", domain, value, 10 * value)
        for model, by_domain in DICE.items()
        for domain, values in by_domain.items()
        for index, value in enumerate(values)
    ]
    fields: dict[str, Any] = dict.fromkeys(Report.__dataclass_fields__)
    own = {"models": dict.fromkeys(MODELS, ""), "domains": ("A", "B"), "scores": scores, "unit": "mm"}
    return Report(**{**fields, **own})


@pytest.fixture
def sheets(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are drawn."""
    found: list[Figure] = []

    def keep(sheet: Figure, description: str) -> Picture:
        found.append(sheet)
        return Picture("data:,", 1, description)

    for module in (boxes, curves, scatter):
        monkeypatch.setattr(module, "vector", keep)
    return found


def points(axis: Axes) -> list[list[list[float]]]:
    """Of each collection of points, in the order in which they were drawn."""
    return [np.asarray(entry.get_offsets()).tolist() for entry in axis.collections]


def test_boxes_are_of_the_cases_of_a_domain_and_a_model(report: Report, sheets: list[Figure]) -> None:
    boxes.box_plots(report, model_styles(MODELS))
    (sheet,) = sheets
    dice, hd95 = sheet.axes
    for axis, factor in ((dice, 100), (hd95, 10)):
        found = points(axis)
        values = [[y for _, y in entry] for entry in found]
        expected = [DICE[model][domain] for domain in "AB" for model in MODELS]
        assert values == [[pytest.approx(factor * x) for x in of if not math.isnan(x)] for of in expected]
        middles = [float(np.mean([x for x, _ in entry])) for entry in found]
        assert [round(x) for x in middles] == [0, 0, 1, 1], "a domain's boxes stand above its name"
        assert middles == sorted(middles), "the models from left to right"
        medians = [line.get_ydata() for line in axis.lines if line.get_color() == "black"]
        assert [float(y[0]) for y in medians] == pytest.approx([factor * x for x in (0.2, 0.5, 0.7, 0.85)])
        names = [label.get_text() for label in axis.get_xticklabels()]
        assert names == ["A\nn = 3", "B\nn = 1, 2"]
    assert (dice.get_ylabel(), hd95.get_ylabel()) == ("Dice, %", "HD95, mm")


def test_a_point_has_the_first_model_to_the_right_and_the_other_one_up(
    report: Report, sheets: list[Figure]
) -> None:
    scatter.scatter_plots(report, model_styles(MODELS))
    (sheet,) = sheets
    (axis,) = sheet.axes
    in_a, in_b = points(axis)
    assert in_a == [pytest.approx(pair) for pair in ([10, 50], [30, 40], [20, 60])]
    assert in_b == [pytest.approx([70, 90])], "a case without a value of one model is no point"
    assert (axis.get_xlabel(), axis.get_ylabel()) == MODELS
    assert axis.get_title() == "disc (4 cases)"
    assert axis.get_xlim() == axis.get_ylim()
    (diagonal,) = axis.lines
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata())
    names = [entry.get_text() for legend in sheet.legends for entry in legend.get_texts()]
    assert names == ["A", "B"]


def test_curves_begin_with_epoch_1_and_are_of_every_fold(sheets: list[Figure]) -> None:
    folds = [FoldHistory(f"fold_{index}", {"train_losses": [3.0 + index, 2.0]}) for index in range(2)]
    trainings = {"first": folds, "last": [FoldHistory("fold_0", {"train_losses": [9.0, 8.0, 7.0]})]}
    styles = model_styles(MODELS)
    curves.training_curves(trainings, styles)
    (sheet,) = sheets
    (axis,) = sheet.axes
    drawn = [
        (line.get_color(), list(map(float, line.get_xdata())), list(map(float, line.get_ydata())))
        for line in axis.lines
    ]
    assert drawn == [
        (styles["first"].color, [1, 2], [3, 2]),
        (styles["first"].color, [1, 2], [4, 2]),
        (styles["last"].color, [1, 2, 3], [9, 8, 7]),
    ]
