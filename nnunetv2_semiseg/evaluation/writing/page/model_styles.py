"""How each model looks, the same in every table, plot and picture of the page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#777777")
"""Of Okabe and Ito, which colour-blind people tell apart; without yellow, which white paper swallows."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
"""Filled ones. There are two more than colors, so that 63 models have different pairs."""

LINES = ("-", "--", ":", "-.")

TRUTH_COLOR = "#f0e442"
"""The yellow that is no model's; on images it is seen well, and a black rim helps on white ones."""

LONGEST_NAME = 26
"""Letters of a name that a plot has place for; the key of the page has all of them."""


@dataclass(frozen=True)
class Look:
    """Of one model.

    Attributes:
        color: As ``#rrggbb``.
        marker: matplotlib's.
        line: matplotlib's style.
    """

    color: str
    marker: str
    line: str

    @property
    def curve(self) -> dict[str, Any]:
        """Arguments of matplotlib for a line with marks."""
        return {"color": self.color, "marker": self.marker, "linestyle": self.line, "linewidth": 1.3}


def looks_of(models: Iterable[str]) -> dict[str, Look]:
    """A look for each model, in the order of the report."""
    return {
        model: Look(
            COLORS[index % len(COLORS)],
            MARKERS[index % len(MARKERS)],
            LINES[index // len(COLORS) % len(LINES)],
        )
        for index, model in enumerate(models)
    }


def plot_name(name: str, longest: int = LONGEST_NAME) -> str:
    """A name as text of a plot: long ones lose their middle, and a dollar begins no formula."""
    if len(name) > longest:
        half = (longest - 1) // 2
        name = f"{name[:half]}…{name[-half:]}"
    return name.replace("$", r"\$")
