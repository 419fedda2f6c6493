"""Model folders of some tasks: what is in them, and what cannot be limited."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from nnunetv2.evaluation.evaluate_predictions import load_summary_json
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from tiny_training import SIZE, tiny_plans

from nnunetv2_semiseg.commands.export_tasks import main
from nnunetv2_semiseg.evaluation.measuring.by_task import METRICS, write_summary
from nnunetv2_semiseg.trainers.engine.checkpoint import COMPANION_KEY
from nnunetv2_semiseg.trainers.export_tasks import export_tasks
from nnunetv2_semiseg.trainers.made import nnUNetTrainerVerSemi, nnUNetTrainerVerSemiEMA

NAMES = ("liver", "spleen", "tumour")
DATASET: dict[str, Any] = {
    "channel_names": {"0": "CT"},
    "file_ending": ".nii.gz",
    "labels": {"background": 0} | {name: label for label, name in enumerate(NAMES, start=1)},
    "tasks": {
        name: {"label": label, "source": f"Dataset51{label}_X", "source_label": 1}
        for label, name in enumerate(NAMES, start=1)
    },
    "case_tasks": {"a": ["liver"], "b": ["spleen"], "c": ["tumour"]},
}


def summary() -> dict[str, Any]:
    """Each case counts for the task of its name, with Dice 0.1, 0.2, 0.3."""
    cases = []
    for index, case in enumerate("abc", start=1):
        metrics = {label: dict.fromkeys(METRICS, math.nan) for label in (1, 2, 3)}
        metrics[index] = dict.fromkeys(METRICS, index / 10)
        cases.append({"prediction_file": case, "reference_file": case, "metrics": metrics})
    mean = {label: dict.fromkeys(METRICS, label / 10) for label in (1, 2, 3)}
    return {"metric_per_case": cases, "mean": mean, "foreground_mean": dict.fromkeys(METRICS, 0.2)}


def build(folder: Path) -> torch.nn.Module:
    """The network that nnU-Net's predictor builds from a model folder."""
    plans = PlansManager(json.loads((folder / "plans.json").read_text()))
    heads = len(json.loads((folder / "dataset.json").read_text())["labels"])
    return nnUNetTrainerVerSemi.build_network_architecture(
        plans, plans.get_configuration("tiny"), 1, heads, False
    )


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "fold_0" / "validation").mkdir(parents=True)
    (folder / "plans.json").write_text(json.dumps(tiny_plans(2, {"versemi": {}})))
    (folder / "dataset.json").write_text(json.dumps(DATASET))
    (folder / "fold_0" / "progress.png").write_bytes(b"picture")
    write_summary(summary(), folder / "fold_0" / "validation" / "summary.json")
    write_checkpoint(folder, "nnUNetTrainerVerSemi")
    return folder


def write_checkpoint(model: Path, trainer: str) -> None:
    torch.manual_seed(0)
    checkpoint = {
        "network_weights": build(model).state_dict(),
        "trainer_name": trainer,
        "init_args": {"configuration": "tiny", "plans": {}, "dataset_json": DATASET, "fold": 0},
        "inference_allowed_mirroring_axes": (0,),
        "optimizer_state": {"large": 1},
        "grad_scaler_state": None,
        COMPANION_KEY: {},
    }
    torch.save(checkpoint, model / "fold_0" / "checkpoint_final.pth")


def load(folder: Path) -> dict[str, Any]:
    content = torch.load(folder / "fold_0" / "checkpoint_final.pth", weights_only=False)
    return dict(content)


@torch.no_grad()
def test_the_limited_model_answers_its_tasks_alone(model: Path, tmp_path: Path) -> None:
    export_tasks(model, ["0"], ["tumour", "liver"], tmp_path / "limited")
    checkpoint, images = load(tmp_path / "limited"), torch.randn(2, 1, SIZE, SIZE)
    whole, limited = build(model), build(tmp_path / "limited")
    for network in (whole, limited):
        network.load_state_dict(checkpoint["network_weights"])
    torch.testing.assert_close(limited(images), whole(images)[:, [0, 3, 1]])


