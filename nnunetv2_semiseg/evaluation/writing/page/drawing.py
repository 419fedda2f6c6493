"""Figures of matplotlib as data URIs; the same figure always gives the same bytes."""

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
"""Pixels of the page in an inch, by the definition of CSS."""

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
"""Pixels of a picture in an inch: more than the page has, for paper and for fine screens."""


@dataclass(frozen=True)
class Picture:
    """A drawn figure for the page.

    Attributes:
        uri: Data URI of its file.
        width: Width in pixels of the page.
        description: Text for readers who don't see the picture.
    """

    uri: str
    width: int
    description: str


@contextmanager
def page_style() -> Iterator[None]:
    """Draw with matplotlib's defaults and the page's settings, whatever settings a user has."""
    with matplotlib.style.context("default"), matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
        # of letters that matplotlib's font lacks; the page itself has all names
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        yield


def new_figure(width: float, height: float) -> Figure:
    """A figure of a size in inches, made without pyplot, which would need a display and keep the figure."""
    return Figure(figsize=(width, height), layout="constrained")


def vector(figure: Figure, description: str) -> Picture:
    """A plot, sharp in print."""
    return _picture(figure, description, "image/svg+xml", format="svg", metadata={"Date": None})


def pixels(figure: Figure, description: str) -> Picture:
    """A picture of pixels."""
    return _picture(figure, description, "image/png", format="png", dpi=PIXELS, metadata={"Software": None})


def _picture(figure: Figure, description: str, kind: str, **options: Any) -> Picture:
    file = io.BytesIO()
    figure.savefig(file, **options)
    uri = f"data:{kind};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
    return Picture(uri, round(PIXELS_OF_PAGE * figure.get_figwidth()), description)
