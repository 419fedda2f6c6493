"""Building the site of the documentation, and reading what came out."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from mkdocs.commands.build import build
from mkdocs.config import load_config

ROOT = Path(__file__).parents[2]
FETCHED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}
"""What a browser fetches by itself, by element."""


def build_site(folder: Path, **settings: Any) -> None:
    """Build with mkdocs.yml, whose ``strict`` makes every warning an error.

    Args:
        folder: For the site.
        settings: In place of those of mkdocs.yml.

    Raises:
        mkdocs.exceptions.Abort: There was a warning.
    """
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), **settings)
    config.plugins.on_startup(command="build", dirty=False)
    build(config)
    config.plugins.on_shutdown()


@dataclass
class Html(HTMLParser):
    """A page of the site.

    Attributes:
        links: Where its links lead.
        fetched: What a browser fetches to show it.
        ids: Its anchors.
        elements: The names of the elements of the article, one for each.
        texts: The text of the article, without that of code blocks.
    """

    page: Path
    links: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    elements: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._article = self._code = 0
        self.feed(self.page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if anchor := attributes.get("id") or (attributes.get("name") if tag == "a" else None):
            self.ids.add(anchor)
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"] or "")
        if tag in FETCHED and attributes.get(FETCHED[tag]):
            self.fetched.append(attributes[FETCHED[tag]] or "")
        self._article += tag == "article"
        self._code += tag in ("pre", "code")
        if self._article:
            self.elements.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self._article -= tag == "article"
        self._code -= tag in ("pre", "code")

    def handle_data(self, data: str) -> None:
        if self._article and not self._code:
            self.texts.append(data)
