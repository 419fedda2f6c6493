"""Examples in docstrings do what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [
    file.relative_to(ROOT)
    for file in sorted((ROOT / "nnunetv2_semiseg").rglob("*.py"))
    if ">>> " in file.read_text(encoding="utf-8")
]
"""Found by what is in them, so that no new example is forgotten."""


@pytest.mark.parametrize("file", FILES, ids=str)
def test_examples_run(file: Path) -> None:
    module = importlib.import_module(".".join(file.with_suffix("").parts))
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert result.attempted > 0
    assert result.failed == 0


def test_the_most_used_names_have_examples() -> None:
    assert len(FILES) >= 12
