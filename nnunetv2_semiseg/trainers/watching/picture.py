"""Drawing the unlabeled samples of a step, so that a person sees what a method learns from them."""

from __future__ import annotations

import colorsys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from nnunetv2_semiseg.core.files import replacing
from nnunetv2_semiseg.evaluation.measuring.classes import LabelClass
from nnunetv2_semiseg.evaluation.writing.page.drawing import new_figure, page_style
from nnunetv2_semiseg.evaluation.writing.page.model_styles import plot_name
from nnunetv2_semiseg.trainers.watching.rows import Cell, Pixels, Row

PANEL = 1.75
"""Inches of the longer side of a panel."""

PIXELS = 110
"""Pixels of an inch."""

OPACITY = 0.5
"""Opacity of a class's color on the image."""

DARKENED = 0.45
"""What is left of the brightness where nothing is trusted."""

DARK = "dark: not trusted, nothing is learned"


def draw_rows(rows: Sequence[Row], classes: Sequence[LabelClass], title: str, aspect: float = 1.0) -> Figure:
    """A figure with a row for each sample and a column for each panel.

    Args:
        rows: All with the same columns.
        classes: The dataset's foreground classes.
        title: Above all.
        aspect: Height of a pixel by its width.
    """
    columns = list(rows[0].cells)
    height, width = (PANEL * side for side in _sides(rows[0], aspect))
    with page_style():
        figure = new_figure((width + 0.1) * len(columns) + 0.4, (height + 0.25) * len(rows) + 0.9)
        figure.suptitle(title, fontsize=10)
        axes = figure.subplots(len(rows), len(columns), squeeze=False)
        for line, row in zip(axes, rows, strict=True):
            for axis, cell in zip(line, row.cells.values(), strict=True):
                _draw(axis, cell, aspect)
            line[0].set_ylabel("\n".join(filter(None, (plot_name(row.case), row.place))), fontsize=8)
        for axis, column in zip(axes[0], columns, strict=True):
            axis.set_title("\n".join(textwrap.wrap(column, 18)), fontsize=9)
        _add_legend(figure, rows, classes)
        # now, in this style; later the lines would be laid out with another font
        figure.draw_without_rendering()
    return figure


def save_figure(figure: Figure, file: Path, **options: Any) -> None:
    """Write a png so that whoever looks at it sees the old one or the new one, whole."""
    with replacing(file) as temporary:
        figure.savefig(temporary, format="png", **options)


def _sides(row: Row, aspect: float) -> tuple[float, float]:
    """Height and width of a panel in parts of the longer one."""
    image = next(cell.image for cell in row.cells.values() if cell.image is not None)
    height, width = image.shape[0] * aspect, image.shape[1]
    longer = max(height, width)
    return height / longer, width / longer


def _draw(axis: Axes, cell: Cell, aspect: float) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)
    if cell.caption:
        axis.set_xlabel(cell.caption, fontsize=8, labelpad=2)
    if cell.image is not None:
        axis.imshow(_painted(cell, cell.image), aspect=aspect)
    elif cell.trust is not None:
        axis.imshow(cell.trust, cmap="gray", vmin=0, vmax=1, aspect=aspect, interpolation="nearest")
        axis.spines[:].set(visible=True, color="#999999")
    else:
        axis.text(0.5, 0.5, textwrap.fill(cell.note, 20), ha="center", va="center", fontsize=8)


def _painted(cell: Cell, image: Pixels) -> Pixels:
    """The image with its classes in color where they are trusted, dark elsewhere; ``H x W x 3``, 0 to 1."""
    painted = np.array(image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2))
    trust = np.ones(painted.shape[:2], np.float32) if cell.trust is None else cell.trust
    if cell.classes is not None:
        for label in np.unique(cell.classes[cell.classes > 0]):
            opacity = (OPACITY * trust * (cell.classes == label))[..., None]
            painted = (1 - opacity) * painted + opacity * np.array(class_color(int(label)), np.float32)
    return painted * (DARKENED + (1 - DARKENED) * trust)[..., None]


def _add_legend(figure: Figure, rows: Sequence[Row], classes: Sequence[LabelClass]) -> None:
    cells = [cell for row in rows for cell in row.cells.values()]
    shown = {int(label) for cell in cells if cell.classes is not None for label in np.unique(cell.classes)}
    named, left_out = legend_classes(classes, shown)
    entries = [Patch(color=class_color(entry.values[0]), label=plot_name(entry.name)) for entry in named]
    if left_out:
        entries.append(Patch(color="none", label=f"and {left_out} more"))
    if any(cell.image is not None and cell.trust is not None for cell in cells):
        entries.append(Patch(color="#444444", label=DARK))
    columns = min(len(entries), 6)
    figure.legend(handles=entries, loc="outside lower center", ncols=columns, fontsize=8, frameon=False)


FIRST_COLORS = ("#56b4e9", "#f0e442", "#d55e00", "#009e73", "#cc79a7", "#0072b2", "#e69f00")
"""Colors of Okabe and Ito, for colour-blind people too; first those seen on gray and on red images."""

GOLDEN_RATIO = 0.61803398875

MOST_ENTRIES = 16
"""Entries of a legend; of more classes it has those alone that the picture shows."""

Color = tuple[float, float, float]


def class_color(label: int) -> Color:
    """Red, green and blue, from 0 to 1, of a foreground class; different for any number of classes."""
    if label <= len(FIRST_COLORS):
        code = FIRST_COLORS[label - 1]
        red, green, blue = (int(code[start : start + 2], 16) / 255 for start in (1, 3, 5))
        return red, green, blue
    # hues that keep their distance however many there are, in two kinds of brightness
    return colorsys.hsv_to_rgb(label * GOLDEN_RATIO % 1, 0.55 + 0.35 * (label % 2), 0.95)


def legend_classes(classes: Sequence[LabelClass], shown: Iterable[int]) -> tuple[list[LabelClass], int]:
    """The classes that a legend names, and how many it has no place for.

    Args:
        classes: All foreground classes of the dataset.
        shown: Labels that the picture shows.
    """
    if len(classes) <= MOST_ENTRIES:
        return list(classes), 0
    seen = set(shown)
    found = [entry for entry in classes if entry.values[0] in seen]
    return found[:MOST_ENTRIES], max(0, len(found) - MOST_ENTRIES)
