"""A trained model of many tasks as a model folder that answers some of them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from nnunetv2.evaluation.evaluate_predictions import load_summary_json

from nnunetv2_semiseg.core.errors import UserError, UserFileError
from nnunetv2_semiseg.core.files import read_json, staged_folder, write_json
from nnunetv2_semiseg.core.plans_file import limited_plans
from nnunetv2_semiseg.data.merging.tasks import BACKGROUND, TaskTable, read_tasks
from nnunetv2_semiseg.evaluation.measuring.by_task import limited_summary, write_summary
from nnunetv2_semiseg.trainers.engine.checkpoint import save_atomically
from nnunetv2_semiseg.trainers.exported import (
    DATASET,
    EXPORTED_CHECKPOINTS,
    FINGERPRINT,
    PLANS,
    without_training_state,
)
from nnunetv2_semiseg.trainers.made import all_trainers
from nnunetv2_semiseg.trainers.tasks import OwnTaskValidation

SUMMARY = Path("validation", "summary.json")
PICTURE = "progress.png"
"""nnU-Net's zip export asks for both."""


@dataclass(frozen=True)
class LimitedModel:
    """What the new model folder says of itself.

    Attributes:
        tasks: Tasks that the model answers.
        plans: Content of its plans.json.
        dataset_json: Content of its dataset.json.
        labels: New labels by those of the original model.
    """

    tasks: TaskTable
    plans: dict[str, Any]
    dataset_json: dict[str, Any]
    labels: dict[int, int]


def export_tasks(
    model: Path, folds: Sequence[str], names: Sequence[str], output: Path, overwrite: bool = False
) -> TaskTable:
    """Write a model folder that answers some tasks of a model; the weights are the same ones.

    Args:
        model: ``TRAINER__PLANS__CONFIGURATION`` of a trainer of many tasks.
        folds: Names of its folds, ``0`` or ``all``.
        names: Names of the tasks; the new labels are 1, 2, ... in this order.
        output: Folder to be written, complete or not at all.
        overwrite: Whether an existing folder is replaced.

    Returns:
        The tasks with their new labels.

    Raises:
        UserFileError: The model or a fold of it has not been trained.
        UserError: A task is unknown, the model is none of many tasks, or ``output`` exists.
    """
    if output.exists() and not overwrite:
        raise UserError(f"{output} exists; use --overwrite to replace it, or choose another folder")
    for file in (model / PLANS, model / DATASET, *(_final(model, fold) for fold in folds)):
        if not file.is_file():
            raise UserFileError(f"{file} does not exist; train this model first, or name another one")
    limited = _limited_model(model, _configuration(_final(model, folds[0])), names)
    with staged_folder(output) as folder:
        write_json(folder / PLANS, limited.plans, indent=4)
        write_json(folder / DATASET, limited.dataset_json, indent=4)
        if (model / FINGERPRINT).is_file():
            shutil.copyfile(model / FINGERPRINT, folder / FINGERPRINT)
        for fold in folds:
            _write_fold(model / f"fold_{fold}", folder / f"fold_{fold}", limited)
    return limited.tasks


def _final(model: Path, fold: str) -> Path:
    return model / f"fold_{fold}" / EXPORTED_CHECKPOINTS[0]


def _configuration(file: Path) -> str:
    """Name of the configuration that a checkpoint was trained in."""
    checkpoint = torch.load(file, map_location="cpu", weights_only=False)
    able = [name for name, kind in all_trainers().items() if issubclass(kind, OwnTaskValidation)]
    if checkpoint["trainer_name"] not in able:
        raise UserError(
            f"{file} is of {checkpoint['trainer_name']}, which cannot be limited to tasks; name a model of "
            f"{' or '.join(able)}"
        )
    return str(checkpoint["init_args"]["configuration"])


def _limited_model(model: Path, configuration: str, names: Sequence[str]) -> LimitedModel:
    remedy = "train the model again, or take the file from a copy of it"
    plans, dataset_json = (read_json(model / name, remedy) for name in (PLANS, DATASET))
    table = read_tasks(dataset_json, model / DATASET)
    tasks = table.limited_to(names)
    old = {task.name: task.label for task in table.tasks}
    return LimitedModel(
        tasks,
        limited_plans(plans, configuration, [task.name for task in table.tasks], names),
        {
            **dataset_json,
            "labels": {BACKGROUND: 0} | {task.name: task.label for task in tasks.tasks},
            **tasks.to_json(),
        },
        {old[task.name]: task.label for task in tasks.tasks},
    )


def _write_fold(fold: Path, target: Path, limited: LimitedModel) -> None:
    (target / SUMMARY).parent.mkdir(parents=True)
    for name in EXPORTED_CHECKPOINTS:
        if (fold / name).is_file():
            checkpoint = torch.load(fold / name, map_location="cpu", weights_only=False)
            save_atomically(_limited_checkpoint(checkpoint, limited), target / name)
    if (fold / SUMMARY).is_file():
        summary = load_summary_json(str(fold / SUMMARY))
        write_summary(limited_summary(summary, limited.labels), target / SUMMARY)
    if (fold / PICTURE).is_file():
        shutil.copyfile(fold / PICTURE, target / PICTURE)


def _limited_checkpoint(checkpoint: Mapping[str, Any], limited: LimitedModel) -> dict[str, Any]:
    content = without_training_state(checkpoint)
    described = {"plans": limited.plans, "dataset_json": limited.dataset_json}
    return {**content, "init_args": {**content["init_args"], **described}}
