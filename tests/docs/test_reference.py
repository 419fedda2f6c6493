"""The generated reference is as the code is."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
GENERATOR = runpy.run_path(str(DOCS / "generate_reference.py"))
NAMES = sorted(file.relative_to(DOCS / "reference").as_posix() for file in DOCS.glob("reference/**/*.md"))


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return dict(GENERATOR["pages"]())


def test_every_page_is_generated(pages: dict[str, str]) -> None:
    assert sorted(pages) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_page_is_as_the_code_is(pages: dict[str, str], name: str) -> None:
    assert not GENERATOR["is_stale"](GENERATOR["REFERENCE"] / name, pages[name]), "run `make reference`"


def test_every_method_has_its_row_and_is_found_from_the_start(pages: dict[str, str]) -> None:
    from nnunetv2_semiseg.methods.registry import discovered_methods

    index = (DOCS / "index.md").read_text()
    for key in discovered_methods():
        assert f"](../methods/{key}.md)" in pages["methods.md"]
        assert f"](methods/{key}.md)" in index


def test_other_line_breaks_are_not_stale(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("usage: command [-h]\n  [-d ID]\n")

    assert not GENERATOR["is_stale"](page, "usage: command\n [-h] [-d ID]\n")
    assert GENERATOR["is_stale"](page, "usage: command [-h] [-d NAME]\n")
