"""Figures of matplotlib as data URIs, the same bytes for the same figure."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
import matplotlib.style
from matplotlib.figure import Figure

WIDTH = 11.5
"""Inches of a figure as wide as the page."""

PIXELS_OF_PAGE = 96
"""Of an inch, by the definition of CSS."""

SETTINGS: Any = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "svg.fonttype": "path",  # no font of the reader's machine is needed
    "svg.hashsalt": "nnunetv2_semiseg",  # otherwise names in the file are drawn at random
}

PIXELS = 150
"""Of an inch in pictures: more than the page has, for paper and for fine screens."""


@dataclass(frozen=True)
class Drawn:
    """A figure for the page.

    Attributes:
        uri: Its data URI.
        width: In pixels of the page.
    """

    uri: str
    width: int


@contextmanager
def page_style() -> Iterator[None]:
    """Matplotlib's defaults with the page's settings, whatever a user's or another package's are."""
    with matplotlib.style.context("default"), matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
        # of letters that matplotlib's font lacks; the page itself has all names
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        yield


def new_figure(width: float, height: float) -> Figure:
    """A figure without pyplot, which would want a display and keep it; sizes in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def vector(figure: Figure) -> Drawn:
    """A plot, sharp in print."""
    return _drawn(figure, "image/svg+xml", format="svg", metadata={"Date": None})


def pixels(figure: Figure) -> Drawn:
    """A picture of pixels."""
    return _drawn(figure, "image/png", format="png", dpi=PIXELS, metadata={"Software": None})


def _drawn(figure: Figure, kind: str, **options: Any) -> Drawn:
    file = io.BytesIO()
    figure.savefig(file, **options)
    uri = f"data:{kind};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
    return Drawn(uri, round(PIXELS_OF_PAGE * figure.get_figwidth()))
