"""Troubleshooting quotes the messages of the code, so that a search for their words leads there."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "troubleshooting.md"
VALUE = "\0"
"""What a value that is put into a message stands as, in its template."""


def quoted(section: str) -> list[str]:
    """The messages that the headings of a section quote; a slash parts two of them."""
    text = PAGE.read_text(encoding="utf-8").partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return [words for title in re.findall(r"^### (.*)$", text, re.MULTILINE) for words in title.split(" / ")]


@cache
def templates(package: str) -> tuple[str, ...]:
    """All texts in the code of a package, with `VALUE` where a value is put in."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    files = Path(spec.origin).parent.rglob("*.py")
    return tuple(text for file in files for text in _texts(ast.parse(file.read_text(encoding="utf-8"))))


def _texts(tree: ast.AST) -> Iterator[str]:
    """Texts that are put to use: docstrings are not."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(
                part.value if isinstance(part, ast.Constant) else VALUE
                for part in node.values
                if not isinstance(part, ast.Constant) or isinstance(part.value, str)
            )


def is_quoted_from(message: str, template: str) -> bool:
    """Whether the words of a message stand in a template one after the other.

    ``...`` in the message is whatever stands there, a value in the template is any word. Two words or more,
    and half of all or more, must be the same. The punctuation behind the last word does not count.
    """
    words, there = message.split(), template.split()
    for start in range(len(there) - len(words) + 1):
        part = there[start : start + len(words)]
        part[-1] = part[-1].rstrip(".,:;")
        same = sum(map(str.__eq__, words, part))
        if all(map(_fits, words, part)) and same >= max(2, len(words) / 2):
            return True
    return False


def _fits(word: str, other: str) -> bool:
    if "..." in word:
        return re.fullmatch(re.escape(word).replace(r"\.\.\.", ".*"), other, re.DOTALL) is not None
    return re.fullmatch(re.escape(other).replace(VALUE, ".+"), word) is not None


@pytest.mark.parametrize("message", quoted("Messages of this package"))
def test_message_is_in_the_code(message: str) -> None:
    assert any(is_quoted_from(message, template) for template in templates("nnunetv2_semiseg")), message


@pytest.mark.parametrize("message", quoted("Messages of nnU-Net"))
def test_message_is_in_the_code_of_nnunet(message: str) -> None:
    there = templates("nnunetv2") + templates("batchgenerators")  # nnU-Net's augmentation
    assert any(is_quoted_from(message, template) for template in there), message


def test_messages_are_found_on_the_page() -> None:
    assert len(quoted("Messages of this package")) > 15
    assert len(quoted("Messages of nnU-Net")) > 0


@pytest.mark.parametrize(
    ("message", "template", "quotes"),
    [
        ("no unlabeled images: put", f"no unlabeled images: put them into {VALUE}", True),
        (
            "unknown key ...; valid keys are ...",
            f"{VALUE}: unknown key '{VALUE}'; valid keys are {VALUE}",
            True,
        ),
        ("configuration '3d' has 3D ones", f"{VALUE} and configuration '{VALUE}' has {VALUE}D ones", True),
        ("was preprocessed with other plans", "has been preprocessed with other plans", False),
        ("any four words here", f"{VALUE} {VALUE} {VALUE} {VALUE}", False),
        ("has no channel", "has no channels", False),
    ],
)
def test_what_is_a_quotation(message: str, template: str, quotes: bool) -> None:
    assert is_quoted_from(message, template) == quotes
