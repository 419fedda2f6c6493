"""nnU-Net's folders for tests: empty, or with a tiny planned dataset, made once a session and copied."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from phantom_workspace import DATASET_ID, IMAGE_SIZE, LABELED, TESTED, TRAINER, Workspace
from threads import use_threads


def plan_here(workspace: Workspace) -> None:
    """Plan and preprocess a phantom in this process; planning crashes where nnUNet_n_proc_DA is 0."""
    from nnunetv2.experiment_planning import plan_and_preprocess_api as api

    api.extract_fingerprints([DATASET_ID], num_processes=1, verbose=False, show_progress_bar=False)
    api.plan_experiments([DATASET_ID], gpu_memory_target_in_gb=1)
    api.preprocess([DATASET_ID], configurations=("2d",), num_processes=[1], show_progress_bar=False)
    workspace.write_tiny_configurations()


@pytest.fixture(autouse=True)
def no_weights_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Foundation weights that a developer has downloaded are found by no test."""
    monkeypatch.setenv("nnUNet_semiseg_weights", os.devnull)


@pytest.fixture(scope="session")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Root of a planned and preprocessed phantom, unlabeled images included. Copy it, don't change it."""
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    from nnunetv2_semiseg.data.conversion.phantom import PhantomOptions, write_phantom_dataset
    from nnunetv2_semiseg.data.unlabeled.preprocessing import preprocess_unlabeled

    workspace = Workspace(tmp_path_factory.mktemp("planned"))
    workspace.make_folders()
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_threads(monkeypatch)
        for name, value in workspace.environment(nnUNet_n_proc_DA="1").items():
            monkeypatch.setenv(name, value)
        options = PhantomOptions(domains=2, train=LABELED, test=TESTED // 2, labeled=LABELED, size=IMAGE_SIZE)
        write_phantom_dataset(workspace.root / "raw", DATASET_ID, "Phantom", options)
        plan_here(workspace)
        manager = PlansManager(workspace.read_plans())
        configuration = manager.get_configuration("2d")
        preprocess_unlabeled(workspace.dataset, manager, configuration, workspace.dataset_json, 1)
    return workspace.root


@pytest.fixture(scope="session")
def copy_planned(planned: Path) -> Callable[[Path], Workspace]:
    """Makes a workspace of its own at a path that does not exist yet."""

    def copy(root: Path) -> Workspace:
        shutil.copytree(planned, root)
        return Workspace(root)

    return copy


@pytest.fixture
def raw_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """nnUNet_raw, existing and empty; the other two folders of nnU-Net lie beside it."""
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path / "nnUNet_raw"


@pytest.fixture
def empty_workspace(tmp_path: Path) -> Workspace:
    """No dataset and no plans: for commands that make them."""
    workspace = Workspace(tmp_path / "empty")
    workspace.root.mkdir()
    workspace.make_folders()
    return workspace


@pytest.fixture
def workspace(
    tmp_path: Path, copy_planned: Callable[[Path], Workspace], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workspace]:
    """A copy of the planned phantom; nnU-Net's variables of this process point to it."""
    copied = copy_planned(tmp_path / "nnunet")
    use_threads(monkeypatch)
    for name, value in copied.environment().items():
        monkeypatch.setenv(name, value)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    # one thread for the same reason as in `Workspace.start`
    monkeypatch.setattr(torch, "set_num_threads", lambda number: None)
    yield copied
    monkeypatch.undo()
    torch.set_num_threads(threads)


@pytest.fixture
def train(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``nnUNetv2_train`` in this process; takes what follows the dataset on its command line."""
    from nnunetv2.run.run_training import run_training_entry

    def run(configuration: str, fold: int | str, *options: object, trainer: str = TRAINER) -> None:
        arguments = ["nnUNetv2_train", DATASET_ID, configuration, fold, "-tr", trainer, "-device", "cpu"]
        monkeypatch.setattr(sys, "argv", [str(part) for part in (*arguments, *options)])
        run_training_entry()

    return run


@pytest.fixture
def predict(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """``nnUNetv2_predict`` in this process with a trainer's network; probabilities by case."""
    from nnunetv2.inference.predict_from_raw_data import predict_entry_point

    def run(images: Path, trainer: str, configuration: str = "2d_tiny") -> dict[str, Any]:
        output = workspace.root / f"predicted_{trainer}"
        model = ("-d", DATASET_ID, "-c", configuration, "-f", 0, "-tr", trainer, "-device", "cpu")
        here = ("-npp", 0, "-nps", 0, "--save_probabilities")
        arguments = ["nnUNetv2_predict", "-i", images, "-o", output, *model, *here]
        monkeypatch.setattr(sys, "argv", [str(part) for part in arguments])
        predict_entry_point()
        return {file.stem: np.load(file)["probabilities"] for file in output.glob("*.npz")}

    return run
