"""The command ``nnUNetv2_semiseg_evaluate``: one line for a mistake, a folder for a report."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from markdown_code import one_space
from PIL import Image

from nnunetv2_semiseg.commands.evaluate import main
from nnunetv2_semiseg.evaluation.results.report import read_report


def write(folder: Path, *cases: str) -> Path:
    folder.mkdir()
    for case in cases:
        Image.fromarray(np.array([[0, 1], [1, 1]], dtype=np.uint8)).save(folder / f"{case}.png")
    return folder


@pytest.fixture(autouse=True)
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "raw" / "Dataset502_Prostate"
    folder.mkdir(parents=True)
    content = {"channel_names": {"0": "MRI"}, "labels": {"background": 0, "p": 1}, "file_ending": ".png"}
    (folder / "dataset.json").write_text(json.dumps(content))
    write(folder / "labelsTs", "a", "b")
    for name in ("raw", "preprocessed", "results"):
        monkeypatch.setenv(f"nnUNet_{name}", str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    return folder


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["evaluate", "-np", "1", *arguments])
    main()


def test_a_report_and_its_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "unet", "a", "b")
    write(tmp_path / "sam", "a", "b")
    arguments = ("-d", "502", "-p", "unet", "sam", "--names", "U-Net", "SAM", "-o", "report", "--seed", "3")
    run(monkeypatch, *arguments)
    output = capsys.readouterr().out
    assert "| p | U-Net | 100.0 ± 0.0 |" in one_space(output)
    assert "HD95 in px" in output
    report = read_report(tmp_path / "report" / "report.json")
    assert (report.dataset, report.models, report.seed) == (
        "Dataset502_Prostate",
        {"U-Net": "unet", "SAM": "sam"},
        3,
    )


def test_cases_that_are_left_out_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "unet", "a")
    run(monkeypatch, "-d", "502", "-p", "unet", "-o", "report", "--common-cases")
    assert "1 cases are not in all folders and left out" in capsys.readouterr().err


def test_domains_of_other_cases_are_said(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "unet", "a", "b")
    file = dataset / "dataset.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "domains": {"a.png": "A", "b.png": "B"}}))
    run(monkeypatch, "-d", "502", "-p", "unet", "-o", "report")
    assert "notes domains of other cases alone, such as 'a.png'" in capsys.readouterr().err
    file.write_text(json.dumps({**content, "domains": {"a": "A", "b": "B"}}))
    run(monkeypatch, "-d", "502", "-p", "unet", "-o", "report", "--overwrite")
    assert "domains" not in capsys.readouterr().err


def test_empty_predictions_stand_below_the_means(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where Dice 0 counts in the mean, one sees of how many cases."""
    write(tmp_path / "unet", "a", "b")
    arguments = ("-d", "502", "-p", "unet", "-o", "report", "--overwrite")
    run(monkeypatch, *arguments)
    assert "empty" not in capsys.readouterr().out
    Image.fromarray(np.zeros((2, 2), dtype=np.uint8)).save(tmp_path / "unet" / "b.png")
    run(monkeypatch, *arguments)
    output = capsys.readouterr().out
    assert "| p | unet | 50.0 ± 70.7 |" in one_space(output)
    assert "| class | model | domain | cases | empty predictions |" in one_space(output)
    assert "| p | unet | all | 2 | 1 | 0 | 0 | 0 |" in one_space(output)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-d", "502", "-p", "partly", "-o", "report"), "partly lacks 1 of 2 cases"),
        (("-d", "502", "-p", "more", "-o", "report"), "without true labels"),
        (("-d", "502", "-p", "nowhere", "-o", "report"), "nowhere is not a folder"),
        (("-d", "502", "-p", "partly", "-r", "nowhere", "-o", "report"), "nowhere is not a folder"),
        (("-d", "503", "-p", "partly", "-o", "report"), "no dataset with id 503"),
        (("-d", "502", "-p", "partly", "-i", "nowhere", "-o", "report"), "images of the cases by -i"),
        (("-d", "502", "-p", "partly", "--models", "-", "-", "-o", "report"), "have 2 model folders"),
        (("-d", "502", "-p", "partly", "--models", "nowhere", "-o", "report"), "name a model folder"),
        (
            ("-d", "502", "-p", "partly", "--models", "more", "-o", "report"),
            "no fold with checkpoint_final.pth",
        ),
        (("-d", "502", "-p", "partly", "more", "--names", "x", "-o", "report"), "have 1 names"),
        (("-d", "502", "-p", "partly", "-o", "more"), "more has other files"),
    ],
)
def test_mistakes_end_with_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    write(tmp_path / "partly", "a")
    write(tmp_path / "more", "a", "b", "c")
    with pytest.raises(SystemExit):
        run(monkeypatch, *arguments)
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "report").exists()


