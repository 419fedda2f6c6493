"""Blocks of code and tables in Markdown."""

from __future__ import annotations

import re

BLOCK = re.compile(r"^( *)(`{3,})(\w*)\n(.*?)^\1\2$", re.MULTILINE | re.DOTALL)
"""A block, in a list or not: what it is indented by, its fence, its language and its content."""


def code_blocks(text: str, language: str) -> list[str]:
    """The content of all blocks of a language, without what their fences are indented by."""
    found = [(indent, code) for indent, _, name, code in BLOCK.findall(text) if name == language]
    return [re.sub(f"^{indent}", "", code, flags=re.MULTILINE) for indent, code in found]


def without_code(text: str) -> str:
    """The text around all blocks."""
    return BLOCK.sub("", text)


def one_space(text: str) -> str:
    """The text without the spaces that make the columns of a table equally wide."""
    return re.sub(" +", " ", text)