@torch.no_grad()
def test_a_limited_model_can_be_limited_again(model: Path, tmp_path: Path) -> None:
    export_tasks(model, ["0"], ["tumour", "liver"], tmp_path / "once")
    export_tasks(tmp_path / "once", ["0"], ["liver"], tmp_path / "twice")
    images, networks = torch.randn(2, 1, SIZE, SIZE), (build(model), build(tmp_path / "twice"))
    for network in networks:
        network.load_state_dict(load(model)["network_weights"])
    torch.testing.assert_close(networks[1](images), networks[0](images)[:, [0, 1]])


def test_files_of_the_limited_model(model: Path, tmp_path: Path) -> None:
    (model / "dataset_fingerprint.json").write_text("{}")
    table = export_tasks(model, ["0"], ["tumour", "liver"], tmp_path / "limited")
    assert [task.name for task in table.tasks] == ["tumour", "liver"]
    content = json.loads((tmp_path / "limited" / "dataset.json").read_text())
    assert content["labels"] == {"background": 0, "tumour": 1, "liver": 2}
    assert content["case_tasks"] == {"a": ["liver"], "c": ["tumour"]}
    assert content["channel_names"] == DATASET["channel_names"]
    fold = tmp_path / "limited" / "fold_0"
    assert (fold / "progress.png").read_bytes() == b"picture"
    assert (tmp_path / "limited" / "dataset_fingerprint.json").is_file()
    checkpoint = load(tmp_path / "limited")
    assert checkpoint["trainer_name"] == "nnUNetTrainerVerSemi"
    assert checkpoint["optimizer_state"] is None
    assert COMPANION_KEY not in checkpoint
    assert checkpoint["init_args"]["dataset_json"] == content
    scores = load_summary_json(str(fold / "validation" / "summary.json"))
    assert [case["prediction_file"] for case in scores["metric_per_case"]] == ["a", "c"]
    assert {label: values["Dice"] for label, values in scores["mean"].items()} == {1: 0.3, 2: 0.1}
    assert scores["foreground_mean"]["Dice"] == pytest.approx(0.2)


def test_what_cannot_be_limited(model: Path, tmp_path: Path) -> None:
    output = tmp_path / "limited"
    with pytest.raises(ValueError, match="has no task 'heart'; it has liver, spleen, tumour"):
        export_tasks(model, ["0"], ["heart"], output)
    with pytest.raises(FileNotFoundError, match=r"fold_1.*train this model first"):
        export_tasks(model, ["0", "1"], ["liver"], output)
    write_checkpoint(model, "nnUNetTrainerFixMatch")
    names = f"{nnUNetTrainerVerSemi.__name__} or {nnUNetTrainerVerSemiEMA.__name__}"
    with pytest.raises(ValueError, match=f"of nnUNetTrainerFixMatch, which cannot .* {names}"):
        export_tasks(model, ["0"], ["liver"], output)
    assert not output.exists()
    output.mkdir()
    with pytest.raises(ValueError, match="exists; use --overwrite"):
        export_tasks(model, ["0"], ["liver"], output)
    write_checkpoint(model, "nnUNetTrainerVerSemiEMA")
    export_tasks(model, ["0"], ["liver"], output, overwrite=True)
    assert load(output)["trainer_name"] == "nnUNetTrainerVerSemiEMA"


def test_the_command_takes_what_nnunet_trains_by_default(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "results"))
    target = tmp_path / "results" / "Dataset510_All" / "nnUNetTrainerVerSemi__nnUNetPlans__3d_fullres"
    target.parent.mkdir(parents=True)
    model.rename(target)
    output = tmp_path / "limited"
    command = ["export", "-d", "510", "--tasks", "spleen", "tumour", "-o", str(output)]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit):
        main()
    assert f"error: {target / 'fold_1'}" in capsys.readouterr().err  # all five folds, and one is there
    monkeypatch.setattr(sys, "argv", [*command, "-f", "0"])
    main()
    assert "label 1: spleen\nlabel 2: tumour\n" in capsys.readouterr().out
    assert json.loads((output / "dataset.json").read_text())["labels"] == {
        "background": 0,
        "spleen": 1,
        "tumour": 2,
    }
