"""Figures of matplotlib as data URIs, the same bytes for the same figure."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
import matplotlib.style
from matplotlib.figure import Figure

WIDTH = 10.5
"""Inches of a figure as wide as the page."""

SETTINGS: dict[str, Any] = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "svg.fonttype": "path",  # no font of the reader's machine is needed
    "svg.hashsalt": "nnunetv2_semiseg",  # otherwise names in the file are drawn at random
}

PIXELS = 110
"""Of an inch in pictures."""


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


def vector_uri(figure: Figure) -> str:
    """A plot, sharp in print."""
    return _uri(figure, "image/svg+xml", format="svg", metadata={"Date": None})


def pixel_uri(figure: Figure) -> str:
    """A picture of pixels."""
    return _uri(figure, "image/png", format="png", dpi=PIXELS, metadata={"Software": None})


def _uri(figure: Figure, kind: str, **options: Any) -> str:
    file = io.BytesIO()
    figure.savefig(file, **options)
    return f"data:{kind};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
