"""`make lint` notices an import that leads upward, wherever it is hidden."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(
        ROOT / "nnunetv2_semiseg",
        tmp_path / "nnunetv2_semiseg",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return tmp_path


def run(folder: Path, tool: str, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [Path(sys.executable).parent / tool, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def append(file: Path, code: str) -> None:
    file.write_text(f"{file.read_text()}\n\n{code}")


def test_an_import_inside_a_function_is_seen(copy: Path) -> None:
    assert run(copy, "lint-imports", "--no-cache")[0] == 0
    append(
        copy / "nnunetv2_semiseg" / "core" / "batch.py",
        "def _upward() -> None:\n    import nnunetv2_semiseg.trainers.semiseg  # noqa: F401\n",
    )
    code, output = run(copy, "lint-imports", "--no-cache")
    assert code == 1
    assert "core is not allowed to import nnunetv2_semiseg.trainers" in " ".join(output.split())


@pytest.mark.parametrize("code", ["importlib.import_module(name)", "importlib.util.find_spec(name)"])
def test_what_the_import_linter_cannot_see_is_forbidden(copy: Path, code: str) -> None:
    """It would be a way around it: ``importlib.import_module("nnunetv2_semiseg.trainers.semiseg")``."""
    file = copy / "nnunetv2_semiseg" / "core" / "hidden.py"
    file.write_text(
        f'"""Hides an import."""\n\nimport importlib.util\n\n\ndef load(name: str) -> object:\n'
        f'    """Import a module by its name."""\n    return {code}\n'
    )
    ended, output = run(copy, "ruff", "check", "--no-cache", "nnunetv2_semiseg/core")
    assert ended == 1
    assert "TID251" in output


def test_circles_are_seen(copy: Path) -> None:
    append(
        copy / "nnunetv2_semiseg" / "methods" / "step.py",
        "from nnunetv2_semiseg.methods.base import Setting  # noqa: E402, F401\n",
    )
    code, output = run(copy, "lint-imports", "--no-cache")
    assert code == 1
    assert "No circles BROKEN" in output
