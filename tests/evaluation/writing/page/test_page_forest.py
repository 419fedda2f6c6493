"""The plot of differences: where its points and lines stand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from label_images import make_score
from matplotlib.figure import Figure
from page_report import make_report

from nnunetv2_semiseg.evaluation.results.differences import Difference, paired_differences
from nnunetv2_semiseg.evaluation.results.summary import DOMAIN_MEAN
from nnunetv2_semiseg.evaluation.writing.page.forest import difference_plot, draw_differences
from nnunetv2_semiseg.evaluation.writing.page.model_styles import model_styles

MODELS = ("base", "better", "worse")


def compared(**dice: list[float]) -> list[Difference]:
    """Of Dice, from that of the first model by domain; the second has 0.1 to 0.2 more, the third 0.3 less."""
    changes = {"base": (0.0, 0.0), "better": (0.1, 0.2), "worse": (-0.3, -0.3)}
    scores = [
        make_score(model, f"{domain}_{index}", domain, value + changes[model][index % 2])
        for model in MODELS
        for domain, values in dice.items()
        for index, value in enumerate(values)
    ]
    return [entry for entry in paired_differences(scores, MODELS) if entry.measure == "dice"]


def drawn(entries: list[Difference]) -> tuple[dict[str, list[tuple[float, float]]], list[list[float]]]:
    """Points by color, ``(x, y)`` of each; both ends of the lines by their place from top to bottom."""
    domains = list(dict.fromkeys(entry.domain for entry in entries))
    axis = Figure().subplots()
    draw_differences(axis, entries, domains, list(MODELS[1:]), model_styles(MODELS))
    assert [label.get_text() for label in axis.get_yticklabels()] == domains
    assert axis.yaxis_inverted()
    points: dict[str, list[tuple[float, float]]] = {}
    lines = []
    for line in axis.lines:
        x, y = ([float(value) for value in data] for data in line.get_data())
        if line.get_marker() not in ("None", ""):
            points.setdefault(str(line.get_color()), []).append((x[0], y[0]))
        elif y[0] == y[1] and len(x) == 2 and x != [0, 1]:  # neither the zero nor what parts the mean
            lines.append((y[0], x))
    return points, [x for _, x in sorted(lines)]


def test_what_is_better_stands_to_the_right_with_its_interval() -> None:
    points, lines = drawn(compared(A=[0.4, 0.5, 0.6, 0.5], B=[0.4, 0.5, 0.4, 0.5]))
    styles = model_styles(MODELS)
    better, worse = points[styles["better"].color], points[styles["worse"].color]
    assert [x for x, _ in better] == pytest.approx([15, 15, 15])
    assert [x for x, _ in worse] == pytest.approx([-30, -30, -30])
    # in each domain, and in their mean, the models in their order
    assert [round(y) for _, y in better] == [round(y) for _, y in worse] == [0, 1, 2]
    assert all(first < second for (_, first), (_, second) in zip(better, worse, strict=True))
    # of 10 and 20, each twice; t of three degrees of freedom is 3.182
    margin = 3.182 * 10 / math.sqrt(12)
    assert lines[2] == pytest.approx([15 - margin, 15 + margin], abs=0.01)
    assert lines[3] == pytest.approx([-30, -30])


def test_one_case_has_a_point_alone_and_none_has_nothing() -> None:
    points, lines = drawn(compared(A=[0.5], B=[math.nan]))
    assert not lines
    assert {round(y) for of_model in points.values() for _, y in of_model} == {0, 2}, "A, and the mean"


def test_the_mean_of_domains_is_parted_from_them() -> None:
    entries = compared(A=[0.5, 0.4], B=[0.5, 0.4])
    axis = Figure().subplots()
    draw_differences(axis, entries, ["A", "B", DOMAIN_MEAN], list(MODELS[1:]), model_styles(MODELS))
    assert any(list(line.get_ydata()) == [1.5, 1.5] for line in axis.lines)


def test_one_picture_is_of_all_classes(tmp_path: Path) -> None:
    report = make_report(tmp_path)
    picture = difference_plot(report, model_styles(report.models))
    assert picture.uri.startswith("data:image/svg+xml;base64,")
    assert picture.description.startswith("Difference in Dice to U-Net & Co of ")
