"""The demo's own parts, and the whole of it with two iterations."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from label_images import make_score, write_png
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from PIL import Image
from planned_unet import planned_unet

from demo.__main__ import MARKER, prepare_folder, rows
from demo.commands import Shell
from demo.figure import Row, draw, overlay
from demo.report import format_table
from demo.small_network import with_small_network
from nnunetv2_semiseg.core.launcher import CommandFailedError
from nnunetv2_semiseg.evaluation.measuring.scores import CLASS_MEAN
from nnunetv2_semiseg.evaluation.results.summary import summarise

ROOT = Path(__file__).parents[2]


def planned_architecture(stages: int) -> dict[str, Any]:
    """As nnU-Net plans a 2D network."""
    return planned_unet(
        [min(32 * 2**stage, 512) for stage in range(stages)],
        n_conv_per_stage=[2] * stages,
        n_conv_per_stage_decoder=[2] * (stages - 1),
    )


@pytest.mark.parametrize("stages", [3, 5, 6])
def test_small_network_is_one_that_nnunet_builds(stages: int) -> None:
    plans = {"configurations": {"2d": {"architecture": planned_architecture(stages)}}}

    small = with_small_network(plans, "2d", "2d_small")["configurations"]["2d_small"]

    built = small["architecture"]
    network = get_network_from_plans(
        built["network_class_name"],
        built["arch_kwargs"],
        built["_kw_requires_import"],
        1,
        3,
        deep_supervision=False,
    )
    assert network(torch.zeros(1, 1, 64, 64)).shape == (1, 3, 64, 64)
    assert small["inherits_from"] == "2d"
    assert plans["configurations"]["2d"]["architecture"] == planned_architecture(stages)


def test_folder_of_a_former_demo_is_replaced(tmp_path: Path) -> None:
    prepare_folder(tmp_path / "out")
    (tmp_path / "out" / "left_over.txt").touch()

    prepare_folder(tmp_path / "out")

    assert not (tmp_path / "out" / "left_over.txt").exists()
    assert (tmp_path / "out" / MARKER).is_file()


def test_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()

    with pytest.raises(ValueError, match="was not made by the demo"):
        prepare_folder(tmp_path)

    assert (tmp_path / "thesis.txt").exists()


def test_commands_are_shown_and_logged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell(tmp_path, {"GREETING": "hello"})

    shell.run(sys.executable, "-c", "import os; print('Pseudo dice', os.environ['GREETING'])")

    shown = capsys.readouterr().out
    assert "$ " in shown
    assert "Pseudo dice hello" in shown
    assert next(tmp_path.glob("01_*.log")).read_text() == "Pseudo dice hello\n"


def test_failing_command_is_reported_with_its_output(tmp_path: Path) -> None:
    with pytest.raises(CommandFailedError, match="exit code 3") as caught:
        Shell(tmp_path, {}).run(sys.executable, "-c", "print('the cause'); raise SystemExit(3)")

    assert "the cause" in str(caught.value)


def test_table_has_a_line_for_each_model() -> None:
    scores = [
        make_score("nnU-Net", f"{domain}_1", domain, dice, label=label)
        for domain, dice in (("A", 0.9), ("B", 0.5))
        for label in ("large", CLASS_MEAN)
    ]

    text = format_table(summarise(scores), labeled="A")

    assert "A (labeled)" in text
    assert [line.split() for line in text.splitlines() if line.startswith("nnU-Net")] == [
        ["nnU-Net", "90.0", "50.0", "70.0"]
    ]
    assert "SYNTHETIC" in text
    assert "RANDOM" in text


def test_rows_are_the_first_case_of_each_domain_with_the_mean_of_its_classes(tmp_path: Path) -> None:
    cases = {"A_1": "A", "A_0": "A", "B_0": "B"}
    folders = [tmp_path / name for name in ("labelsTs", "imagesTs", "unet")]
    for folder, suffix in zip(folders, ("", "_0000", ""), strict=True):
        write_png(folder, **{f"{case}{suffix}": np.eye(4) for case in cases})
    scores = [
        make_score("U-Net", case, domain, dice, label=label)
        for case, domain in cases.items()
        for label, dice in (("large", 0.9), (CLASS_MEAN, 0.25 if case == "A_0" else 0.75))
    ]

    found = rows(tmp_path, {"U-Net": folders[2]}, scores)

    assert [(row.title.splitlines()[0], row.scores) for row in found] == [
        ("domain A", {"U-Net": "25"}),
        ("domain B", {"U-Net": "75"}),
    ]


def test_picture_has_every_row_and_column(tmp_path: Path) -> None:
    labels = np.zeros((16, 16), dtype=np.uint8)
    labels[4:8, 4:8] = 1
    row = Row(
        "domain A", np.full((16, 16), 100, dtype=np.uint8), labels, {"nnU-Net": labels}, {"nnU-Net": "100"}
    )

    draw([row, row], {"background": 0, "large": 1, "small": 2}, tmp_path / "demo.png")

    width, height = Image.open(tmp_path / "demo.png").size
    assert width > 300
    assert height > 300


def test_overlay_colours_labels_only() -> None:
    labels = np.array([[0, 1]], dtype=np.uint8)

    picture = overlay(np.array([[51, 51]], dtype=np.uint8), labels)

    assert np.allclose(picture[0, 0], 0.2)
    assert not np.allclose(picture[0, 1], 0.2)


@pytest.mark.slow
def test_whole_demo(tmp_path: Path) -> None:
    output = tmp_path / "out"
    command = [sys.executable, "-m", "demo", "--quick", "--output", str(output)]

    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout + result.stderr
    assert (output / "demo.png").is_file()
    assert "SynFoC, ensemble" in (output / "table.txt").read_text()
