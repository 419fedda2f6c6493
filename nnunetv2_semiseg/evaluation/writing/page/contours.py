"""A case as a picture: the image alone, then with the contours of the truth and of each model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from nnunetv2_semiseg.evaluation.measuring.classes import LabelClass
from nnunetv2_semiseg.evaluation.writing.page.drawing import WIDTH, Picture, new_figure, page_style, pixels
from nnunetv2_semiseg.evaluation.writing.page.model_styles import LINES, TRUTH_COLOR, ModelStyle, plot_name
from nnunetv2_semiseg.evaluation.writing.page.scenes import Plane

COLUMNS = 4
"""Number of panels of a 2D image side by side."""

HIGHEST = 2.9
"""Largest height of a panel in inches."""

RATIOS = (0.4, 2.5)
"""Smallest and largest width of a panel by its height; an image of another ratio stands in its middle."""

TITLE_HEIGHT = 0.3

RIM, LINE = 2.6, 1.5
"""Widths of the rim, which makes the line visible on any image, and of the line in it."""

DASHES = {"-": (), "--": (5.0, 3.0), ":": (1.5, 2.0), "-.": (5.0, 2.0, 1.5, 2.0)}
"""Lengths of lines and gaps, in points."""

TRUTH_RIM, MODEL_RIM = "black", "white"
"""Colors of the rims, against the bright line of the truth and the dark lines of models."""


def case_picture(
    case: str, planes: Sequence[Plane], classes: Sequence[LabelClass], styles: Mapping[str, ModelStyle]
) -> Picture:
    """A picture of a case for the page.

    Args:
        case: Name of the case.
        planes: One plane, whose panels stand side by side, or several, each with a column of panels, one for
            each model.
        classes: Classes that have contours.
        styles: Styles by model, in the order of the planes' label maps.
    """
    panels = [(plane, index) for index in range(len(styles) + 1) for plane in planes]
    columns = len(planes) if len(planes) > 1 else min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    # panels of a row are equally high, whatever their planes
    ratios = [min(max(plane.ratio, RATIOS[0]), RATIOS[1]) for plane in planes] * (columns // len(planes))
    height = min(HIGHEST, WIDTH / sum(ratios))
    with page_style():
        figure = new_figure(height * sum(ratios), rows * (height + TITLE_HEIGHT))
        axes = list(figure.subplots(rows, columns, squeeze=False, width_ratios=ratios).flat)
        for axis in axes:
            axis.set_axis_off()
        for axis, (plane, index) in zip(axes, panels, strict=False):
            _panel(axis, plane, index, classes, styles)
        return pixels(figure, f"{case} with contours of the truth and of {', '.join(styles)}")


def class_lines(classes: Sequence[LabelClass]) -> list[str]:
    """Matplotlib's line style of each class; all alike where there are more than styles."""
    return list(LINES[: len(classes)]) if len(classes) <= len(LINES) else ["-"] * len(classes)


def _panel(
    axis: Axes, plane: Plane, index: int, classes: Sequence[LabelClass], styles: Mapping[str, ModelStyle]
) -> None:
    """Draw the image alone for index 0, else with the truth and the model of this number, from 1."""
    axis.imshow(plane.image, cmap="gray", vmin=0, vmax=1, aspect=plane.aspect, interpolation="nearest")
    if index == 0:
        axis.set_title(plane.title or "image")
    else:
        model, style = list(styles.items())[index - 1]
        axis.set_title(plot_name(model), color=style.color, fontweight="bold")
        for entry, line in zip(classes, class_lines(classes), strict=True):
            _outline(axis, entry.mask(plane.labels[0]), (TRUTH_RIM, TRUTH_COLOR), line)
            _outline(axis, entry.mask(plane.labels[index]), (MODEL_RIM, style.color), line)
    rows, columns = plane.window
    axis.set_xlim(columns.start - 0.5, columns.stop - 0.5)
    ends = (rows.start - 0.5, rows.stop - 0.5)
    axis.set_ylim(ends if plane.upright else ends[::-1])


def _outline(axis: Axes, mask: npt.NDArray[np.bool_], colors: tuple[str, str], line: str) -> None:
    """Draw a contour; the colors are those of the rim and of the line."""
    if not mask.any():
        return
    # a frame of background closes outlines at the image's edge, and gives a line of pixels an area
    framed = np.pad(mask, 1).astype(np.float32)
    y, x = (np.arange(-1, length + 1) for length in mask.shape)
    for color, width in zip(colors, (RIM, LINE), strict=True):
        # matplotlib counts dashes in widths of the line
        dashes = (0, tuple(length / width for length in DASHES[line])) if DASHES[line] else "-"
        axis.contour(x, y, framed, levels=[0.5], colors=color, linewidths=width, linestyles=[dashes])
