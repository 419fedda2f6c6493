"""Docstrings are sentences about the thing: complete without their neighbours, in code that others read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("nnunetv2_semiseg", "dataset_conversion", "benchmarks", "demo", "docs")

FRAGMENT = re.compile(
    r"(Of|Its|It|Their|Theirs|As|By|In|For|From|To|With|On|At|See there)\b[^`]|The same(?: ones)?[.:,]"
)
"""How a text begins that says something only beside another one."""

ITEM = re.compile(r"^ +\*{0,2}\w+: (?P<text>.*)$")


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of each docstring's first line, of each constant's and of each described argument."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield from _constants(node.body)
            docstring = ast.get_docstring(node, clean=False)
            if docstring is None:
                continue
            first = node.body[0].lineno
            for number, line in enumerate(docstring.splitlines()):
                item = ITEM.match(line)
                if number == 0:
                    yield first, line
                elif item:
                    yield first + number, item["text"]


def _constants(body: list[ast.stmt]) -> Iterator[tuple[int, str]]:
    for before, node in pairwise(body):
        if isinstance(before, ast.Assign | ast.AnnAssign) and isinstance(node, ast.Expr):
            value = node.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield node.lineno, value.value


def fragments(source: str) -> list[tuple[int, str]]:
    return sorted(item for item in texts(ast.parse(source)) if FRAGMENT.match(item[1]))


@pytest.mark.parametrize("folder", FOLDERS)
def test_docstrings_are_whole_sentences(folder: str) -> None:
    wrong = [
        f"{file.relative_to(ROOT)}:{line}: {text}"
        for file in sorted((ROOT / folder).rglob("*.py"))
        for line, text in fragments(file.read_text())
    ]
    assert not wrong, "\n".join(["say what the thing is, not only whose:", *wrong])


def test_fragments_are_found() -> None:
    source = '''
"""Of a module."""
SIZE = 3
"""Of a bootstrap."""


def f(devices, names):
    """As g.

    Args:
        devices: Their devices.
        names: Names of the cases.
    """
'''
    assert [text for _, text in fragments(source)] == [
        "Of a module.",
        "Of a bootstrap.",
        "As g.",
        "Their devices.",
    ]
