"""The demo's picture: a row for one test image of each domain, a column for truth and each model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

from nnunetv2_semiseg.data.conversion.image_files import LabelArray

COLOURS = ("#f2a900", "#00a3ad")
"""Colors of the labels 1 and 2; apart for colour-blind eyes too."""

OPACITY = 0.55
TITLE = "SYNTHETIC test images. White outline: truth. Number: Dice in percent, mean of both organs"


@dataclass(frozen=True)
class Row:
    """One test image.

    Attributes:
        title: What stands beside it.
        image: Grey values ``H x W``, 0 to 255.
        truth: Labels ``H x W``.
        predictions: Labels ``H x W`` by the model's name.
        scores: Text below each prediction by the model's name.
    """

    title: str
    image: npt.NDArray[np.uint8]
    truth: LabelArray
    predictions: Mapping[str, LabelArray]
    scores: Mapping[str, str]


def read_png(path: Path) -> npt.NDArray[np.uint8]:
    """A grey png as an array."""
    return np.asarray(Image.open(path).convert("L"))


def overlay(image: npt.NDArray[np.uint8], labels: LabelArray) -> npt.NDArray[np.float64]:
    """The image with its labels in colour, ``H x W x 3``, 0 to 1."""
    picture = np.repeat(image[..., None] / 255.0, 3, axis=2)
    for value, colour in enumerate(COLOURS, start=1):
        inside = labels == value
        picture[inside] = (1 - OPACITY) * picture[inside] + OPACITY * np.array(to_rgb(colour))
    return picture


def draw(rows: list[Row], labels: Mapping[str, Any], file: Path) -> None:
    """Write the picture.

    Args:
        rows: One for each domain.
        labels: Names and values, from dataset.json.
        file: A png file.
    """
    models = list(rows[0].predictions)
    columns = ["image", "truth", *models]
    figure = Figure(
        figsize=(1.65 * len(columns), 1.8 * len(rows) + 0.75), layout="constrained", facecolor="white"
    )
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    for row, line in zip(rows, axes, strict=True):
        _show(line[0], np.repeat(row.image[..., None] / 255.0, 3, axis=2))
        line[0].set_ylabel(row.title, fontsize=10)
        _show(line[1], overlay(row.image, row.truth), row.truth)
        for model, axis in zip(models, line[2:], strict=True):
            _show(axis, overlay(row.image, row.predictions[model]), row.truth)
            axis.set_xlabel(row.scores[model], fontsize=9, labelpad=2)
    for name, axis in zip(columns, axes[0], strict=True):
        axis.set_title(name, fontsize=10)
    names = {value: name for name, value in labels.items()}
    patches = [Patch(color=colour, label=names[value]) for value, colour in enumerate(COLOURS, start=1)]
    figure.suptitle(TITLE, fontsize=11)
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches), fontsize=9, frameon=False)
    FigureCanvasAgg(figure).print_png(str(file))


def _show(axis: Axes, picture: npt.NDArray[np.float64], truth: LabelArray | None = None) -> None:
    """A picture without ticks; the outline of ``truth`` on it in white."""
    axis.imshow(picture, interpolation="nearest")
    for value in range(1, len(COLOURS) + 1):
        if truth is not None and (truth == value).any():
            axis.contour(truth == value, levels=[0.5], colors="white", linewidths=0.9)
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)
