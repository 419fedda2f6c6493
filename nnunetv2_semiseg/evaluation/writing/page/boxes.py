"""Box plots of each class: the cases of each domain, the models side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from nnunetv2_semiseg.evaluation.measuring.measures import MEASURES, Measure
from nnunetv2_semiseg.evaluation.results.report import Report
from nnunetv2_semiseg.evaluation.writing.page.drawing import WIDTH, new_figure, page_style, vector
from nnunetv2_semiseg.evaluation.writing.page.markup import figure, model_mark, paragraph, text
from nnunetv2_semiseg.evaluation.writing.page.model_styles import Look, plot_name
from nnunetv2_semiseg.evaluation.writing.rows import unit

SHOWN = ("dice", "hd95")
"""An overlap and a distance; Jaccard orders cases as Dice does, and ASD hardly otherwise than HD95."""

NARROW = 10
"""Up to so many boxes, two plots have place side by side."""

FEW = 100
"""Up to so many cases, a box shows each as a point."""

EXPLAINED = (
    "A box reaches from the lower to the upper quartile, the line in it is the median, whiskers reach to the "
    "farthest case within 1.5 box lengths. Points are cases; their sideways place means nothing. Cases "
    "without a value are not shown: n is the number of those that have one, in the order of the models."
)


def box_plots(report: Report, looks: Mapping[str, Look]) -> str:
    """A figure for each class, and for their mean if there are several."""
    labels = list(dict.fromkeys(score.label for score in report.scores))
    return paragraph(EXPLAINED) + "".join(_of_class(report, label, looks) for label in labels)


def _of_class(report: Report, label: str, looks: Mapping[str, Look]) -> str:
    measures = [measure for measure in MEASURES if measure.name in SHOWN]
    boxes = len(report.domains) * len(report.models)
    rows, columns = (1, 2) if boxes <= NARROW else (2, 1)
    with page_style():
        sheet = new_figure(WIDTH, 3.1 * rows)
        for axis, measure in zip(sheet.subplots(rows, columns).flat, measures, strict=True):
            _draw(axis, report, label, measure, looks)
        picture = vector(sheet)
    names = " and ".join(measure.title for measure in measures)
    domains = ", ".join(report.domains)
    description = f"Box plots of {names} of {label} by model in the domains {domains}"
    marks = ", ".join(model_mark(model, look) for model, look in looks.items())
    caption = f"<strong>{text(label)}</strong>: {names} by domain, from left to right {marks}"
    return figure(picture, description, caption)


def _draw(axis: Axes, report: Report, label: str, measure: Measure, looks: Mapping[str, Look]) -> None:
    """One measure of one class."""
    factor = 1 if measure.is_distance else 100
    width = 0.8 / len(looks)
    ticks = []
    for place, domain in enumerate(report.domains):
        counts = []
        for index, (model, look) in enumerate(looks.items()):
            values = [
                factor * score.values[measure.name]
                for score in report.scores
                if (score.model, score.domain, score.label) == (model, domain, label)
                and not math.isnan(score.values[measure.name])
            ]
            counts.append(str(len(values)))
            _box(axis, values, place - 0.4 + width * (index + 0.5), width, look)
        same = len(set(counts)) == 1
        ticks.append(f"{plot_name(domain)}\nn = {counts[0] if same else ', '.join(counts)}")
    axis.set_xticks(range(len(ticks)), ticks)
    axis.set_xlim(-0.6, len(ticks) - 0.4)
    axis.set_ylabel(f"{measure.title}, {unit(report, measure)}")
    axis.grid(axis="y")
    if measure.is_distance:
        axis.set_ylim(bottom=0)


def _box(axis: Axes, values: list[float], place: float, width: float, look: Look) -> None:
    if not values:
        return
    if len(values) <= FEW:
        # not at random: the same report gives the same page
        spread = (np.arange(len(values)) * 0.618) % 1 - 0.5
        axis.scatter(
            place + 0.5 * width * spread,
            values,
            s=12,
            color=look.color,
            marker=look.marker,
            alpha=0.55,
            linewidths=0,
        )
    drawn = axis.boxplot(
        values,
        positions=[place],
        widths=0.8 * width,
        patch_artist=True,
        showfliers=len(values) > FEW,
        flierprops={"marker": ".", "markersize": 3, "markeredgecolor": look.color},
        medianprops={"color": "black", "linewidth": 1.5},
        whiskerprops={"color": look.color},
        capprops={"color": look.color},
    )
    for patch in drawn["boxes"]:
        patch.set(facecolor=f"{look.color}44", edgecolor=look.color, linestyle=look.line)
