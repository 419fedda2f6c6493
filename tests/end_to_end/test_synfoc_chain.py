"""The whole way through nnU-Net's own commands, each in a process of its own."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace

pytestmark = pytest.mark.slow

PHANTOM = Path(__file__).parents[2] / "dataset_conversion" / "Dataset500_Phantom.py"
CONFIGURATION = "2d_chain"


def make_data(workspace: Workspace) -> None:
    sizes = ("--num-domains", 2, "--num-train", 6, "--num-test", 1, "--num-labeled", 6, "--size", 64)
    workspace.run(sys.executable, PHANTOM, *sizes)
    planning = ("-d", 500, "-c", "2d", "--verify_dataset_integrity", "-np", 1, "-npfp", 1)
    output = workspace.run("nnUNetv2_plan_and_preprocess", *planning, nnUNet_n_proc_DA="")
    assert "verify_dataset_integrity Done" in output
    workspace.write_tiny_configurations()


def train(workspace: Workspace, *options: str, trainer: str, code: int = 0) -> str:
    command = ("nnUNetv2_train", 500, CONFIGURATION, 0, "-tr", trainer, "-device", "cpu")
    return workspace.run(*command, *options, code=code)


def predict(workspace: Workspace, trainer: str, output: Path) -> dict[str, NDArray[np.floating]]:
    """Predict the test images; probabilities by case."""
    images = ("-i", workspace.raw / "imagesTs", "-o", output)
    model = ("-d", 500, "-c", CONFIGURATION, "-f", 0, "-tr", trainer, "-device", "cpu")
    # no background processes, each of which would import torch for seconds
    workspace.run("nnUNetv2_predict", *images, *model, "-npp", 0, "-nps", 0, "--save_probabilities")
    found = {file.stem: np.load(file)["probabilities"] for file in output.glob("*.npz")}
    assert sorted(found) == ["A_0006", "B_0006"]
    assert {file.stem for file in output.glob("*.png")} == set(found)
    return found


def validation_scores(workspace: Workspace, trainer: str) -> object:
    folder = workspace.model(trainer, CONFIGURATION) / "fold_0" / "validation"
    assert len(list(folder.glob("*.npz"))) == 2
    return json.loads((folder / "summary.json").read_text())["metric_per_case"]


def assert_equal(first: dict[str, NDArray[np.floating]], second: dict[str, NDArray[np.floating]]) -> None:
    assert first.keys() == second.keys()
    for case, probabilities in first.items():
        np.testing.assert_array_equal(probabilities, second[case])


def test_from_raw_images_to_another_machine(empty_workspace: Workspace) -> None:
    workspace = empty_workspace
    trainers = (workspace.trainer_name, workspace.foundation_name)
    make_data(workspace)
    foundation = workspace.write_sam_file(workspace.root / "foundation.pth")
    settings = ("epochs=2", "iterations_per_epoch=2", "validation_iterations_per_epoch=1", "seed=1")
    sam = ("architecture=vit_tiny", "image_size=64", f"checkpoint={foundation}")
    inherit = ("-d", 500, "-c", "2d_small", "--name", CONFIGURATION)
    foundation_settings = [f"synfoc.foundation.{setting}" for setting in sam]
    workspace.run("nnUNetv2_semiseg_configure", *inherit, *settings, *foundation_settings)

    refusal = train(workspace, trainer=trainers[1], code=1)
    assert "cannot be trained on its own" in refusal
    train(workspace, "--npz", trainer=trainers[0])
    scores = [validation_scores(workspace, trainer) for trainer in trainers]
    assert scores[0] != scores[1]

    # all that only training needs is gone: foundation weights and unlabeled images
    foundation.unlink()
    shutil.rmtree(workspace.raw / "imagesUn")
    for leftover in workspace.preprocessed.glob("*_unlabeled*"):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    for trainer in trainers:
        shutil.rmtree(workspace.model(trainer, CONFIGURATION) / "fold_0" / "validation")
    train(workspace, "--npz", "--val", trainer=trainers[0])
    again = [validation_scores(workspace, trainer) for trainer in trainers]
    assert json.dumps(again) == json.dumps(scores)  # as text, in which NaN equals NaN

    folders = [workspace.root / trainer for trainer in trainers]
    predicted = [predict(workspace, *job) for job in zip(trainers, folders, strict=True)]
    assert all(not np.allclose(predicted[0][case], predicted[1][case], atol=1e-3) for case in predicted[0])

    ensemble = workspace.root / "ensemble"
    workspace.run("nnUNetv2_ensemble", "-i", *folders, "-o", ensemble, "-np", 1, "--save_npz")
    for case, probabilities in predicted[0].items():
        mean = (probabilities.astype(np.float32) + predicted[1][case]) / 2
        np.testing.assert_allclose(np.load(ensemble / f"{case}.npz")["probabilities"], mean, atol=1e-3)

    best = ("nnUNetv2_find_best_configuration", 500, "-c", CONFIGURATION, "-f", 0, "-tr", *trainers)
    workspace.run(*best, "-np", 1)
    compared = json.loads((workspace.results / "inference_information.json").read_text())["all_results"]
    assert len(compared) == 3, "both models and their ensemble"

    other = type(workspace)(workspace.root / "other_machine")
    other.root.mkdir()
    other.make_folders()
    shutil.copytree(workspace.raw / "imagesTs", other.raw / "imagesTs")
    file = (
        workspace.root / "foundation.zip"
    )  # of the two, the model that needs more than nnU-Net's own network
    model = ("-d", 500, "-c", CONFIGURATION, "-f", 0, "-tr", trainers[1])
    workspace.run("nnUNetv2_export_model_to_zip", *model, "-o", file)
    other.run("nnUNetv2_install_pretrained_model_from_zip", file)
    assert_equal(predict(other, trainers[1], other.root / "predicted"), predicted[1])
