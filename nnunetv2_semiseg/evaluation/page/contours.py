"""A case as a picture: the image alone, then with the contours of the truth and of each model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from nnunetv2_semiseg.evaluation.classes import LabelClass
from nnunetv2_semiseg.evaluation.page.drawing import WIDTH, new_figure, page_style, pixel_uri
from nnunetv2_semiseg.evaluation.page.looks import LINES, TRUTH_COLOR, Look, plot_name
from nnunetv2_semiseg.evaluation.page.scenes import Plane

COLUMNS = 4
"""Of panels of a 2D image."""

HEIGHTS = (0.4, 1.5)
"""The flattest and the tallest panel, as a part of its width."""

TITLE_HEIGHT = 0.3

RIM, LINE = 2.6, 1.3
"""Widths of the black rim, which any image lets see, and of the line in it."""


def case_picture(planes: Sequence[Plane], classes: Sequence[LabelClass], looks: Mapping[str, Look]) -> str:
    """A data URI.

    Args:
        planes: One: panels stand side by side; several: a column for each, a row for each model.
        classes: What has contours.
        looks: By model, in the order of the planes' label maps.
    """
    panels = [(plane, index) for index in range(len(looks) + 1) for plane in planes]
    columns = len(planes) if len(planes) > 1 else min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    width = WIDTH / max(columns, 3)
    with page_style():
        figure = new_figure(width * columns, rows * (width * _height(planes) + TITLE_HEIGHT))
        axes = list(figure.subplots(rows, columns, squeeze=False).flat)
        for axis in axes:
            axis.set_axis_off()
        for axis, (plane, index) in zip(axes, panels, strict=False):
            _panel(axis, plane, index, classes, looks)
        return pixel_uri(figure)


def class_lines(classes: Sequence[LabelClass]) -> list[str]:
    """Matplotlib's line style of each class; all alike where there are more than styles."""
    return list(LINES[: len(classes)]) if len(classes) <= len(LINES) else ["-"] * len(classes)


def _panel(
    axis: Axes, plane: Plane, index: int, classes: Sequence[LabelClass], looks: Mapping[str, Look]
) -> None:
    """The image alone for 0, else with the truth and the model of this number, from 1."""
    axis.imshow(plane.image, cmap="gray", vmin=0, vmax=1, aspect=plane.aspect, interpolation="nearest")
    if index == 0:
        axis.set_title(plane.title or "image")
    else:
        model, look = list(looks.items())[index - 1]
        axis.set_title(plot_name(model), color=look.color, fontweight="bold")
        for labels, color in ((plane.labels[0], TRUTH_COLOR), (plane.labels[index], look.color)):
            for entry, line in zip(classes, class_lines(classes), strict=True):
                _outline(axis, entry.mask(labels), color, line)
    rows, columns = plane.window
    axis.set_xlim(columns.start - 0.5, columns.stop - 0.5)
    axis.set_ylim(rows.stop - 0.5, rows.start - 0.5)


def _outline(axis: Axes, mask: npt.NDArray[np.bool_], color: str, line: str) -> None:
    if not mask.any():
        return
    # a frame of background closes outlines at the image's edge, and gives a line of pixels an area
    framed = np.pad(mask, 1).astype(np.float32)
    y, x = (np.arange(-1, length + 1) for length in mask.shape)
    axis.contour(x, y, framed, levels=[0.5], colors="black", linewidths=RIM)
    axis.contour(x, y, framed, levels=[0.5], colors=color, linewidths=LINE, linestyles=line)


def _height(planes: Sequence[Plane]) -> float:
    """Of a panel by its width: that of the tallest plane."""
    lowest, highest = HEIGHTS
    sizes = [[side.stop - side.start for side in plane.window] for plane in planes]
    tallest = max(height * plane.aspect / width for plane, (height, width) in zip(planes, sizes, strict=True))
    return min(max(tallest, lowest), highest)
