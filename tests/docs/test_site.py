"""The documentation as a site: no warning in its build, no dead link, nothing from outside."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import pytest
from headless_browser import browse, needs_browser

pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")

from built_site import ROOT, Html, build_site
from markdown_it import MarkdownIt
from mkdocs.exceptions import Abort

DOCS = ROOT / "docs"
ELSEWHERE = ("http://", "https://", "mailto:")
COMPARED = ("h1", "h2", "h3", "ul", "ol", "li", "table", "tr", "td", "pre", "em", "strong")
"""Elements of which a page has as many in the repository as on the site."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole documentation, built strictly."""
    folder = tmp_path_factory.mktemp("documentation") / "site"
    build_site(folder)
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Html]:
    """All pages by their file."""
    return {file: Html(file) for file in site.rglob("*.html")}


def test_links_lead_to_pages_and_anchors(site: Path, pages: dict[Path, Html]) -> None:
    for file, page in pages.items():
        for link in page.links:
            if link.startswith(ELSEWHERE) or file.name == "404.html":
                continue
            path, _, anchor = unquote(link).partition("#")
            target = (file.parent / path).resolve() if path else file
            assert target.is_file(), f"{file.relative_to(site)}: {link}"
            assert not anchor or anchor in pages[target].ids, f"{file.relative_to(site)}: {link}"


def test_nothing_is_fetched_from_outside(site: Path, pages: dict[Path, Html]) -> None:
    for file, page in pages.items():
        for source in page.fetched:
            assert not source.startswith((*ELSEWHERE, "//")), f"{file.name}: {source}"
            assert file.name == "404.html" or (file.parent / source).is_file(), f"{file.name}: {source}"
    for style in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", style.read_text(encoding="utf-8"))


def test_pages_have_the_same_parts_as_in_the_repository(site: Path, pages: dict[Path, Html]) -> None:
    """MkDocs takes a list for text where it is indented or begun otherwise than it likes."""
    markdown = MarkdownIt("commonmark").enable("table")
    beside = [ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")]
    for source in [*DOCS.rglob("*.md"), *beside]:
        if source.is_relative_to(DOCS / "reference" / "python"):
            continue
        name = source.relative_to(DOCS if source.is_relative_to(DOCS) else ROOT)
        tokens = re.findall(r"<(\w+)", markdown.render(source.read_text(encoding="utf-8")))
        page = name.with_name("index.html") if name.stem == "README" else name.with_suffix(".html")
        built = Counter(pages[site / page].elements)
        assert {tag: tokens.count(tag) for tag in COMPARED} == {tag: built[tag] for tag in COMPARED}, name


def test_code_outside_of_the_documentation_has_pages(site: Path, pages: dict[Path, Html]) -> None:
    method = pages[site / "methods" / "synfoc.html"]
    assert "../code/nnunetv2_semiseg/methods/synfoc.py.html" in method.links
    code = (site / "code" / "nnunetv2_semiseg" / "methods" / "synfoc.py.html").read_text(encoding="utf-8")
    assert "class" in code
    assert "SynFoCConfig" in code


def test_the_python_reference_has_every_public_name(site: Path, pages: dict[Path, Html]) -> None:
    reference = site / "reference" / "python"
    anchors = set().union(*(page.ids for file, page in pages.items() if file.parent == reference))
    for folder in ("methods/losses", "methods/parts", "networks", "evaluation"):
        for file in (ROOT / "nnunetv2_semiseg" / folder).rglob("[!_]*.py"):
            module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            for node in ast.parse(file.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                    assert f"{module}.{node.name}" in anchors


@pytest.mark.parametrize(
    "content",
    ["[gone](no-such-page.md)", "[gone](index.md#no-such-heading)", "[gone](/index.md)", "![gone](no.png)"],
)
def test_a_dead_link_stops_the_build(tmp_path: Path, content: str) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(f"# Home\n\n{content}\n")
    with pytest.raises(Abort):
        build_small(tmp_path)


def test_a_page_outside_of_the_menu_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# Home\n")
    build_small(tmp_path)
    (tmp_path / "docs" / "forgotten.md").write_text("# Forgotten\n")
    with pytest.raises(Abort):
        build_small(tmp_path)


def build_small(folder: Path) -> None:
    """A site of the pages in a folder's docs, of which the menu has the first."""
    docs, site = str(folder / "docs"), folder / "site"
    build_site(site, docs_dir=docs, nav=[{"Home": "index.md"}], plugins=[], hooks=[])


@pytest.mark.slow
@needs_browser
def test_search_works_in_files(site: Path, tmp_path: Path) -> None:
    address = (site / "how-to" / "resume.html").as_uri() + "?q=threshold"
    shown = browse(tmp_path / "profile", address, "--virtual-time-budget=20000", "--dump-dom")
    results = re.findall(r'href="([^"]*)\?h=threshold', shown)
    assert any(result.endswith("methods/fixmatch.html") for result in results)
