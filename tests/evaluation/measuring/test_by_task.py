"""Scores by task: unannotated structures count for nothing, and the file has nnU-Net's form."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from nnunetv2.evaluation.evaluate_predictions import compute_metrics_on_folder, load_summary_json
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO

from nnunetv2_semiseg.commands.evaluate_tasks import main
from nnunetv2_semiseg.data.merging.tasks import TaskTable, read_tasks
from nnunetv2_semiseg.evaluation.measuring.by_task import dice_lines, evaluate_by_task, write_summary

CONTENT: dict[str, Any] = {
    "channel_names": {"0": "CT"},
    "file_ending": ".nii.gz",
    "labels": {"background": 0, "liver": 1, "spleen": 2, "tumour": 3},
    "tasks": {
        "liver": {"label": 1, "source": "Dataset511_Liver", "source_label": 1},
        "spleen": {"label": 2, "source": "Dataset512_Spleen", "source_label": 1},
        "tumour": {"label": 3, "source": "Dataset511_Liver", "source_label": 2},
    },
    "case_tasks": {"a": ["liver", "tumour"], "b": ["spleen"], "c": ["liver", "tumour"]},
}
TRUTH = {"a": [1, 1, 0, 0, 3], "b": [0, 2, 2, 0, 0], "c": [1, 0, 0, 0, 0]}
PREDICTED = {"a": [1, 2, 2, 0, 3], "b": [1, 2, 0, 1, 3], "c": [1, 1, 0, 2, 0]}


def write(folder: Path, cases: dict[str, list[int]]) -> Path:
    folder.mkdir()
    for case, values in cases.items():
        image = sitk.GetImageFromArray(np.array(values, dtype=np.uint8).reshape(1, 1, -1))
        sitk.WriteImage(image, str(folder / f"{case}.nii.gz"))
    return folder


@pytest.fixture
def table() -> TaskTable:
    return read_tasks(CONTENT, Path("dataset.json"))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    return write(tmp_path / "predicted", PREDICTED), write(tmp_path / "truth", TRUTH)


def test_each_case_counts_on_its_own_tasks(folders: tuple[Path, Path], table: TaskTable) -> None:
    summary = evaluate_by_task(*folders, table, CONTENT)
    a, b, c = (case["metrics"] for case in summary["metric_per_case"])
    assert a[1]["Dice"] == pytest.approx(2 / 3)
    assert a[3]["Dice"] == 1
    assert b[2]["Dice"] == pytest.approx(2 / 3)
    assert c[1]["Dice"] == pytest.approx(2 / 3)
    # one of a's liver voxels was taken for spleen: missed, and no false positive of anything
    assert (a[1]["TP"], a[1]["FP"], a[1]["FN"]) == (1, 0, 1)
    for metrics, label in ((a, 2), (b, 1), (b, 3), (c, 2)):
        assert all(math.isnan(value) for value in metrics[label].values())
    assert math.isnan(c[3]["Dice"])  # in neither truth nor prediction, as nnU-Net has it
    assert c[3]["FP"] == 0
    dice = {label: metrics["Dice"] for label, metrics in summary["mean"].items()}
    assert dice == pytest.approx({1: 2 / 3, 2: 2 / 3, 3: 1.0})
    assert summary["foreground_mean"]["Dice"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)


def test_the_form_is_that_of_nnunet(folders: tuple[Path, Path], table: TaskTable, tmp_path: Path) -> None:
    write_summary(evaluate_by_task(*folders, table, CONTENT), tmp_path / "ours.json")
    theirs_file = str(tmp_path / "theirs.json")
    predicted, truth = map(str, folders)
    compute_metrics_on_folder(
        truth, predicted, theirs_file, SimpleITKIO(), ".nii.gz", [1, 2, 3], num_processes=1
    )
    ours, theirs = load_summary_json(str(tmp_path / "ours.json")), load_summary_json(theirs_file)
    assert ours.keys() == theirs.keys()
    assert ours["mean"].keys() == theirs["mean"].keys()
    assert ours["foreground_mean"].keys() == theirs["foreground_mean"].keys()
    for one, other in zip(ours["metric_per_case"], theirs["metric_per_case"], strict=True):
        assert one.keys() == other.keys()
        for label, metrics in other["metrics"].items():
            assert one["metrics"][label].keys() == metrics.keys()
            if not math.isnan(one["metrics"][label]["FP"]):
                assert one["metrics"][label] == pytest.approx(metrics, nan_ok=True)
    # what nnU-Net makes of unannotated structures: a spleen in cases without one
    assert theirs["mean"][2]["Dice"] < ours["mean"][2]["Dice"]


def test_a_task_without_a_predicted_case(tmp_path: Path, table: TaskTable) -> None:
    predicted, truth = write(tmp_path / "one", {"b": PREDICTED["b"]}), write(tmp_path / "truth", TRUTH)
    summary = evaluate_by_task(predicted, truth, table, CONTENT)
    assert math.isnan(summary["mean"][1]["Dice"])
    assert summary["foreground_mean"]["Dice"] == pytest.approx(2 / 3)
    assert dice_lines(summary, table)[:2] == ["liver: Dice nan, 0 cases", "spleen: Dice 0.6667, 1 cases"]


def test_what_cannot_be_scored(tmp_path: Path, table: TaskTable) -> None:
    truth = write(tmp_path / "truth", TRUTH)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no label maps"):
        evaluate_by_task(tmp_path / "empty", truth, table, CONTENT)
    with pytest.raises(ValueError, match="case 'x' has no task"):
        evaluate_by_task(write(tmp_path / "unknown", {"x": [0]}), truth, table, CONTENT)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        evaluate_by_task(write(tmp_path / "predicted", PREDICTED), tmp_path / "empty", table, CONTENT)
    with pytest.raises(ValueError, match="cannot be compared"):
        evaluate_by_task(write(tmp_path / "small", {"a": [1, 2]}), truth, table, CONTENT)
    damaged = write(tmp_path / "damaged", {"a": PREDICTED["a"]})
    (damaged / "b.nii.gz").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"b\.nii\.gz cannot be compared"):
        evaluate_by_task(damaged, truth, table, CONTENT)


def test_what_a_case_lacks_is_said_before_any_is_measured(
    folders: tuple[Path, Path], table: TaskTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(*arguments: object) -> None:
        raise AssertionError("a case was measured")

    monkeypatch.setattr("nnunetv2_semiseg.evaluation.measuring.by_task.compute_metrics", measure)
    (folders[1] / "c.nii.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"c\.nii\.gz does not exist"):
        evaluate_by_task(*folders, table, CONTENT)


def test_the_command(
    folders: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("nnunetv2_semiseg.commands.evaluate_tasks.find_raw_dataset", lambda name: tmp_path)
    monkeypatch.setattr("nnunetv2_semiseg.commands.evaluate_tasks.read_dataset_json", lambda folder: CONTENT)
    predicted, truth = map(str, folders)
    monkeypatch.setattr(sys, "argv", ["evaluate", "-d", "510", "-p", predicted, "-r", truth])
    main()
    assert "mean of the tasks: Dice 0.7778" in capsys.readouterr().out
    assert load_summary_json(f"{predicted}/summary.json")["mean"][1]["Dice"] == pytest.approx(2 / 3)
    monkeypatch.setattr(
        sys, "argv", ["evaluate", "-d", "510", "-p", predicted, "-r", truth, "-o", "scores.txt"]
    )
    with pytest.raises(SystemExit):
        main()
    assert "ends with .json" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["evaluate", "-d", "510", "-p", str(tmp_path / "no"), "-r", truth])
    with pytest.raises(SystemExit):
        main()
    assert "no has no label maps ending with .nii.gz" in capsys.readouterr().err
