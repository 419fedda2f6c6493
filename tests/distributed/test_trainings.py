"""Every trainer on two processes: equal weights on both, one of them writes, both go on from a checkpoint."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from phantom_tasks import write_tasks
from rank_processes import on_ranks
from rank_trainings import train_all, train_and_resume

from nnunetv2_semiseg.trainers.engine.checkpoint import COMPANION_KEY
from nnunetv2_semiseg.trainers.exported import nnUNetTrainerExported
from nnunetv2_semiseg.trainers.made import all_trainers
from nnunetv2_semiseg.trainers.watching.watch import PICTURE_FILE

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace

pytestmark = pytest.mark.slow

ALL = all_trainers()
EXPORTED = [name for name, kind in ALL.items() if issubclass(kind, nnUNetTrainerExported)]
TRAINED = sorted(set(ALL) - set(EXPORTED) - {"nnUNetTrainerSemiSeg"})


def different(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> list[str]:
    assert first.keys() == second.keys()
    return [name for name in first if not torch.equal(first[name], second[name])]


def test_every_trainer_trains_the_same_weights_on_both_and_rank_zero_alone_writes(
    workspace: Workspace,
) -> None:
    write_tasks(workspace)
    plans = workspace.read_plans()
    plans["configurations"]["2d_tiny"]["semiseg"].update(
        epochs=1, labeled_batch_size=4, unlabeled_batch_size=4
    )
    del plans["configurations"]["2d_tiny"]["semiseg"]["seed"]  # so that each rank begins with other weights
    workspace.write_plans(plans)
    (workspace.preprocessed / "splits_final.json").unlink(missing_ok=True)
    for path in workspace.preprocessed.glob("*_unlabeled*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    first, second = on_ranks(train_all, workspace.root / "ranks", workspace.root, TRAINED)
    assert len(TRAINED) >= 8
    for name in TRAINED:
        assert not different(first[name]["weights"], second[name]["weights"]), name
        assert first[name]["sizes"] == second[name]["sizes"] == 2, name
        assert first[name]["logged"].keys() == second[name]["logged"].keys(), name
        written = [file for file in second[name]["written"] if "/validation/" not in file]
        assert not written, f"{name}: rank 1 wrote {written}"
        assert any("checkpoint_final" in file for file in first[name]["written"]), name
    for name in (*TRAINED, *EXPORTED):
        fold = workspace.model(name) / "fold_0"
        assert (fold / "validation" / "summary.json").is_file(), name
        checkpoint = workspace.checkpoint(workspace.model(name))
        assert not [key for key in checkpoint["network_weights"] if key.startswith("module.")]
    fold = workspace.model() / "fold_0"
    assert (fold / PICTURE_FILE).is_file()
    (log,) = fold.glob("training_log_*.txt")
    assert "synfoc: 4 labeled and 4 unlabeled samples a step, 6 unlabeled cases" in log.read_text()


def test_going_on_from_a_checkpoint(
    workspace: Workspace, copy_planned: Callable[[Path], Workspace], train: Callable[..., None]
) -> None:
    name = "nnUNetTrainerFixMatch"
    kinds = ("continued", "left to one process")
    others = {kind: copy_planned(workspace.root.with_name(kind)) for kind in kinds}
    roots = {"never stopped": workspace.root, **{kind: other.root for kind, other in others.items()}}
    results = on_ranks(train_and_resume, workspace.root / "ranks", roots, name)
    for result in results:
        assert not different(result["never stopped"], result["continued"])
    assert not different(*(result["continued"] for result in results))
    stored = workspace.checkpoint(workspace.model(name))[COMPANION_KEY]
    first, (second,) = stored["random"], stored["random_of_other_ranks"]
    assert not torch.equal(first["torch"], second["torch"])

    left = others["left to one process"]
    shutil.rmtree(workspace.results)
    shutil.copytree(left.results, workspace.results)
    train("2d_tiny", 0, "--c", trainer=name)
    alone = workspace.checkpoint(workspace.model(name))
    assert alone["current_epoch"] == 2
    assert alone["network_weights"].keys() == {
        key.removeprefix("0.") for key in results[0]["continued"] if key.startswith("0.")
    }
