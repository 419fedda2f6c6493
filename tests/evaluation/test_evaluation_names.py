"""The short imports of a Python user, which load a part of the package only when it is asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from label_images import write_png

from nnunetv2_semiseg import evaluation

HEAVY = ("torch", "nnunetv2", "pandas", "scipy", "matplotlib", "jinja2")


@pytest.mark.parametrize("name", evaluation.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(evaluation, name) is not None


def test_the_import_alone_loads_nothing_heavy() -> None:
    code = f"import nnunetv2_semiseg.evaluation, sys; print(set({HEAVY}) & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_module_that_was_imported_before_does_not_hide_a_name() -> None:
    code = (
        "import nnunetv2_semiseg.evaluation.prediction_folders, nnunetv2_semiseg.evaluation.results.report\n"
        "from nnunetv2_semiseg.evaluation import evaluate, Report\n"
        "print(evaluate.__name__, Report.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["evaluate", "Report"]


def test_from_folders_to_a_table(tmp_path: Path) -> None:
    """What docs promise: two imports, a report, its numbers as a table of pandas."""
    true, unet = (write_png(tmp_path / name, a=np.eye(4), b=np.eye(4)) for name in ("true", "unet"))
    dataset_json = {"labels": {"background": 0, "line": 1}, "file_ending": ".png"}
    report = evaluation.evaluate("Dataset502_P", dataset_json, true, {"U-Net": unet}, num_processes=1)
    assert evaluation.scores_frame(report).groupby("model")["dice"].mean()["U-Net"] == 1
    evaluation.write_report(report, tmp_path / "report")
    assert evaluation.read_report(tmp_path / "report" / "report.json").classes == ("line",)
