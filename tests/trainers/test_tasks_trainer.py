"""Trainers of merged datasets: what they refuse, how they sample, and how they validate in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from phantom_tasks import write_tasks
from torch import nn

from nnunetv2_semiseg.data.loading.task_sampling import TaskSampling
from nnunetv2_semiseg.data.merging.tasks import Task, TaskTable
from nnunetv2_semiseg.methods.losses.task_losses import task_seg_loss
from nnunetv2_semiseg.trainers.made import nnUNetTrainerVerSemi
from nnunetv2_semiseg.trainers.tasks import annotated_tasks, own_task_loss, sampling_lines, tasks_of_fold

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace

LIVER, SPLEEN = Task("liver", 1, "Dataset511_A", 1), Task("spleen", 2, "Dataset512_B", 1)
TABLE = TaskTable((LIVER, SPLEEN), {"a": (LIVER,), "b": (LIVER,), "c": (LIVER,), "s": (SPLEEN,)})


TRAINER = "nnUNetTrainerVerSemi"


def make_trainer(workspace: Workspace) -> Any:
    plans = {**workspace.read_plans(), "continue_training": False}
    return nnUNetTrainerVerSemi(plans, "2d_tiny", 0, workspace.dataset_json, torch.device("cpu"))


def test_a_dataset_without_tasks_is_refused_before_a_folder_is_made(workspace: Workspace) -> None:
    with pytest.raises(ValueError, match=r"has no 'tasks' .*nnUNetv2_semiseg_merge_tasks") as error:
        make_trainer(workspace)
    assert "\n" not in str(error.value)
    assert not workspace.results.exists()


def test_tasks_that_are_not_the_labels_are_refused(workspace: Workspace) -> None:
    write_tasks(workspace)
    content = workspace.dataset_json
    del content["tasks"]["small organ"]
    workspace.write_dataset_json(content)
    with pytest.raises(ValueError, match="'labels' must be"):
        make_trainer(workspace)
    assert not workspace.results.exists()


@pytest.mark.parametrize("part", [0, 1], ids=["training", "validation"])
def test_a_case_without_task_is_refused_at_the_start(workspace: Workspace, part: int) -> None:
    write_tasks(workspace)
    content = workspace.dataset_json
    trainer = make_trainer(workspace)
    case = trainer.do_split()[part][0]
    del content["case_tasks"][case]
    workspace.write_dataset_json(content)
    with pytest.raises(ValueError, match=f"case '{case}' has no task"):
        make_trainer(workspace).on_train_start()


def test_a_task_without_a_labeled_case_is_refused_at_the_start(workspace: Workspace) -> None:
    write_tasks(workspace)
    content = workspace.dataset_json
    cases, _ = make_trainer(workspace).do_split()
    common, rare = content["tasks"]
    content["case_tasks"] |= {case: [common] for case in cases}
    workspace.write_dataset_json(content)
    message = f"fold 0: none of its {len(cases)} training cases is annotated for task '{rare}'; take another"
    with pytest.raises(ValueError, match=message) as error:
        make_trainer(workspace).on_train_start()
    assert "\n" not in str(error.value)


def started(workspace: Workspace, **settings: Any) -> Any:
    """A trainer that is ready for its first step."""
    write_tasks(workspace)
    configuration = workspace.configure("2d_changed", epochs=2, versemi=settings)
    plans = {**workspace.read_plans(), "continue_training": False}
    device = torch.device("cpu")
    trainer = nnUNetTrainerVerSemi(plans, configuration, 0, workspace.dataset_json, device)
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    return trainer


@pytest.mark.parametrize(
    ("choice", "rates"),
    [("paper", (1e-3, 1e-3)), ("decaying", (1e-3, 1e-3 * 0.5**0.9)), ("nnunet", (0.01, 0.01 * 0.5**0.9))],
)
def test_learning_rates(workspace: Workspace, choice: str, rates: tuple[float, float]) -> None:
    trainer = started(workspace, network_optimizer=choice)
    (group,) = trainer.optimizer.param_groups
    assert isinstance(trainer.optimizer, torch.optim.SGD if choice == "nnunet" else torch.optim.Adam)
    assert group["lr"] == pytest.approx(rates[0])
    trainer.current_epoch = 1
    trainer.on_train_epoch_start()
    assert group["lr"] == pytest.approx(rates[1])


def test_the_method_learns_which_tasks_each_image_has(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = started(workspace, supervised_tasks="all")
    batches = []
    losses = trainer.method.losses

    def look(batch: Any, context: Any) -> Any:
        batches.append(batch)
        return losses(batch, context)

    monkeypatch.setattr(trainer.method, "losses", look)
    for _ in range(4):
        trainer.train_step(next(trainer.dataloader_train))
    names = list(workspace.dataset_json["tasks"])
    for batch in batches:
        expected = [workspace.dataset_json["case_tasks"][case] for case in batch.labeled_cases]
        found = [[names[task] for task in row if task >= 0] for row in batch.annotated_tasks.tolist()]
        assert found == expected
        drawn = [names[task] for task in batch.task_ids.tolist()]
        assert all(name in names_of_case for name, names_of_case in zip(drawn, expected, strict=True))


def test_a_fold_without_a_task_is_refused() -> None:
    with pytest.raises(
        ValueError, match="fold 2: none of its 2 training cases is annotated for task 'spleen'"
    ):
        tasks_of_fold(TABLE, ["a", "b"], 2)
    assert tasks_of_fold(TABLE, ["a", "s"], 0) == {"a": [0], "s": [1]}


def test_shares_in_the_log() -> None:
    cases = ["a", "b", "c", "s"]
    sampling = TaskSampling(tasks_of_fold(TABLE, cases, 0), 2)
    assert sampling_lines(TABLE, cases, sampling) == [
        "task liver: label 1, 3 labeled cases of Dataset511_A, drawn for 50.0% of the labeled samples",
        "task spleen: label 2, 1 labeled cases of Dataset512_B, drawn for 50.0% of the labeled samples",
        "dataset Dataset511_A: 3 labeled cases, 50.0% of the labeled samples",
        "dataset Dataset512_B: 1 labeled cases, 50.0% of the labeled samples",
    ]


def test_loss_of_own_tasks_by_hand() -> None:
    logits, target = torch.randn(2, 3, 4, 5), torch.randint(3, (2, 1, 4, 5))
    annotated = annotated_tasks(TABLE, ["s", "b"])
    assert annotated.tolist() == [[False, True], [True, False]]
    pairs = torch.stack(
        [torch.stack([torch.zeros(4, 5), logits[0, 2]]), torch.stack([torch.zeros(4, 5), logits[1, 1]])]
    )
    labels = torch.stack([target[0, 0] == 2, target[1, 0] == 1])
    torch.testing.assert_close(own_task_loss(logits, target, annotated), task_seg_loss(pairs, labels))


class Constant(nn.Module):
    """Says the same of each patch, whatever it shows."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.logits


