"""Whether a model is better than the first, in which domain, and how sure that is; a plot for each class."""

from __future__ import annotations

import math
from collections.abc import Mapping

from matplotlib.axes import Axes

from nnunetv2_semiseg.evaluation.measuring.measures import MEASURES
from nnunetv2_semiseg.evaluation.results.differences import Difference
from nnunetv2_semiseg.evaluation.results.report import Report
from nnunetv2_semiseg.evaluation.results.summary import DOMAIN_MEAN
from nnunetv2_semiseg.evaluation.writing.page.drawing import WIDTH, new_figure, page_style, vector
from nnunetv2_semiseg.evaluation.writing.page.markup import figure, model_mark, text
from nnunetv2_semiseg.evaluation.writing.page.model_styles import Look, plot_name
from nnunetv2_semiseg.evaluation.writing.rows import unit

COLUMNS = 3

SHOWN = MEASURES[0]
"""The measure that a first look is for; the table below has all of them."""

HEIGHT_OF_LINE, HEIGHT_OF_FRAME = 0.17, 0.9
"""In inches: of a model in a domain, and of title and axis."""

EXPLAINED = (
    "difference in {measure} to {baseline}. A point is its mean, the line the {confidence:g} % interval of "
    "that; right of 0 the model is better. Where a line crosses 0, the cases do not tell which one is better."
)


def difference_plots(report: Report, looks: Mapping[str, Look]) -> str:
    """A figure with a plot for each class; of one model alone there is none."""
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
            draw_differences(axis, [entry for entry in shown if entry.label == label], domains, others, looks)
            axis.set_title(plot_name(label))
            axis.set_xlabel(f"{SHOWN.title}, {unit(report, SHOWN)}, minus that of {plot_name(baseline)}")
        picture = vector(sheet)
    marks = ", ".join(model_mark(model, looks[model]) for model in others)
    explained = EXPLAINED.format(
        measure=SHOWN.title, baseline=text(baseline), confidence=100 * report.confidence
    )
    description = f"Difference in {SHOWN.title} to {baseline} of {', '.join(others)} in {', '.join(domains)}"
    return figure(picture, description, f"{marks}: {explained}")


def draw_differences(
    axis: Axes, entries: list[Difference], domains: list[str], models: list[str], looks: Mapping[str, Look]
) -> None:
    """Draw one class: the domains below each other, in each the models in their order.

    Args:
        axis: Where to.
        entries: Comparisons of one class and measure; those without a difference have no point.
        domains: From top to bottom.
        models: All but the first of the report.
        looks: Of the models.
    """
    axis.axvline(0, color="#555555", linewidth=1)
    step = 1 / (len(models) + 1)
    for entry in entries:
        if math.isnan(entry.difference):
            continue
        look = looks[entry.model]
        place = domains.index(entry.domain) - 0.5 + step * (models.index(entry.model) + 1)
        if not math.isnan(entry.low):
            axis.plot([100 * entry.low, 100 * entry.high], [place] * 2, color=look.color, linewidth=1.8)
        axis.plot(
            [100 * entry.difference],
            [place],
            color=look.color,
            marker=look.marker,
            markersize=6,
            linestyle="",
        )
    axis.set_yticks(range(len(domains)), [plot_name(domain) for domain in domains])
    axis.set_ylim(len(domains) - 0.5, -0.5)
    if DOMAIN_MEAN in domains:
        axis.axhline(domains.index(DOMAIN_MEAN) - 0.5, color="#aaaaaa", linewidth=1)
    axis.grid(axis="x")
