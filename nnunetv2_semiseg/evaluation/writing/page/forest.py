"""Differences to the first model with their intervals: a plot for each class."""

from __future__ import annotations

import math
from collections.abc import Mapping

from matplotlib.axes import Axes

from nnunetv2_semiseg.evaluation.measuring.measures import MEASURES
from nnunetv2_semiseg.evaluation.results.differences import Difference
from nnunetv2_semiseg.evaluation.results.report import Report
from nnunetv2_semiseg.evaluation.results.summary import DOMAIN_MEAN
from nnunetv2_semiseg.evaluation.writing.page.drawing import WIDTH, Picture, new_figure, page_style, vector
from nnunetv2_semiseg.evaluation.writing.page.model_styles import ModelStyle, plot_name
from nnunetv2_semiseg.evaluation.writing.tables import unit

COLUMNS = 3

SHOWN = MEASURES[0]
"""Measure that is plotted; the table below the plot has all measures."""

HEIGHT_OF_LINE, HEIGHT_OF_FRAME = 0.17, 0.9
"""Inches that a model takes in a domain, and that title and axis take."""


def difference_plot(report: Report, styles: Mapping[str, ModelStyle]) -> Picture:
    """A picture with a plot for each class, of a report of at least two models."""
    baseline, *others = report.models
    shown = [entry for entry in report.comparisons if entry.measure == SHOWN.name]
    labels = list(dict.fromkeys(entry.label for entry in shown))
    domains = list(dict.fromkeys(entry.domain for entry in shown))
    rows = math.ceil(len(labels) / COLUMNS)
    height = rows * (HEIGHT_OF_LINE * len(domains) * (len(others) + 1) + HEIGHT_OF_FRAME)
    with page_style():
        sheet = new_figure(WIDTH, height)
        axes = list(sheet.subplots(rows, COLUMNS, squeeze=False, sharey=True).flat)
        for axis in axes[len(labels) :]:
            axis.remove()
        for axis, label in zip(axes, labels, strict=False):
            entries = [entry for entry in shown if entry.label == label]
            draw_differences(axis, entries, domains, others, styles)
            axis.set_title(plot_name(label))
            axis.set_xlabel(f"{SHOWN.title}, {unit(report, SHOWN)}, minus that of {plot_name(baseline)}")
        return vector(
            sheet,
            f"Difference in {SHOWN.title} to {baseline} of {', '.join(others)} in {', '.join(domains)}",
        )


def draw_differences(
    axis: Axes,
    entries: list[Difference],
    domains: list[str],
    models: list[str],
    styles: Mapping[str, ModelStyle],
) -> None:
    """Draw one class: the domains below each other, in each the models in their order.

    Args:
        axis: Axes to draw in.
        entries: Differences of one class and measure; those without a value have no point.
        domains: Names of the domains from top to bottom.
        models: All models but the first of the report.
        styles: Styles of the models.
    """
    axis.axvline(0, color="#555555", linewidth=1)
    step = 1 / (len(models) + 1)
    for entry in entries:
        if math.isnan(entry.difference):
            continue
        style = styles[entry.model]
        place = domains.index(entry.domain) - 0.5 + step * (models.index(entry.model) + 1)
        if not math.isnan(entry.low):
            axis.plot([100 * entry.low, 100 * entry.high], [place] * 2, color=style.color, linewidth=1.8)
        axis.plot(
            [100 * entry.difference],
            [place],
            color=style.color,
            marker=style.marker,
            markersize=6,
            linestyle="",
        )
    axis.set_yticks(range(len(domains)), [plot_name(domain) for domain in domains])
    axis.set_ylim(len(domains) - 0.5, -0.5)
    if DOMAIN_MEAN in domains:
        axis.axhline(domains.index(DOMAIN_MEAN) - 0.5, color="#aaaaaa", linewidth=1)
    axis.grid(axis="x")
