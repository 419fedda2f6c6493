"""Two models case by case: a point for each case, with the first model's Dice on the horizontal axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from nnunetv2_semiseg.evaluation.results.report import Report
from nnunetv2_semiseg.evaluation.writing.page.drawing import WIDTH, Picture, new_figure, page_style, vector
from nnunetv2_semiseg.evaluation.writing.page.model_styles import ModelStyle, plot_name

COLUMNS = 3

DOMAIN_MARKERS = ("x", "+", "1", "2", "3", "4", "|", "_", "*")
"""Markers that consist of lines; the filled ones stand for models."""


@dataclass(frozen=True)
class ScatterPlot:
    """Plots of some models over the first.

    Attributes:
        models: Names of the models on the upright axes.
        labels: Names of the classes that have a plot.
        picture: The plots.
    """

    models: list[str]
    labels: list[str]
    picture: Picture


def scatter_plots(report: Report, styles: Mapping[str, ModelStyle]) -> list[ScatterPlot]:
    """A picture for each model but the first, with a plot for each class; of one class, one for all."""
    others = list(report.models)[1:]
    labels = list(dict.fromkeys(score.label for score in report.scores))
    pictures = [[model] for model in others] if len(labels) > 1 or not others else [others]
    return [ScatterPlot(models, labels, _plot(report, models, labels, styles)) for models in pictures]


def _plot(report: Report, models: list[str], labels: list[str], styles: Mapping[str, ModelStyle]) -> Picture:
    baseline = next(iter(report.models))
    plots = [(baseline, model, label) for model in models for label in labels]
    rows = math.ceil(len(plots) / COLUMNS)
    with page_style():
        sheet = new_figure(WIDTH, 3.9 * rows)
        axes = list(sheet.subplots(rows, COLUMNS, squeeze=False).flat)
        for axis in axes[len(plots) :]:
            axis.remove()
        for axis, names in zip(axes, plots, strict=False):
            _draw(axis, report, names, styles)
        sheet.legend(handles=_legend(report.domains), loc="outside lower left", ncols=5, frameon=False)
        return vector(
            sheet,
            f"Dice of {', '.join(models)} over Dice of {baseline}, case by case, for {', '.join(labels)}",
        )


def _draw(axis: Axes, report: Report, names: tuple[str, str, str], styles: Mapping[str, ModelStyle]) -> None:
    """Draw one class; ``names`` are those of the baseline, the model and the class."""
    baseline, model, label = names
    pairs = {domain: _pairs(report, names, domain) for domain in report.domains}
    values = [value for points in pairs.values() for point in points for value in point]
    low, high = (min(values), max(values)) if values else (0.0, 100.0)
    margin = 0.05 * (high - low) + 0.5
    limits = (low - margin, high + margin)
    axis.plot(limits, limits, color="#555555", linewidth=1)
    for (_, points), marker in zip(pairs.items(), _markers(report.domains), strict=True):
        axis.scatter(
            [point[0] for point in points],
            [point[1] for point in points],
            s=24,
            marker=marker,
            color=styles[model].color,
            linewidths=1,
        )
    axis.set(xlim=limits, ylim=limits, aspect="equal")
    axis.set_title(f"{plot_name(label)} ({len(values) // 2} cases)")
    axis.set_xlabel(plot_name(baseline), color=styles[baseline].color)
    axis.set_ylabel(plot_name(model), color=styles[model].color)
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_locator(MaxNLocator(6))
    axis.grid()


def _pairs(report: Report, names: tuple[str, str, str], domain: str) -> list[tuple[float, float]]:
    """Dice of both models in percent in the cases in which both have one."""
    baseline, model, label = names
    values: dict[str, dict[str, float]] = {baseline: {}, model: {}}
    for score in report.scores:
        if score.model in values and (score.domain, score.label) == (domain, label):
            values[score.model][score.case] = 100 * score.values["dice"]
    points = [(value, values[model][case]) for case, value in values[baseline].items()]
    return [point for point in points if not any(map(math.isnan, point))]


def _markers(domains: Sequence[str]) -> list[str]:
    return [DOMAIN_MARKERS[index % len(DOMAIN_MARKERS)] for index in range(len(domains))]


def _legend(domains: Sequence[str]) -> list[Line2D]:
    return [
        Line2D([], [], linestyle="", marker=marker, label=plot_name(domain), color="#555555")
        for domain, marker in zip(domains, _markers(domains), strict=True)
    ]
