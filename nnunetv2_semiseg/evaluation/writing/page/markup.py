"""Pieces of HTML; everything that a user named is escaped here."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

from nnunetv2_semiseg.evaluation.writing.page.drawing import Drawn
from nnunetv2_semiseg.evaluation.writing.page.model_styles import TRUTH_COLOR, Look
from nnunetv2_semiseg.evaluation.writing.rows import CLASS, MODEL, Table

SWATCHES: Mapping[str, str] = {
    "o": '<circle cx="6" cy="6" r="5"/>',
    "s": '<rect x="1" y="1" width="10" height="10"/>',
    "^": '<polygon points="6,1 11,11 1,11"/>',
    "D": '<polygon points="6,0 12,6 6,12 0,6"/>',
    "v": '<polygon points="6,11 11,1 1,1"/>',
    "P": '<polygon points="4,1 8,1 8,4 11,4 11,8 8,8 8,11 4,11 4,8 1,8 1,4 4,4"/>',
    "X": '<polygon points="3,0 6,3 9,0 12,3 9,6 12,9 9,12 6,9 3,12 0,9 3,6 0,3"/>',
    "<": '<polygon points="1,6 11,1 11,11"/>',
    ">": '<polygon points="11,6 1,1 1,11"/>',
}
"""matplotlib's markers, drawn in a square of 12."""

NUMBERS = re.compile(r"[-+]?[0-9]|-$|-\s")
"""How the text of a cell with numbers begins; ``-`` is what is undefined."""

BREAK = "\n"


def text(value: object) -> str:
    """Something that a user named, as text or as the value of an attribute in double quotes."""
    return html.escape(str(value), quote=True)


def model_mark(name: str, look: Look) -> str:
    """A model's name with its color and marker, at which it is known in the plots."""
    shape = f'<svg class="mark" viewBox="0 0 12 12" fill="{look.color}">{SWATCHES[look.marker]}</svg>'
    return f'<span class="model">{shape}{text(name)}</span>'


def truth_mark() -> str:
    """The word for the true label maps, with the color of their contours."""
    line = f'<svg class="mark" viewBox="0 0 12 12" fill="{TRUTH_COLOR}">'
    return f'<span class="model">{line}<path stroke="#000" d="M0,4H12V8H0Z"/></svg>truth</span>'


def table(content: Table, looks: Mapping[str, Look], notes: Mapping[str, str] | None = None) -> str:
    """A table in a frame that scrolls where the window is narrow.

    Args:
        content: Cells; those of the column of models get marks.
        looks: Of the models.
        notes: A second line for headers, such as the number of cases of a domain.
    """
    header = "".join(f'<th scope="col">{_header(title, notes or {})}</th>' for title in content.header)
    column = content.header.index(MODEL) if MODEL in content.header else None
    rows = "".join(
        f"<tr{_start(content, index)}>{_cells(row, column, looks)}</tr>\n"
        for index, row in enumerate(content.rows)
    )
    head = f"<thead><tr>{header}</tr></thead>"
    return f'<div class="wide"><table>\n{head}\n<tbody>\n{rows}</tbody></table></div>\n'


def section(anchor: str, title: str, *parts: str) -> str:
    """A chapter of the page; ``anchor`` is no user's text."""
    return f'<section id="{anchor}">\n<h2>{text(title)}</h2>\n{"".join(parts)}</section>\n'


def paragraph(value: str, kind: str = "") -> str:
    """A paragraph of text that is escaped; ``kind`` is a class of the style sheet."""
    start = f'<p class="{kind}">' if kind else "<p>"
    return f"{start}{text(value)}</p>\n"


def figure(drawn: Drawn, description: str, caption: str) -> str:
    """A picture with a caption.

    Args:
        drawn: The picture.
        description: Text for those who don't see the picture; it is escaped.
        caption: HTML; `text` escapes what a user named.
    """
    image = f'<img src="{drawn.uri}" width="{drawn.width}" alt="{text(description)}">'
    return f"<figure>{image}\n<figcaption>{caption}</figcaption></figure>\n"


def _header(title: str, notes: Mapping[str, str]) -> str:
    return text(title) + (f"<br><small>{text(notes[title])}</small>" if title in notes else "")


def _start(content: Table, index: int) -> str:
    """Marks a row of another class than the row above."""
    changed = index > 0 and content.rows[index][0] != content.rows[index - 1][0]
    return ' class="first"' if changed and content.header[0] == CLASS else ""


def _kind(cell: str) -> str:
    """Numbers stay on one line where there is place, and those on several lines always do."""
    if not NUMBERS.match(cell):
        return ""
    return ' class="number lines"' if BREAK in cell else ' class="number"'


def _cells(row: tuple[str, ...], column: int | None, looks: Mapping[str, Look]) -> str:
    cells = []
    for index, cell in enumerate(row):
        if index == column:
            cells.append(f"<td>{model_mark(cell, looks[cell])}</td>")
        else:
            cells.append(f"<td{_kind(cell)}>{text(cell).replace(BREAK, '<br>')}</td>")
    return "".join(cells)
