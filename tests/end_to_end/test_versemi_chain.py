"""VerSemi on the real command line: two datasets merged, trained, killed, continued, limited, predicted."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk

from demo.small_network import small_architecture
from nnunetv2_semiseg.data.conversion.phantom import PhantomOptions, write_phantom_dataset

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace

pytestmark = pytest.mark.slow

CONFIGURATION, TRAINER, AVERAGE = "3d_tiny", "nnUNetTrainerVerSemi", "nnUNetTrainerVerSemiEMA"
SOURCES = {511: ("Dataset511_Large", "large organ"), 512: ("Dataset512_Small", "small organ")}
LABELED = 5
"""Cases of each source. As many are unlabeled, and one is for testing."""

MODEL = ("-c", CONFIGURATION, "-f", 0)
HERE = ("-device", "cpu", "-npp", 0, "-nps", 0)


def prepare(workspace: Workspace) -> None:
    """Write two phantoms, merge them so that each has one structure, plan, and configure a tiny training."""
    options = PhantomOptions(domains=1, train=LABELED, test=1, labeled=LABELED - 1, dimension=3, size=32)
    for number, (name, _) in SOURCES.items():
        write_phantom_dataset(workspace.root / "raw", number, name.partition("_")[2], options)
    structures = [f"{number}:{structure}" for number, (_, structure) in SOURCES.items()]
    merging = ("-d", *SOURCES, "-o", 500, "--name", "Phantom", "--structures", *structures)
    assert "label 2: small organ" in workspace.run("nnUNetv2_semiseg_merge_tasks", *merging)
    planning = ("-d", 500, "-c", "3d_fullres", "-np", 1, "-npfp", 1)
    workspace.run("nnUNetv2_plan_and_preprocess", *planning, nnUNet_n_proc_DA="")
    plans = workspace.read_plans()
    planned = plans["configurations"]["3d_fullres"]
    plans["configurations"][CONFIGURATION] = {
        "inherits_from": "3d_fullres",
        "patch_size": [16, 32, 32],
        "architecture": small_architecture(planned["architecture"], max_stages=3, features=8),
        "semiseg": {
            "epochs": 2,
            "iterations_per_epoch": 2,
            "validation_iterations_per_epoch": 1,
            "save_every": 1,
            "labeled_batch_size": 2,
            "unlabeled_batch_size": 2,
            "seed": 1,
        },
    }
    workspace.write_plans(plans)


def train_with_a_kill(workspace: Workspace) -> tuple[str, str]:
    """Kill the training after its first epoch and go on with it; the logs of both."""
    command = ("nnUNetv2_train", 500, CONFIGURATION, 0, "-tr", TRAINER, "-device", "cpu")
    process = workspace.start(*command)
    fold = workspace.model(TRAINER, CONFIGURATION) / "fold_0"
    deadline = time.monotonic() + 600
    while not (fold / "checkpoint_latest.pth").is_file():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "no checkpoint within ten minutes"
        time.sleep(0.02)
    workspace.kill(process)
    before, _ = process.communicate()
    return before, workspace.run(*command, "--c")


def predictions(folder: Path) -> dict[str, Any]:
    return {file.name: sitk.GetArrayFromImage(sitk.ReadImage(str(file))) for file in folder.glob("*.nii.gz")}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def logits(folder: Path) -> dict[str, Any]:
    """What the softmax was made of, up to the background's: ``d_1, ..., d_T``."""
    found = {}
    for file in sorted(folder.glob("*.npz")):
        probabilities = np.load(file)["probabilities"].astype(np.float64)
        found[file.stem] = np.log(probabilities[1:]) - np.log(probabilities[:1])
    return found


def test_merge_train_kill_resume_predict_split_and_limit(empty_workspace: Workspace) -> None:
    workspace = empty_workspace
    prepare(workspace)
    before, after = train_with_a_kill(workspace)
    check_logs(before, after)
    check_summaries(workspace)

    whole = workspace.root / "predicted"
    images = ("-i", workspace.raw / "imagesTs")
    predict = ("nnUNetv2_predict", *images, "-o", whole, "-d", 500, *MODEL, "-tr", TRAINER, *HERE)
    workspace.run(*predict, "--save_probabilities")
    assert len(predictions(whole)) == len(SOURCES)
    check_split(workspace, whole)
    check_scores(workspace, whole)
    check_ensemble(workspace, whole)
    check_limited(workspace, whole)