def validated(logits: torch.Tensor, target: torch.Tensor, cases: list[str]) -> dict[str, Any]:
    trainer: Any = object.__new__(nnUNetTrainerVerSemi)
    trainer.table, trainer.device, trainer.network = TABLE, torch.device("cpu"), Constant(logits)
    trainer.precision = "nnunet"
    return dict(trainer.validation_step({"data": torch.zeros(1), "target": target, "keys": cases}))


def test_what_is_not_annotated_does_not_change_the_validation() -> None:
    target = torch.randint(2, (2, 1, 8, 8))  # background and liver, in two cases without annotated spleen
    logits = torch.randn(2, 3, 8, 8)
    logits[:, 2] = -9
    without = validated(logits, target, ["a", "b"])
    # a spleen where there is neither liver nor a prediction of it
    background = (target[:, 0] == 0) & (logits.argmax(1) == 0)
    with_spleen = logits.clone()
    with_spleen[:, 2][background] = 9
    found = validated(with_spleen, target, ["a", "b"])
    for name, values in without.items():
        np.testing.assert_array_equal(found[name], values)
    assert found["tp_hard"].shape == (2,)
    # in a case that is annotated for the spleen, the same is wrong
    assert validated(with_spleen, target, ["s", "s"])["fp_hard"][1] == int(background.sum())


def test_a_dataset_much_larger_than_another_has_the_same_share(workspace: Workspace) -> None:
    write_tasks(workspace)
    content = workspace.dataset_json
    large, small = list(content["tasks"])[:2]
    trainer = make_trainer(workspace)
    cases = trainer.do_split()[0]
    content["case_tasks"] |= {case: [large] for case in trainer.do_split()[1]}
    content["case_tasks"] |= {case: [small if case == cases[0] else large] for case in cases}
    content["tasks"][small]["source"] = "Dataset512_Small"
    workspace.write_dataset_json(content)
    trainer = make_trainer(workspace)
    trainer.on_train_start()
    (log,) = (workspace.model(TRAINER) / "fold_0").glob("training_log_*.txt")
    text = log.read_text()
    assert (
        f"task {small}: label 2, 1 labeled cases of Dataset512_Small, drawn for 50.0% of the labeled samples"
        in text
    )
    assert (
        f"dataset {workspace.dataset}: {len(cases) - 1} labeled cases, 50.0% of the labeled samples" in text
    )
    batches = [next(trainer.dataloader_train) for _ in range(25)]
    drawn = [case for batch in batches for case in batch.labeled_cases]
    assert np.mean([case == cases[0] for case in drawn]) == pytest.approx(0.5, abs=0.15)
    trainer.on_train_epoch_start()
    assert torch.isfinite(trainer.train_step(batches[0])["loss"])


def test_a_patch_smaller_than_the_smallest_cube_is_refused_at_the_start(workspace: Workspace) -> None:
    write_tasks(workspace)
    trainer = make_trainer(workspace)
    trainer.configuration_manager.configuration["patch_size"] = [32, 1]
    message = (
        r"a cube of 0\.3 of the patch 32 x 1 has an edge without voxels: "
        r"set the lower number of versemi\.cube_range above 0\.5, or plan a larger patch$"
    )
    with pytest.raises(ValueError, match=message) as error:
        trainer.on_train_start()
    assert "\n" not in str(error.value)
