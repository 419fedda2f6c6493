"""How each model is drawn: the same in every table, plot and picture of the page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#777777")
"""Okabe and Ito's colors, which colour-blind people tell apart, without the yellow, lost on white paper."""

MARKERS = {
    "o": "M1,6a5,5 0 1,0 10,0a5,5 0 1,0 -10,0Z",
    "s": "M1,1H11V11H1Z",
    "^": "M6,1 11,11 1,11Z",
    "D": "M6,0 12,6 6,12 0,6Z",
    "v": "M6,11 11,1 1,1Z",
    "P": "M4,1H8V4H11V8H8V11H4V8H1V4H4Z",
    "X": "M3,0 6,3 9,0 12,3 9,6 12,9 9,12 6,9 3,12 0,9 3,6 0,3Z",
    "<": "M1,6 11,1 11,11Z",
    ">": "M11,6 1,1 1,11Z",
}
"""Filled markers of matplotlib, and their outlines as paths of SVG in a square of 12.

There are two more than colors, so that 63 models have different pairs.
"""

LINES = ("-", "--", ":", "-.")

TRUTH_COLOR = "#f0e442"
"""Yellow, the color of no model, which is seen well on images; a black rim helps on white ones."""

LONGEST_NAME = 26
"""Number of letters of a name that a plot has room for; the page's first table has the whole name."""


@dataclass(frozen=True)
class ModelStyle:
    """How one model is drawn.

    Attributes:
        color: Color as ``#rrggbb``.
        marker: Marker of matplotlib, a key of `MARKERS`.
        line: Line style of matplotlib.
    """

    color: str
    marker: str
    line: str

    @property
    def curve(self) -> dict[str, Any]:
        """Arguments of matplotlib for a line with markers."""
        return {"color": self.color, "marker": self.marker, "linestyle": self.line, "linewidth": 1.3}

    @property
    def outline(self) -> str:
        """The marker as a path of SVG."""
        return MARKERS[self.marker]


def model_styles(models: Iterable[str]) -> dict[str, ModelStyle]:
    """A style for each model, in the order of the report."""
    markers = tuple(MARKERS)
    return {
        model: ModelStyle(
            COLORS[index % len(COLORS)],
            markers[index % len(markers)],
            LINES[index // len(COLORS) % len(LINES)],
        )
        for index, model in enumerate(models)
    }


def plot_name(name: str, longest: int = LONGEST_NAME) -> str:
    """A name as text of a plot: a long name loses its middle, and a dollar sign starts no formula."""
    if len(name) > longest:
        half = (longest - 1) // 2
        name = f"{name[:half]}…{name[-half:]}"
    return name.replace("$", r"\$")
