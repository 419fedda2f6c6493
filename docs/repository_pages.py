"""Pages of the site for files outside of docs/, so that it can be read without the repository.

A hook of MkDocs. In the repository, a link such as ``../../nnunetv2_semiseg/methods/synfoc.py`` leads to the
file. The site gets a page with the content of each such file, and the link leads there.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

DOCS = "docs/"
ROOT_PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/README.md")
"""Pages beside the folder of the documentation that belong to it."""

LINK = re.compile(r"(?<=\]\()(?!\w+:|#)[^)\s#]+")
"""The path of a relative link."""

LANGUAGES = {".py": "python"}
"""How code is coloured, by the ending of its file; else not at all."""

CODE_PAGE = """\
---
search:
  exclude: true
hide:
  - toc
---
# {name}

``````{language}
{code}
``````
"""
"""More backticks than any docstring has."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of files outside of docs/."""
    root = Path(config.config_file_path).parent
    texts = {DOCS + file.src_uri: file.content_string for file in files.documentation_pages()}
    texts |= {name: (root / name).read_text(encoding="utf-8") for name in ROOT_PAGES}
    for name in ROOT_PAGES:
        files.append(File.generated(config, name, content=texts[name]))
    for name in _linked_code(texts, root):
        files.append(File.generated(config, _site_name(name), content=_code_page(root, name)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the repository into links between pages of the site."""
    here = page.file.src_uri
    name = here if here in ROOT_PAGES else DOCS + here

    def on_the_site(link: re.Match[str]) -> str:
        target = _site_name(_resolved(name, link[0]))
        # what has no page stays as it is, so that MkDocs complains about it
        known = files.get_file_from_path(target) is not None
        return posixpath.relpath(target, posixpath.dirname(here) or ".") if known else link[0]

    return LINK.sub(on_the_site, markdown)


def _linked_code(texts: Mapping[str, str], root: Path) -> list[str]:
    """Files that pages link to and that are no pages themselves, named from the root of the repository."""
    linked = {_resolved(name, link) for name, text in texts.items() for link in LINK.findall(text)}
    code = {name for name in linked if not name.startswith(DOCS) and name not in ROOT_PAGES}
    return sorted(name for name in code if (root / name).is_file())


def _resolved(page: str, link: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), link))


def _site_name(name: str) -> str:
    """Where the page of a file of the repository lies in the site."""
    if name.startswith(DOCS):
        return name.removeprefix(DOCS)
    return name if name in ROOT_PAGES else f"code/{name}.md"


def _code_page(root: Path, name: str) -> str:
    language = LANGUAGES.get(Path(name).suffix, "text")
    code = (root / name).read_text(encoding="utf-8").rstrip()
    return CODE_PAGE.format(name=name, language=language, code=code)