def check_logs(before: str, after: str) -> None:
    assert "task small organ: label 2, " in before
    assert "50.0% of the labeled samples" in before
    assert "partner" in before
    assert "consistency" not in before.partition("Current learning rate")[2]  # labeled images alone
    assert "consistency" in after
    assert "region" in after
    assert "agreement" in after
    assert "count each case on its own tasks" in after


def check_summaries(workspace: Workspace) -> None:
    """Of both networks: each case has values for its own structure alone."""
    content = workspace.dataset_json
    for trainer in (TRAINER, AVERAGE):
        model = workspace.model(trainer, CONFIGURATION)
        summary = json.loads((model / "fold_0" / "validation" / "summary.json").read_text())
        assert summary["metric_per_case"]
        for case in summary["metric_per_case"]:
            name = Path(case["prediction_file"]).name.removesuffix(".nii.gz")
            own = {str(content["labels"][task]) for task in content["case_tasks"][name]}
            counted = {label for label, values in case["metrics"].items() if not np.isnan(values["n_ref"])}
            assert counted == own


def check_split(workspace: Workspace, whole: Path) -> None:
    by_source = workspace.root / "by_source"
    workspace.run("nnUNetv2_semiseg_split_tasks", "-d", 500, "-i", whole, "-o", by_source)
    assert sorted(folder.name for folder in by_source.iterdir()) == [name for name, _ in SOURCES.values()]
    for name, structure in SOURCES.values():
        labels = json.loads((workspace.root / "raw" / name / "dataset.json").read_text())["labels"]
        for array in predictions(by_source / name).values():
            assert set(np.unique(array)) <= {0, labels[structure]}


def check_scores(workspace: Workspace, whole: Path) -> None:
    folders = ("-p", whole, "-r", workspace.raw / "labelsTs")
    output = workspace.run("nnUNetv2_semiseg_evaluate_tasks", "-d", 500, *folders)
    assert "large organ: Dice" in output
    assert (whole / "summary.json").is_file()


def check_ensemble(workspace: Workspace, whole: Path) -> None:
    """The student and its average, with nnU-Net's command."""
    average, ensemble = workspace.root / "average", workspace.root / "ensemble"
    images = ("-i", workspace.raw / "imagesTs", "-o", average)
    predict = ("nnUNetv2_predict", *images, "-d", 500, *MODEL, "-tr", AVERAGE, *HERE)
    workspace.run(*predict, "--save_probabilities")
    workspace.run("nnUNetv2_ensemble", "-i", whole, average, "-o", ensemble, "-np", 1, "--save_npz")
    for file in ensemble.glob("*.npz"):
        both = [np.load(folder / file.name)["probabilities"] for folder in (whole, average)]
        found = np.load(file)["probabilities"]
        assert found.shape[0] == 1 + len(SOURCES)
        np.testing.assert_allclose(found, np.mean(both, axis=0), atol=1e-3)
    assert len(predictions(ensemble)) == len(SOURCES)


def check_limited(workspace: Workspace, whole: Path) -> None:
    """A model of one task has the whole one's logits of that task, also from a zip file."""
    limited = workspace.results.parent / "Dataset520_SmallOrgan" / f"{TRAINER}__nnUNetPlans__{CONFIGURATION}"
    export = ("nnUNetv2_semiseg_export_tasks", "-d", 500, *MODEL, "-o", limited, "--tasks")
    refused = workspace.run(*export, "spleen", code=1)
    assert "has no task 'spleen'; it has large organ, small organ" in refused
    assert "label 1: small organ" in workspace.run(*export, "small organ")
    output = workspace.root / "limited"
    images = ("-i", workspace.raw / "imagesTs", "-o", output)
    one_process = ("-device", "cpu", "-npp", 1, "-nps", 1)  # this command knows no 0
    from_folder = ("nnUNetv2_predict_from_modelfolder", "-m", limited, *images, "-f", 0, *one_process)
    workspace.run(*from_folder, "--save_probabilities")
    expected, found = logits(whole), logits(output)
    assert expected.keys() == found.keys()
    for case, values in found.items():
        assert len(values) == 1
        np.testing.assert_allclose(values[0], expected[case][1], atol=0.05)

    file = workspace.root / "small_organ.zip"
    zipping = ("-d", 520, *MODEL, "-tr", TRAINER, "-o", file)
    workspace.run("nnUNetv2_export_model_to_zip", *zipping)
    before = contents(limited)
    shutil.rmtree(limited.parent)
    workspace.run("nnUNetv2_install_pretrained_model_from_zip", file)
    installed = contents(limited)
    assert installed
    assert installed.items() <= before.items()
    assert {"plans.json", "dataset.json", "fold_0/checkpoint_final.pth"} <= installed.keys()
