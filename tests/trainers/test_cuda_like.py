"""What differs on CUDA, as far as a CPU can show it: a compiled network and a gradient scaler."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import torch

from nnunetv2_semiseg.trainers.exported import export_folder
from nnunetv2_semiseg.trainers.made import nnUNetTrainerSynFoC

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace


@pytest.fixture
def compiled(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A trainer, ready to step, whose network is wrapped as torch.compile wraps it."""
    eager = partial(torch.compile, backend="eager")
    monkeypatch.setattr(torch, "compile", eager)
    monkeypatch.setattr(nnUNetTrainerSynFoC, "_do_i_compile", lambda self: True)
    trainer = workspace.make_trainer()
    trainer.initialize()
    trainer.grad_scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    return trainer


def test_steps_change_student_and_teacher_of_a_compiled_network(compiled: Any) -> None:
    assert hasattr(compiled.network, "_orig_mod")
    before = {name: value.clone() for name, value in compiled.network.state_dict().items()}
    for _ in range(2):
        values = compiled.train_step(next(compiled.dataloader_train))
        assert all(torch.isfinite(value) for value in values.values())
    after = compiled.network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == before.keys() - {name for name in before if "seg_layers.0" in name}
    teacher = compiled.method.network_teacher.state_dict()
    assert not any(name.startswith("_orig_mod") for name in teacher)
    assert not any(
        torch.equal(teacher[name], after[f"_orig_mod.{name}"]) for name in ("decoder.seg_layers.1.weight",)
    )


def test_checkpoints_of_a_compiled_network_load_into_a_plain_one(
    compiled: Any, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled.train_step(next(compiled.dataloader_train))
    file = f"{compiled.output_folder}/checkpoint_best.pth"
    compiled.save_checkpoint(file)
    content = torch.load(file, weights_only=False)
    assert not any("_orig_mod" in name for name in content["network_weights"])
    assert not any("_orig_mod" in name for name in content["semiseg"]["state"])
    monkeypatch.setattr(nnUNetTrainerSynFoC, "_do_i_compile", lambda self: False)
    plain = workspace.make_trainer()
    plain.load_checkpoint(file)
    weights = compiled.network._orig_mod.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in plain.network.state_dict().items())


def test_a_users_subclass_leaves_the_stock_export_alone(workspace: Workspace) -> None:
    class nnUNetTrainerMine(nnUNetTrainerSynFoC):
        pass

    plans = {**workspace.read_plans(), "continue_training": False}
    trainer = nnUNetTrainerMine(plans, "2d_tiny", 0, workspace.dataset_json, torch.device("cpu"))
    trainer.on_train_start()
    trainer.save_checkpoint(f"{trainer.output_folder}/checkpoint_final.pth")
    assert not export_folder(trainer, "nnUNetTrainerSynFoCFoundation").exists()
    assert not workspace.model("nnUNetTrainerSynFoCFoundation").exists()
