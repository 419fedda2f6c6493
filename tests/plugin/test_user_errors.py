"""How nnU-Net's own commands end where a user can mend the cause."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnunetv2_semiseg.commands.plugin import VARIABLE, plugin_path

if TYPE_CHECKING:
    from phantom_workspace import Workspace

PROGRAM = """
import sys
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name
import nnunetv2_semiseg.trainers.made
from nnunetv2_semiseg.core.errors import UserFileError
assert sys.excepthook is sys.__excepthook__
recursive_find_trainer_class_by_name("nnUNetTrainerFixMatch")
raise {error}
"""


def end_of(folder: Path, name: str, error: str) -> list[str]:
    """Lines of the standard error of a program of this name that ends with an error."""
    program = folder / name
    program.write_text(PROGRAM.format(error=error))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", program],
        env={**os.environ, VARIABLE: plugin_path("")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1
    return done.stderr.splitlines()


@pytest.mark.slow
def test_nnunets_programs_alone_show_the_sentence_alone(tmp_path: Path) -> None:
    user_error = 'UserFileError("no weights: fetch them")'
    assert end_of(tmp_path, "nnUNetv2_train", user_error) == ["error: no weights: fetch them"]
    for name, error in (("nnUNetv2_train", 'ValueError("a defect")'), ("predict.py", user_error)):
        assert end_of(tmp_path, name, error)[0] == "Traceback (most recent call last):"


@pytest.mark.slow
def test_a_training_without_weights_says_what_to_do_and_no_more(workspace: Workspace) -> None:
    name = workspace.configure(
        "2d_no_weights", synfoc={"foundation": {"architecture": "vit_b", "random_weights": False}}
    )
    output = workspace.run(
        "nnUNetv2_train", 500, name, 0, "-tr", workspace.trainer_name, "-device", "cpu", code=1
    )
    assert "Traceback" not in output
    last = output.splitlines()[-1]
    assert last.startswith("error: this method needs a foundation checkpoint")
    assert "nnUNetv2_semiseg_weights download" in last
