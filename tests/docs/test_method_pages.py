"""The pages of the methods, which are written by hand: their defaults and the names in their logs."""

from __future__ import annotations

import importlib
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from nnunetv2_semiseg.core.config import TrainingConfig
from nnunetv2_semiseg.methods.registry import discovered_methods
from nnunetv2_semiseg.methods.settings import all_keys, keys_of

DOCS = Path(__file__).parents[2] / "docs"
PACKAGE = DOCS.parent / "nnunetv2_semiseg"
METHODS = discovered_methods()
PATH_OF_CODE = re.compile(r"\b((?:\w+/)*\w+\.py)\b")
NAMES_IN_FILE = re.compile(r"((?:`\w+`(?:,\s|\sand\s)?)+)\sin\s+`([\w/]+\.py)`")
"""Names of code and the file that a page says they are in."""
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:/\d+)?(?:e-\d+)?")
SAM_PAGE = "skd"
MANY_CASES = 1000


def code_file(path: str) -> Path:
    """The file that a page names, from the root of the package or of the repository."""
    return next((folder / path for folder in (PACKAGE, PACKAGE.parent) if (folder / path).is_file()), Path())


@pytest.mark.parametrize("page", sorted(file.stem for file in (DOCS / "methods").glob("*.md")))
def test_code_that_the_page_names_exists(page: str) -> None:
    text = (DOCS / "methods" / f"{page}.md").read_text(encoding="utf-8")
    for path in PATH_OF_CODE.findall(text):
        assert code_file(path).is_file(), path
    for names, path in NAMES_IN_FILE.findall(text):
        code = code_file(path).read_text(encoding="utf-8")
        for name in quoted(names):
            assert re.search(rf"\b(?:def|class) {name}\b", code), f"{name} is not in {path}"


def rows(page: str, title: str) -> list[list[str]]:
    """The cells of a page's table below a heading, without the table's head."""
    text = (DOCS / "methods" / f"{page}.md").read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def default_of(name: str, page: str) -> Any:
    """Of one key: a method's own, or of every training, with what the method has in its place."""
    method = METHODS.get(page)
    if method is None or "." in name:
        return {key.name: key.default for key in all_keys()}[name]
    sizes = method.batch_sizes(method.config_class(), 1, MANY_CASES)
    own = {
        "epochs": method.default_epochs,
        "labeled_batch_size": sizes.labeled,
        "unlabeled_batch_size": sizes.unlabeled,
    }
    return own.get(name, {key.name: key.default for key in keys_of(TrainingConfig)}[name])


def number(text: str) -> float:
    whole, _, part = text.replace(",", "").partition("/")
    return float(whole) / float(part or 1)


def says(cell: str, default: Any, index: int, count: int) -> bool:
    """Whether a cell about ``count`` keys names the default of the one at ``index``."""
    if isinstance(default, bool):
        return cell.split("; ")[0] == ("on" if default else "off")
    if isinstance(default, str):
        return True  # described in words
    numbers = [number(text) for text in NUMBER.findall(cell)]
    if isinstance(default, tuple | list):
        return set(default) <= set(numbers)
    parts = cell.split(", ")
    if len(parts) == count > 1 and all(NUMBER.match(part) for part in parts):
        numbers = [number(text) for text in NUMBER.findall(parts[index])]
    return any(found == pytest.approx(default) for found in numbers)


@pytest.mark.parametrize("page", [*sorted(METHODS), SAM_PAGE])
def test_defaults_are_those_of_the_code(page: str) -> None:
    table = rows(page, "Defaults")
    assert table
    for setting, cell, named in table:
        keys = [key for key in quoted(named) if not key.endswith("*")]
        for index, key in enumerate(keys):
            default = default_of(key, page)
            assert says(cell, default, index, len(keys)), f"{setting}: {key} is {default}, not {cell}"


@pytest.mark.parametrize(
    ("cell", "default", "index", "count", "right"),
    [
        ("0.9", 0.9, 0, 1, True),
        ("0.9", 0.8, 0, 1, False),
        ("10, 1", 1.0, 1, 2, True),
        ("10, 1", 1.0, 0, 2, False),
        ("Adam, 1e-4, constant", 1e-4, 0, 1, True),
        ("2/3; 0.3 to 0.6", 2 / 3, 0, 2, True),
        ("2/3; 0.3 to 0.6", (0.3, 0.5), 1, 2, False),
        ("on", False, 0, 1, False),
    ],
)
def test_a_wrong_default_would_be_noticed(
    cell: str, default: Any, index: int, count: int, right: bool
) -> None:
    assert says(cell, default, index, count) == right


@pytest.fixture(scope="module")
def tiny_training() -> Any:
    runpy.run_path(str(DOCS / "generate_reference.py"))  # which knows where the tiny networks are
    return importlib.import_module("tiny_training")


@pytest.mark.parametrize("key", sorted(METHODS))
def test_the_log_has_the_names_that_the_page_explains(tiny_training: Any, key: str) -> None:
    method = METHODS[key]
    with_sam = tiny_training.may_take_sam(method)
    logged: set[str] = set()
    for step in (0, 8):
        training = tiny_training.Case(method, 2, with_sam).make_training()
        training.steps_done = step
        losses = training.losses(tiny_training.make_batch(2))
        logged |= losses.terms.keys() | losses.measures.keys()
    explained = set()
    for page in (key, SAM_PAGE) if with_sam else (key,):
        explained |= {name for row in rows(page, "What the log shows") for name in quoted(row[0])}
    if with_sam:  # the page of SKD is for methods of one student and of two
        explained -= {name for name in explained - logged if name.startswith("distillation")}
    for beginning in {name for name in explained if name.endswith("...")}:
        found = {name for name in logged if name.startswith(beginning.removesuffix("..."))}
        assert found, beginning
        logged -= found
        explained.remove(beginning)
    assert logged == explained
