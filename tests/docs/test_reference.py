"""The generated reference is as the code is."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

GENERATOR = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "generate_reference.py"))


@pytest.mark.parametrize("name", ["commands.md", "config.md"])
def test_page_is_as_the_code_is(name: str) -> None:
    text = GENERATOR["pages"]()[name]

    assert not GENERATOR["is_stale"](GENERATOR["REFERENCE"] / name, text), "run `make reference`"


def test_other_line_breaks_are_not_stale(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("usage: command [-h]\n  [-d ID]\n")

    assert not GENERATOR["is_stale"](page, "usage: command\n [-h] [-d ID]\n")
    assert GENERATOR["is_stale"](page, "usage: command [-h] [-d NAME]\n")