def test_a_dataset_without_test_labels(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (dataset / "labelsTs").rename(dataset / "labelsTr")
    with pytest.raises(SystemExit):
        run(monkeypatch, "-d", "502", "-p", "unet", "-o", "report")
    assert "name the folder with the true labels by -r" in capsys.readouterr().err


def test_the_page_has_pictures_and_training_curves(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "unet", "a", "b")
    write(tmp_path / "ensemble", "a", "b")
    arguments = ("-d", "502", "-p", "unet", "ensemble", "--overwrite", "-o", "report")
    run(monkeypatch, *arguments)
    assert "Wrote report/report.html" in capsys.readouterr().out
    page = tmp_path / "report" / "report.html"
    assert "imagesTs is no folder. Name their folder by -i." in page.read_text()
    assert "Training" not in page.read_text()

    write(dataset / "imagesTs", "a_0000", "b_0000")
    (tmp_path / "model" / "fold_all").mkdir(parents=True)
    checkpoint = {"logging": {"train_losses": [1.0, 0.5]}}
    torch.save(checkpoint, tmp_path / "model" / "fold_all" / "checkpoint_final.pth")
    run(monkeypatch, *arguments, "--models", "model", "-")
    text = page.read_text()
    assert text.count("data:image/png") == 2
    assert "training in h" in text
    assert (tmp_path / "report" / "trainings.csv").is_file()
    assert "No model folder is named for ensemble." in text
    run(monkeypatch, *arguments, "-i", str(tmp_path / "unet"))
    assert "unet has no images named CASE_0000.png. Name their folder by -i." in page.read_text()


@pytest.mark.slow
def test_processes_change_nothing_and_pass_errors_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "unet", "a", "b")
    run(monkeypatch, "-d", "502", "-p", "unet", "-o", "one")
    # a command line of its own: processes started by a process of pytest-xdist wait for each other
    command = [
        sys.executable,
        "-m",
        "nnunetv2_semiseg.commands.evaluate",
        "-d",
        "502",
        "-p",
        "unet",
        "-np",
        "2",
    ]
    subprocess.run([*command, "-o", "two"], check=True, timeout=300)
    assert (tmp_path / "one" / "report.json").read_text() == (tmp_path / "two" / "report.json").read_text()
    Image.fromarray(np.full((2, 2), 7, dtype=np.uint8)).save(tmp_path / "unet" / "b.png")
    failed = subprocess.run([*command, "-o", "three"], capture_output=True, text=True, timeout=300)
    assert failed.returncode == 1
    assert "b.png has the label 7" in failed.stderr.splitlines()[-1]
    assert not (tmp_path / "three").exists()


@pytest.mark.parametrize("option", [("-np", "0"), ("--seed", "-1"), ("-np", "two")])
def test_numbers_that_make_no_sense(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: tuple[str, str]
) -> None:
    with pytest.raises(SystemExit):
        run(monkeypatch, "-d", "502", "-p", "unet", "-o", "report", *option)
    assert f"argument {option[0]}" in capsys.readouterr().err
