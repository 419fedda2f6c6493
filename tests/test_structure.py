"""The direction of imports: each part knows what lies below it and nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "nnunetv2_semiseg"

FORBIDDEN = {
    "distributed": ("networks", "losses", "methods", "data", "trainer", "export", "checkpoint", "commands"),
    "losses": ("networks", "methods", "data", "trainer", "export", "checkpoint", "commands"),
    "networks": ("losses", "methods", "data", "trainer", "export", "checkpoint", "commands"),
    "data": ("methods", "networks", "losses", "trainer", "export", "checkpoint", "commands"),
    "methods": ("data", "checkpoint", "commands"),
    "weights": ("losses", "networks", "methods", "data", "trainer", "export", "checkpoint", "commands"),
    "evaluation": ("methods", "networks", "losses", "trainer", "export", "checkpoint", "comparing"),
    "comparing": ("networks", "losses", "commands"),
    "watching": ("methods", "networks", "losses", "data", "trainer", "export", "checkpoint", "commands"),
}
"""What the modules of a folder must not import."""

BELOW_THE_TRAINER = (
    "batch",
    "config",
    "schedules",
    "labels",
    "tasks",
    "task_limit",
    "mixing",
    "grids",
    "uncertainty",
    "optimization",
    "training_log",
)


def imported(file: Path) -> set[str]:
    """Parts of this package that a file imports, such as ``methods`` or ``trainer``."""
    parts = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        parts |= {name.split(".")[1] for name in names if name.startswith("nnunetv2_semiseg.")}
    return parts


@pytest.mark.parametrize("folder", [name for name in FORBIDDEN if (PACKAGE / name).is_dir()])
def test_folders_look_downwards(folder: str) -> None:
    for file in (PACKAGE / folder).rglob("*.py"):
        wrong = imported(file) & set(FORBIDDEN[folder])
        assert not wrong, f"{file.name} imports {sorted(wrong)}"


def test_nothing_below_knows_the_trainer() -> None:
    for name in BELOW_THE_TRAINER:
        wrong = imported(PACKAGE / f"{name}.py") & {"trainer", "methods", "export", "checkpoint"}
        assert not wrong, f"{name}.py imports {sorted(wrong)}"


def test_only_the_plugin_is_in_the_plugin_folder() -> None:
    assert [file.name for file in (PACKAGE / "plugin").glob("*.py")] == ["semiseg_trainers.py"]


def test_this_test_reads_imports() -> None:
    assert {"losses", "networks", "mixing"} <= imported(PACKAGE / "methods" / "synfoc.py")
