"""Options of nnUNetv2_train: the command in this process, with threads for nnU-Net's worker processes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from nnunetv2.run.run_training import maybe_load_checkpoint

from nnunetv2_semiseg.trainers.exported import nnUNetTrainerExported

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace

    Train = Callable[..., None]

pytestmark = pytest.mark.slow

SHORT = {"epochs": 1, "iterations_per_epoch": 1}


def summary(model: Path, fold: int | str = 0) -> dict[str, Any]:
    return dict(json.loads((model / f"fold_{fold}" / "validation" / "summary.json").read_text()))


def assert_same_weights(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


@pytest.fixture
def loaded_exports(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """File names of the checkpoints that exported networks are validated from, in order."""
    names: list[str] = []
    load = nnUNetTrainerExported.load_checkpoint

    def spy(trainer: nnUNetTrainerExported, file: str) -> None:
        names.append(Path(file).name)
        load(trainer, file)

    monkeypatch.setattr(nnUNetTrainerExported, "load_checkpoint", spy)
    return names


def test_validation_from_the_best_and_the_final_checkpoint(
    workspace: Workspace, train: Train, loaded_exports: list[str]
) -> None:
    train("2d_tiny", 0, "--val_best")
    assert loaded_exports == ["checkpoint_best.pth"]
    train("2d_tiny", 0, "--val")
    train("2d_tiny", 0, "--val", "--val_best")
    train("2d_tiny", 0, "--val", trainer=workspace.foundation_name)
    assert loaded_exports[1:] == ["checkpoint_final.pth", "checkpoint_best.pth", "checkpoint_final.pth"]


def test_the_deployed_network_is_validated_from_the_asked_checkpoint(
    workspace: Workspace, train: Train
) -> None:
    configuration = workspace.configure("2d_short", **SHORT)
    train(configuration, 0)
    model = workspace.model(configuration=configuration)
    best = workspace.checkpoint(model, "checkpoint_best.pth")
    for name, tensor in best["network_weights"].items():
        if "seg_layers" in name:  # nothing but background
            tensor.zero_()
            if name.endswith("bias"):
                tensor[0] = 100
    torch.save(best, model / "fold_0" / "checkpoint_best.pth")
    train(configuration, 0, "--val", "--val_best")
    assert all(case["metrics"]["1"]["n_pred"] == 0 for case in summary(model)["metric_per_case"])
    train(configuration, 0, "--val")
    assert any(case["metrics"]["1"]["n_pred"] > 0 for case in summary(model)["metric_per_case"])


def test_without_checkpoints_both_networks_are_still_validated(workspace: Workspace, train: Train) -> None:
    configuration = workspace.configure("2d_short", **SHORT)
    train(configuration, 0, "--disable_checkpointing")
    assert not list(workspace.results.rglob("*.pth*"))
    for trainer in (workspace.trainer_name, workspace.foundation_name):
        assert len(summary(workspace.model(trainer, configuration))["metric_per_case"]) == 2


def test_fold_all(workspace: Workspace, train: Train) -> None:
    configuration = workspace.configure("2d_short", **SHORT)
    train(configuration, "all")
    for trainer in (workspace.trainer_name, workspace.foundation_name):
        model = workspace.model(trainer, configuration)
        assert workspace.checkpoint(model, fold="all")["trainer_name"] == trainer
        assert len(summary(model, "all")["metric_per_case"]) == 6


def test_pretrained_weights_reach_network_and_teacher(workspace: Workspace, tmp_path: Path) -> None:
    trainer = workspace.make_trainer()
    trainer.initialize()
    pretrained = {name: tensor + 0.5 for name, tensor in trainer.network.state_dict().items()}
    file = tmp_path / "pretrained.pth"
    torch.save({"network_weights": pretrained}, file)

    trainer = workspace.make_trainer()
    maybe_load_checkpoint(trainer, False, False, str(file))
    trainer.on_train_start()
    teacher = trainer.method.network_teacher.state_dict()
    expected = {name: tensor for name, tensor in pretrained.items() if ".seg_layers." not in name}
    assert_same_weights(expected, {name: trainer.network.state_dict()[name] for name in expected})
    assert_same_weights(dict(trainer.network.state_dict()), dict(teacher))


def test_pretrained_weights_by_the_command(workspace: Workspace, train: Train, tmp_path: Path) -> None:
    first = workspace.configure("2d_first", **SHORT)
    train(first, 0, "--disable_checkpointing")
    without = summary(workspace.model(configuration=first))
    trainer = workspace.make_trainer(first)
    trainer.initialize()
    weights = {name: tensor + 0.5 for name, tensor in trainer.network.state_dict().items()}
    torch.save({"network_weights": weights}, tmp_path / "other.pth")
    train(first, 0, "-pretrained_weights", tmp_path / "other.pth", "--disable_checkpointing")
    assert summary(workspace.model(configuration=first)) != without


def test_other_plans_share_the_unlabeled_images(workspace: Workspace, train: Train) -> None:
    from nnunetv2.experiment_planning.plan_and_preprocess_api import plan_experiments

    plan_experiments([500], "nnUNetPlannerResEncM", gpu_memory_target_in_gb=0.1)
    plans = "nnUNetResEncUNetMPlans"
    settings = {"labeled_batch_size": 1, "unlabeled_batch_size": 1}
    foundation = {"foundation": {"architecture": "vit_tiny", "random_weights": True, "image_size": 64}}
    configuration = workspace.configure(
        "2d_short", "2d", plans, **SHORT, **settings, validation_iterations_per_epoch=1, synfoc=foundation
    )
    manifest = workspace.preprocessed / "nnUNetPlans_2d_unlabeled.json"
    before = manifest.stat().st_mtime_ns
    train(configuration, 0, "-p", plans)
    assert manifest.stat().st_mtime_ns == before
    assert not (workspace.preprocessed / f"{plans}_2d_unlabeled").exists()
    for trainer in (workspace.trainer_name, workspace.foundation_name):
        model = workspace.model(trainer, configuration, plans)
        assert summary(model)["metric_per_case"]
        weights = workspace.checkpoint(model)["network_weights"]
        assert any(name.startswith("encoder.") for name in weights) == (trainer == workspace.trainer_name)


def test_going_on_after_the_end_changes_nothing(workspace: Workspace, train: Train) -> None:
    train("2d_tiny", 0)
    models = [workspace.model(), workspace.model(workspace.foundation_name)]
    first = [workspace.checkpoint(model) for model in models]
    for model in models:
        (model / "fold_0" / "validation" / "summary.json").unlink()
    train("2d_tiny", 0, "--c")
    for model, before in zip(models, first, strict=True):
        after = workspace.checkpoint(model)
        assert_same_weights(before["network_weights"], after["network_weights"])
        assert after["current_epoch"] == before["current_epoch"] == 2
        assert all(len(values) == 2 for values in after["logging"].values())
        assert summary(model)["metric_per_case"]
    assert not list(workspace.results.rglob("checkpoint_latest.pth"))


def test_without_a_checkpoint_to_go_on_from_a_training_starts(
    workspace: Workspace, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    configuration = workspace.configure("2d_short", **SHORT)
    train(configuration, 0, "--c")
    assert "Starting a new training" in capsys.readouterr().out
    assert workspace.checkpoint(workspace.model(configuration=configuration))["current_epoch"] == 1


@pytest.mark.parametrize("options", [(), ("--c",)])
def test_an_exported_network_is_not_trained(
    workspace: Workspace, train: Train, options: tuple[str, ...]
) -> None:
    with pytest.raises(
        NotImplementedError,
        match=r"nnUNetTrainerSynFoCFoundation cannot be trained on its own: .* use -tr nnUNetTrainerSynFoC$",
    ):
        train("2d_tiny", 0, *options, trainer=workspace.foundation_name)
    assert not list(workspace.results.rglob("*.pth"))


def test_validation_without_an_exported_checkpoint_says_so(
    workspace: Workspace, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    configuration = workspace.configure("2d_short", **SHORT)
    train(configuration, 0)
    export = workspace.model(workspace.foundation_name, configuration) / "fold_0"
    (export / "checkpoint_final.pth").unlink()
    capsys.readouterr()
    train(configuration, 0, "--val")
    assert "WARNING: nnUNetTrainerSynFoCFoundation is not validated" in capsys.readouterr().out


def test_a_teacher_has_no_lower_outputs(workspace: Workspace) -> None:
    trainer = workspace.make_trainer()
    trainer.on_train_start()
    assert trainer.network.decoder.deep_supervision
    assert not trainer.method.network_teacher.decoder.deep_supervision
