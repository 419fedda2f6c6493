"""What a page consists of, read by html.parser."""

from __future__ import annotations

import base64
from html.parser import HTMLParser

VOID = {"meta", "img", "br", "link", "input", "hr"}
"""Elements without an end."""

SHAPES = {"circle", "rect", "polygon", "path"}
"""Of SVG, which end themselves."""


class Page(HTMLParser):
    """Fails on tags that are not closed where they must be.

    Attributes:
        tags: All elements.
        links: Values of src and href.
        ids: Targets of links.
        text: What a reader sees, without the style sheet.
        alts: Descriptions of pictures.
    """

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.alts: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(content)
        self.close()
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._element(tag, attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in SHAPES, f"<{tag}/> is no HTML"
        self._element(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text += data

    def pictures(self, kind: str) -> list[bytes]:
        """Content of the pictures of a type such as ``image/png``."""
        start = f"data:{kind};base64,"
        return [base64.b64decode(link[len(start) :]) for link in self.links if link.startswith(start)]

    def _element(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            assert value is not None
            assert not name.startswith("on"), f"{name} runs a script"
            if name in {"src", "href", "srcset", "action", "data", "poster"}:
                self.links.append(value)
            elif name == "id":
                self.ids.append(value)
            elif name == "alt":
                self.alts.append(value)
