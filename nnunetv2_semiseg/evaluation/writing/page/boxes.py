"""Box plots of each class: the cases of each domain, the models side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from nnunetv2_semiseg.evaluation.measuring.measures import MEASURES, Measure
from nnunetv2_semiseg.evaluation.results.report import Report
from nnunetv2_semiseg.evaluation.writing.page.drawing import WIDTH, Picture, new_figure, page_style, vector
from nnunetv2_semiseg.evaluation.writing.page.model_styles import ModelStyle, plot_name
from nnunetv2_semiseg.evaluation.writing.tables import unit

SHOWN = ("dice", "hd95")
"""Measures that are shown. Jaccard would order cases as Dice does, and ASD nearly as HD95 does."""

NARROW = 10
"""Largest number of boxes with which two plots have place side by side."""

FEW = 100
"""Largest number of cases of which a box shows each as a point."""


@dataclass(frozen=True)
class BoxPlot:
    """Box plots of one class.

    Attributes:
        label: Name of the class, or of the mean of classes.
        measures: Titles of the measures, in words.
        picture: The plots.
    """

    label: str
    measures: str
    picture: Picture


def box_plots(report: Report, styles: Mapping[str, ModelStyle]) -> list[BoxPlot]:
    """A picture for each class, and for their mean if there are several."""
    return [
        _plot_class(report, label, styles) for label in dict.fromkeys(score.label for score in report.scores)
    ]


def _plot_class(report: Report, label: str, styles: Mapping[str, ModelStyle]) -> BoxPlot:
    measures = [measure for measure in MEASURES if measure.name in SHOWN]
    boxes = len(report.domains) * len(report.models)
    rows, columns = (1, 2) if boxes <= NARROW else (2, 1)
    with page_style():
        sheet = new_figure(WIDTH, 3.1 * rows)
        for axis, measure in zip(sheet.subplots(rows, columns).flat, measures, strict=True):
            _draw(axis, report, label, measure, styles)
        names = " and ".join(measure.title for measure in measures)
        domains = ", ".join(report.domains)
        picture = vector(sheet, f"Box plots of {names} of {label} by model in the domains {domains}")
    return BoxPlot(label, names, picture)


def _draw(axis: Axes, report: Report, label: str, measure: Measure, styles: Mapping[str, ModelStyle]) -> None:
    """Draw one measure of one class."""
    factor = 1 if measure.is_distance else 100
    width = 0.8 / len(styles)
    ticks = []
    for place, domain in enumerate(report.domains):
        counts = []
        for index, (model, style) in enumerate(styles.items()):
            values = [
                factor * score.values[measure.name]
                for score in report.scores
                if (score.model, score.domain, score.label) == (model, domain, label)
                and not math.isnan(score.values[measure.name])
            ]
            counts.append(str(len(values)))
            _box(axis, values, place - 0.4 + width * (index + 0.5), width, style)
        same = len(set(counts)) == 1
        ticks.append(f"{plot_name(domain)}\nn = {counts[0] if same else ', '.join(counts)}")
    axis.set_xticks(range(len(ticks)), ticks)
    axis.set_xlim(-0.6, len(ticks) - 0.4)
    axis.set_ylabel(f"{measure.title}, {unit(report, measure)}")
    axis.grid(axis="y")
    if measure.is_distance:
        axis.set_ylim(bottom=0)


def _box(axis: Axes, values: list[float], place: float, width: float, style: ModelStyle) -> None:
    if not values:
        return
    if len(values) <= FEW:
        # not at random: the same report gives the same page
        spread = (np.arange(len(values)) * 0.618) % 1 - 0.5
        axis.scatter(
            place + 0.5 * width * spread,
            values,
            s=12,
            color=style.color,
            marker=style.marker,
            alpha=0.55,
            linewidths=0,
        )
    drawn = axis.boxplot(
        values,
        positions=[place],
        widths=0.8 * width,
        patch_artist=True,
        showfliers=len(values) > FEW,
        flierprops={"marker": ".", "markersize": 3, "markeredgecolor": style.color},
        medianprops={"color": "black", "linewidth": 1.5},
        whiskerprops={"color": style.color},
        capprops={"color": style.color},
    )
    for patch in drawn["boxes"]:
        patch.set(facecolor=f"{style.color}44", edgecolor=style.color, linestyle=style.line)
