"""The guide to a new method, followed to the letter in a copy of the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_code import code_blocks

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "how-to" / "add-a-method.md"
COPIED = ("nnunetv2_semiseg", "dataset_conversion", "docs", "tests", "demo", "benchmarks")
KEY, TRAINER = "pseudo_label", "nnUNetTrainerPseudoLabel"

LEARNS_A_STEP = f"""
import os
import sys

import torch
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

import nnunetv2_semiseg
from nnunetv2_semiseg.commands.plugin import plugin_path
from nnunetv2_semiseg.methods.registry import discovered_methods
from nnunetv2_semiseg.methods.settings import all_keys

sys.path[:0] = ["tests/helpers"]
from tiny_training import Case, make_batch

assert nnunetv2_semiseg.__file__.startswith(os.getcwd())
os.environ["nnUNet_extTrainer"] = plugin_path("")
trainer = recursive_find_trainer_class_by_name("{TRAINER}")
assert trainer.method_class is discovered_methods()["{KEY}"]
assert "{KEY}.threshold" in [key.name for key in all_keys()]
for dimension in (2, 3):
    training = Case(trainer.method_class, dimension).make_training()
    training.steps_done = 8
    before = [parameter.detach().clone() for parameter in training.network.parameters()]
    training.take(make_batch(dimension))
    moved = [not torch.equal(old, new) for old, new in zip(before, training.network.parameters())]
    assert all(moved), dimension
print("learned")
"""


def block(language: str, beginning: str) -> str:
    """The one block of code of the guide that begins like this."""
    blocks = code_blocks(GUIDE.read_text(encoding="utf-8"), language)
    found = [text for text in blocks if text.startswith(beginning)]
    assert len(found) == 1, f"{language}: {beginning}"
    return found[0]


def insert(file: Path, after: str, line: str) -> None:
    """Put a line behind the first one that begins like ``after``, unless it is there already."""
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    if line not in lines:
        index = next(index for index, text in enumerate(lines) if text.startswith(after))
        file.write_text("".join([*lines[: index + 1], line, *lines[index + 1 :]]), encoding="utf-8")


def python(repository: Path, *arguments: str) -> str:
    """Run Python in the copy, which is imported before the installed package."""
    environment = {**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy with the two files that the guide writes and the two lines that it adds."""
    root = tmp_path / "repository"
    root.mkdir()
    for name in COPIED:
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (
        *ROOT.glob("*.md"),
        *(ROOT / name for name in ("mkdocs.yml", "setup.cfg", "pyproject.toml", "Makefile", "LICENSE")),
    ):
        shutil.copy(file, root)
    method = root / "nnunetv2_semiseg" / "methods" / f"{KEY}.py"
    method.write_text(block("python", '"""Pseudo-Label'), encoding="utf-8")
    page = root / "docs" / "methods" / f"{KEY}.md"
    page.write_text(block("markdown", "# Pseudo-Label"), encoding="utf-8")
    insert(root / "docs" / "index.md", "- [SynFoC]", block("markdown", "- [Pseudo-Label]"))
    insert(root / "mkdocs.yml", "      - SynFoC:", block("yaml", "      - Pseudo-Label"))
    return root


def test_the_method_is_found_and_learns(repository: Path) -> None:
    assert "learned" in python(repository, "-c", LEARNS_A_STEP)


@pytest.mark.slow
def test_the_checks_of_the_guide_pass(repository: Path) -> None:
    for tool in (("ruff", "check"), ("ruff", "format", "--check"), ("mypy",)):
        python(repository, "-m", *tool, f"nnunetv2_semiseg/methods/{KEY}.py")
    python(repository, "docs/generate_reference.py")  # what `make reference` calls
    touched = f"{KEY} or test_site or test_reference"
    tests = ("tests/conformance", "tests/docs", "-k", touched, "-m", "not slow")
    passed = python(repository, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *tests)
    assert " passed" in passed
    assert "failed" not in passed
