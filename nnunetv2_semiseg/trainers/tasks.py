"""What trainers have in common that learn from a merged dataset, in which each case has tasks of its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.data.loading.loader import PairedLoader
from nnunetv2_semiseg.data.loading.task_sampling import TaskSampling, sample_evenly
from nnunetv2_semiseg.data.merging.tasks import TaskTable, read_tasks
from nnunetv2_semiseg.evaluation.measuring.by_task import dice_lines, evaluate_by_task, write_summary
from nnunetv2_semiseg.methods.losses.task_losses import task_seg_loss
from nnunetv2_semiseg.trainers.engine.precision import training_autocast
from nnunetv2_semiseg.trainers.semiseg import nnUNetTrainerSemiSeg


class OwnTaskValidation(nnUNetTrainer):
    """Lets a trainer's final validation count each case on its own tasks; stands before its other bases."""

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """nnU-Net's validation, whose predictions stay and whose summary.json is written anew.

        Args:
            save_probabilities: Also store the probabilities (``--npz``).
        """
        super().perform_actual_validation(save_probabilities)
        if self.local_rank != 0:
            return
        table = read_tasks(self.dataset_json, Path(self.plans_manager.dataset_name, "dataset.json"))
        predictions = Path(self.output_folder, "validation")
        reference = Path(self.preprocessed_dataset_folder_base, "gt_segmentations")
        summary = evaluate_by_task(predictions, reference, table, self.dataset_json)
        write_summary(summary, predictions / "summary.json")
        for task in table.tasks:
            self.logger.log_summary(f"final_val/class_{task.label}_dice", summary["mean"][task.label]["Dice"])
        self.logger.log_summary("final_val/foreground_dice", summary["foreground_mean"]["Dice"])
        self.print_to_log_file(
            f"{type(self).__name__}: nnU-Net's mean validation Dice takes unannotated structures for "
            "background; these, and summary.json, count each case on its own tasks"
        )
        for line in dice_lines(summary, table):
            self.print_to_log_file(line)


