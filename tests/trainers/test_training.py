"""A trainer from its first step to its last record, in this process."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from nnunetv2.experiment_planning.plan_and_preprocess_api import preprocess
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from PIL import Image

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.core.config import TrainingConfig
from nnunetv2_semiseg.methods import synfoc
from nnunetv2_semiseg.methods.settings import resolve_config
from nnunetv2_semiseg.methods.step import Progress, StepContext
from nnunetv2_semiseg.methods.synfoc import SynFoC, SynFoCConfig
from nnunetv2_semiseg.networks.pixels import nearest_map
from nnunetv2_semiseg.trainers.engine import log as training_log
from nnunetv2_semiseg.trainers.engine.step import planned_loss

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace

TERMS = {
    "supervised",
    "supervised_foundation",
    "unsupervised",
    "unsupervised_foundation",
    "consensus",
    "divergence",
}
MEASURES = {
    "alpha",
    "self_confidence",
    "mutual_confidence",
    "confident_share",
    "foundation_confident_share",
}
LOGGED = {
    *(training_log.LOSS + name for name in TERMS),
    *(training_log.MEASURE + name for name in MEASURES),
    *(training_log.RATE + name for name in ("network", "foundation")),
    f"{training_log.MEMORY}process",
}


def started(workspace: Workspace, **settings: Any) -> Any:
    """A trainer that is ready for its first step."""
    trainer = workspace.make_trainer(workspace.configure("2d_changed", **settings))
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    return trainer


def take_steps(trainer: Any, count: int) -> list[dict[str, torch.Tensor]]:
    return [trainer.train_step(next(trainer.dataloader_train)) for _ in range(count)]


@pytest.mark.slow
def test_a_training_records_every_term_measure_and_learning_rate(
    workspace: Workspace, train: Callable[..., None]
) -> None:
    train("2d_tiny", 0)
    fold = workspace.model() / "fold_0"
    logged = workspace.checkpoint(workspace.model())["logging"]
    assert {key for key in logged if key.startswith(training_log.PREFIX)} == LOGGED
    for key in LOGGED:
        assert len(logged[key]) == 2, key
        assert all(math.isfinite(value) for value in logged[key]), key
    assert logged[training_log.RATE + "network"] == logged["lrs"]
    supervised = sum(logged[training_log.LOSS + name][0] for name in ("supervised", "supervised_foundation"))
    assert logged["train_losses"][0] > supervised  # the rest is weighted by the ramp
    (log,) = fold.glob("training_log_*.txt")
    text = log.read_text()
    assert all(name in text for name in TERMS | MEASURES | {"Peak memory in GiB: process"})
    assert "synfoc: 2 labeled and 2 unlabeled samples a step, 6 unlabeled cases" in text
    for folder in (fold, workspace.model(workspace.foundation_name) / "fold_0"):
        for picture in ("progress.png", training_log.PLOT_FILE):
            with Image.open(folder / picture) as image:
                image.load()
                assert image.format == "PNG"
                assert min(image.size) > 300
                assert np.asarray(image.convert("L")).std() > 5, "more than an empty page"


def test_the_model_folder_tells_the_whole_configuration(workspace: Workspace) -> None:
    trainer = started(workspace, labeled_batch_size=3)
    plans = json.loads((workspace.model(configuration="2d_changed") / "plans.json").read_text())
    section = plans["configurations"]["2d_changed"]["semiseg"]
    assert set(section) == {field.name for field in dataclasses.fields(TrainingConfig)} | {"synfoc"}
    assert set(section["synfoc"]) == {field.name for field in dataclasses.fields(SynFoCConfig)}
    assert section["labeled_batch_size"] == 3
    assert section["unlabeled_batch_size"] == 2
    resolved = resolve_config(plans, "2d_changed", SynFoC)
    assert resolved.section("synfoc") == section
    sizes = {"labeled_batch_size": 3, "unlabeled_batch_size": 2}
    assert resolved.training == dataclasses.replace(trainer.resolved.training, **sizes)
    assert resolved.method == trainer.resolved.method


def test_the_deployed_network_is_nnunets(workspace: Workspace) -> None:
    trainer = started(workspace)
    plans = {**workspace.read_plans(), "continue_training": False}
    plain = nnUNetTrainer(plans, "2d_tiny", 0, workspace.dataset_json, torch.device("cpu"))
    plain.initialize()
    ours, theirs = trainer.network.state_dict(), plain.network.state_dict()
    assert {name: tensor.shape for name, tensor in ours.items()} == {
        name: tensor.shape for name, tensor in theirs.items()
    }
    assert type(trainer.loss) is type(plain.loss)
    assert type(trainer.optimizer) is type(plain.optimizer)


@pytest.mark.parametrize(
    ("num_labeled", "settings", "expected"),
    [
        (6, {}, (2, 2)),
        (7, {}, (4, 4)),
        (8, {"labeled_batch_size": 1}, (1, 4)),
        (3, {"unlabeled_batch_size": 6}, (2, 6)),
    ],
)
def test_batch_sizes(
    workspace: Workspace, num_labeled: int, settings: dict[str, int], expected: tuple[int, int]
) -> None:
    # cases of the other folds count, so that all folds train alike
    split = {"train": [f"case{index}" for index in range(num_labeled)], "val": ["other"]}
    (workspace.preprocessed / "splits_final.json").write_text(json.dumps([split]))
    trainer = workspace.make_trainer(workspace.configure("2d_changed", **settings))
    trainer.initialize()
    assert (trainer.batch_size, trainer.unlabeled_batch_size) == expected


def test_batches_have_the_configured_sizes_and_cases(workspace: Workspace) -> None:
    trainer = started(workspace, labeled_batch_size=1, unlabeled_batch_size=3)
    batch = next(trainer.dataloader_train)
    assert batch.labeled_images.shape == (1, 1, 32, 32)
    assert batch.unlabeled_weak.shape == batch.unlabeled_strong.shape == (3, 1, 32, 32)
    assert [tuple(target.shape) for target in batch.labeled_targets] == [(1, 1, 32, 32), (1, 1, 16, 16)]
    training_cases, validation_cases = trainer.do_split()
    assert set(batch.labeled_cases) <= set(training_cases)
    assert not set(batch.unlabeled_cases) & {*training_cases, *validation_cases}


@pytest.mark.parametrize(
    ("choice", "rates", "decay"), [("paper", (0.03, 0.03), 1e-4), ("nnunet", (0.01, 0.01 * 0.5**0.9), 3e-5)]
)
def test_learning_rate_of_the_deployed_network(
    workspace: Workspace, choice: str, rates: tuple[float, float], decay: float
) -> None:
    trainer = started(workspace, synfoc={"network_optimizer": choice})
    (group,) = trainer.optimizer.param_groups
    assert group["lr"] == pytest.approx(rates[0])
    assert group["weight_decay"] == decay
    trainer.current_epoch = 1
    trainer.on_train_epoch_start()
    take_steps(trainer, 1)
    assert group["lr"] == pytest.approx(rates[1])


def test_the_foundations_learning_rate_warms_up(workspace: Workspace) -> None:
    trainer = started(workspace, epochs=1, iterations_per_epoch=30)  # a tenth of it is 3 steps
    (item,) = trainer.step.scheduled
    seen = []
    for _ in range(4):
        take_steps(trainer, 1)
        seen.append(item.optimizer.param_groups[0]["lr"])
    assert seen == pytest.approx([0.4e-4, 0.8e-4, 1.2e-4, 1.2e-4])


def test_a_step_moves_both_students_and_both_teachers(workspace: Workspace) -> None:
    trainer = started(workspace)
    method = trainer.method
    moving = {"network": trainer.network, "foundation": method.foundation.trained, **method.teachers()}
    before = {name: [p.clone() for p in module.parameters()] for name, module in moving.items()}
    frozen = [p.clone() for p in method.foundation.encoder.parameters()]
    (values, _) = take_steps(trainer, 2)
    assert all(torch.isfinite(value) and not value.requires_grad for value in values.values())
    for name, module in moving.items():
        assert any(not torch.equal(*pair) for pair in zip(before[name], module.parameters(), strict=True)), (
            name
        )
    assert all(
        torch.equal(*pair) for pair in zip(frozen, method.foundation.encoder.parameters(), strict=True)
    )


def with_ignored(batch: SemiSegBatch, ignored: torch.Tensor, label: int) -> SemiSegBatch:
    """The batch with the ignore label where ``ignored`` is, at every resolution."""
    targets = []
    for target in batch.labeled_targets:
        step = ignored.shape[-1] // target.shape[-1]
        targets.append(torch.where(ignored[::step, ::step], torch.full_like(target, label), target))
    return dataclasses.replace(batch, labeled_targets=tuple(targets))


class Outputs:
    """What a module returned last, with gradients kept."""

    def __init__(self, module: torch.nn.Module) -> None:
        module.register_forward_hook(self._keep)

    def _keep(self, module: torch.nn.Module, inputs: Any, output: Any) -> None:
        self.logits = output[0] if isinstance(output, list | tuple) else output
        if self.logits.requires_grad:
            self.logits.retain_grad()


def test_ignored_pixels_are_trained_by_nothing(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    ignore = 2
    content = {**workspace.dataset_json, "labels": {"background": 0, "large organ": 1, "ignore": ignore}}
    workspace.write_dataset_json(content)
    monkeypatch.setenv("nnUNet_n_proc_DA", "1")
    preprocess([500], configurations=("2d",), num_processes=[1], show_progress_bar=False)
    monkeypatch.setenv("nnUNet_n_proc_DA", "0")
    trainer = started(workspace)
    assert trainer.label_manager.ignore_label == ignore
    assert trainer.method.setting.num_classes == 2
    assert all(torch.isfinite(value) for value in take_steps(trainer, 1)[0].values())

    box = torch.zeros(2, 1, 32, 32, dtype=torch.bool)
    box[:, :, 8:24, 8:24] = True
    monkeypatch.setattr(synfoc, "draw_cutmix_boxes", lambda count, shape: box)
    ignored = torch.zeros(32, 32, dtype=torch.bool)
    ignored[:, 16:] = True
    batch = with_ignored(next(trainer.dataloader_train), ignored, ignore)
    context = StepContext(trainer.network, partial(planned_loss, trainer.loss), Progress(1, 4))

    grid_size = trainer.method.foundation.grid_size
    grid_ignored = nearest_map(ignored[None], grid_size)[0]
    grid_box = nearest_map(box[:1, 0], grid_size)[0]
    network, foundation = Outputs(trainer.network), Outputs(trainer.method.foundation)
    places = {
        "supervised": (network, slice(0, 2), ignored, ~ignored),
        "supervised_foundation": (foundation, slice(0, 2), grid_ignored, ~grid_ignored),
        "unsupervised": (network, slice(2, 4), ignored & box[0, 0], ~ignored & box[0, 0]),
        "unsupervised_foundation": (
            foundation,
            slice(2, 4),
            grid_ignored & grid_box,
            ~grid_ignored & grid_box,
        ),
    }
    for name, (outputs, samples, nowhere, somewhere) in places.items():
        trainer.method.losses(batch, context).terms[name].value.backward()
        gradient = outputs.logits.grad[samples].abs().sum((0, 1))
        assert nowhere.any(), name
        assert gradient[nowhere].max() == 0, name
        assert (gradient[somewhere] > 0).all(), name


def test_one_output_has_the_loss_without_deep_supervision(workspace: Workspace) -> None:
    trainer = started(workspace)
    batch = next(trainer.dataloader_train)
    logits = torch.randn(
        len(batch.labeled_images),
        trainer.label_manager.num_segmentation_heads,
        *batch.labeled_images.shape[2:],
    )
    single = planned_loss(trainer.loss, logits, batch.labeled_targets)
    assert single == trainer.loss.loss(logits, batch.labeled_targets[0])
    trainer.dataloader_train.finish()
