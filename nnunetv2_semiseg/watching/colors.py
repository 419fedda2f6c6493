"""Colors of classes, and which of them a legend needs."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Sequence

from nnunetv2_semiseg.evaluation.measuring.classes import LabelClass

FIRST_COLORS = ("#56b4e9", "#f0e442", "#d55e00", "#009e73", "#cc79a7", "#0072b2", "#e69f00")
"""Of Okabe and Ito, for colour-blind people too; those first that are seen on gray and on red images."""

GOLDEN_RATIO = 0.61803398875

MOST_ENTRIES = 16
"""Of a legend; where there are more classes, it has those alone that the picture shows."""

Color = tuple[float, float, float]


def class_color(label: int) -> Color:
    """Of a foreground class, red, green and blue from 0 to 1; different for any number of classes."""
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