class nnUNetTrainerTasks(OwnTaskValidation, nnUNetTrainerSemiSeg):
    """Draws every task equally often, and validates each case on its own tasks.

    The deployed network has no lower outputs, and gives ``[0, d_1, ..., d_T]`` as `TaskNetwork` does.
    """

    def __init__(
        self,
        plans: dict[str, Any],
        configuration: str,
        fold: int | str,
        dataset_json: dict[str, Any],
        device: torch.device = torch.device("cuda"),  # noqa: B008  # nnU-Net's signature
    ) -> None:
        """Read the tasks; the arguments are nnU-Net's.

        Raises:
            UnsupportedError: The labels or the configuration are of a kind that the method can't do.
            UserError: The dataset has no tasks, or the plans hold an unknown or impossible hyper-parameter.
        """
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.table = read_tasks(dataset_json, Path(self.plans_manager.dataset_name, "dataset.json"))
        self.enable_deep_supervision = False

    def on_train_start(self) -> None:
        """Check the fold's tasks before anything else, then start and log what is drawn how often."""
        if not self.was_initialized:
            self.initialize()
        cases, validation = (list(keys) for keys in self.do_split())
        case_tasks = tasks_of_fold(self.table, cases, self.fold)
        for case in validation:
            self.table.of_case(case)  # it has one, or the first validation would end the training
        self._sampling = TaskSampling(case_tasks, len(self.table.tasks))
        super().on_train_start()
        for line in sampling_lines(self.table, cases, self._sampling):
            self.print_to_log_file(line)

    def get_dataloaders(self) -> tuple[PairedLoader, Any]:
        """The loaders, the labeled one of which draws every task equally often."""
        paired, validation = super().get_dataloaders()
        sample_evenly(paired.labeled, self._sampling)
        return paired, validation

    def train_step(self, batch: SemiSegBatch) -> dict[str, torch.Tensor]:
        """Draw a task for each labeled sample, and take the base class's step."""
        drawn = self._sampling.draw_tasks(batch.labeled_cases)
        annotated = self._sampling.tasks_of(batch.labeled_cases)
        return super().train_step(dataclasses.replace(batch, task_ids=drawn, annotated_tasks=annotated))

    def validation_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Validate as nnU-Net does, but count a case on its own tasks only: for others it is not annotated.

        Args:
            batch: nnU-Net's, with ``data`` ``B x C x S``, ``target`` ``B x 1 x S`` and ``keys``.

        Returns:
            What nnU-Net's gives: loss, and true and false positives and false negatives of each task.
        """
        images, target = (batch[name].to(self.device, non_blocking=True) for name in ("data", "target"))
        annotated = annotated_tasks(self.table, batch["keys"]).to(self.device)
        with training_autocast(self.device, self.precision):
            logits = self.network(images)
        counts = own_task_counts(logits, target, annotated)
        loss = own_task_loss(logits, target, annotated)
        names = ("tp_hard", "fp_hard", "fn_hard")
        hard = {name: count.cpu().numpy() for name, count in zip(names, counts, strict=True)}
        return {"loss": loss.cpu().numpy(), **hard}


def tasks_of_fold(table: TaskTable, cases: list[str], fold: int | str) -> dict[str, list[int]]:
    """Ids from 0 of the tasks of each training case of a fold.

    Raises:
        UserError: A case has no task, or no case is annotated for some task.
    """
    ids = {case: [task.label - 1 for task in table.of_case(case)] for case in cases}
    for task in table.tasks:
        if not any(task.label - 1 in of_case for of_case in ids.values()):
            raise UserError(
                f"fold {fold}: none of its {len(cases)} training cases is annotated for task '{task.name}'; "
                f"take another fold, write splits_final.json so that one is, or merge without {task.name}"
            )
    return ids


def sampling_lines(table: TaskTable, cases: list[str], sampling: TaskSampling) -> list[str]:
    """How many labeled cases each task and each source dataset has, and its share of the labeled samples."""
    drawn = dict(zip(cases, sampling.case_probabilities(cases), strict=True))
    lines = []
    for task in table.tasks:
        count = sum(task in table.of_case(case) for case in cases)
        lines.append(
            f"task {task.name}: label {task.label}, {count} labeled cases of {task.source}, "
            f"drawn for {1 / len(table.tasks):.1%} of the labeled samples"
        )
    for source in dict.fromkeys(task.source for task in table.tasks):
        of_source = [drawn[case] for case in cases if table.of_case(case)[0].source == source]
        lines.append(
            f"dataset {source}: {len(of_source)} labeled cases, {sum(of_source):.1%} of the labeled samples"
        )
    return lines


def annotated_tasks(table: TaskTable, cases: list[str]) -> torch.Tensor:
    """The tasks that each case is annotated for, ``B x T``, bool."""
    return torch.tensor([[task in table.of_case(str(case)) for task in table.tasks] for case in cases])


def own_task_loss(logits: torch.Tensor, target: torch.Tensor, annotated: torch.Tensor) -> torch.Tensor:
    """Cross entropy and Dice of foreground and background of every task that a sample is annotated for.

    Args:
        logits: ``[0, d_1, ..., d_T]``, ``B x 1 + T x S``.
        target: Label maps, ``B x 1 x S``.
        annotated: ``B x T``, bool.

    Returns:
        A scalar.
    """
    samples, tasks = annotated.nonzero(as_tuple=True)
    difference = logits[samples, tasks + 1]
    labels = (tasks + 1).reshape(-1, *[1] * (difference.ndim - 1))
    pairs = torch.stack([torch.zeros_like(difference), difference], dim=1)
    return task_seg_loss(pairs, target[samples, 0] == labels)


class TaskCounts(NamedTuple):
    """Pixels by task, without the background.

    Attributes:
        true_positive: ``T``, float64.
        false_positive: ``T``, float64.
        false_negative: ``T``, float64.
    """

    true_positive: torch.Tensor
    false_positive: torch.Tensor
    false_negative: torch.Tensor


def own_task_counts(logits: torch.Tensor, target: torch.Tensor, annotated: torch.Tensor) -> TaskCounts:
    """Count what a network says about the tasks that each sample is annotated for.

    The prediction is the most probable class of all, as in a predicted label map. What is predicted as a
    structure that a case is not annotated for is neither right nor wrong; where it lies on an annotated
    structure, that one is missed.

    Args:
        logits: Logits of background and tasks, ``B x 1 + T x S``.
        target: Label maps, ``B x 1 x S``: 0 or the label of a task, its index plus 1.
        annotated: ``B x T``, bool: the tasks that each sample is annotated for.
    """
    labels = torch.arange(1, logits.shape[1], device=logits.device).reshape(1, -1, *[1] * (logits.ndim - 2))
    predicted, true = logits.argmax(1, keepdim=True) == labels, target == labels
    counts = (predicted & true, predicted & ~true, ~predicted & true)
    return TaskCounts(*((count.flatten(2).sum(2) * annotated).sum(0).double() for count in counts))
