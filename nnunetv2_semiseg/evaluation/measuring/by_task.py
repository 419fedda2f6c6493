"""Scores of predictions of a merged dataset: each case on the tasks that it is annotated for.

Other structures are not background in that case but unannotated, so that finding them is no mistake, which
nnU-Net's own evaluation does not know. The result has the form of nnU-Net's ``summary.json``. A case has NaN
for tasks that it is not annotated for; nnU-Net's means leave NaN out as well.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.evaluation.evaluate_predictions import compute_metrics, save_summary_json
from nnunetv2.imageio.base_reader_writer import BaseReaderWriter
from nnunetv2.utilities.json_export import recursive_fix_for_json_export
from tqdm import tqdm

from nnunetv2_semiseg.core.errors import UserError, UserFileError
from nnunetv2_semiseg.core.files import replacing, short_reason
from nnunetv2_semiseg.data.merging.tasks import Task, TaskTable
from nnunetv2_semiseg.data.raw.reading import files_by_case, reader_for

METRICS = ("Dice", "IoU", "FP", "TP", "FN", "TN", "n_pred", "n_ref")
"""Names of the metrics in nnU-Net's evaluation."""

Metrics = dict[int, dict[str, float]]


def evaluate_by_task(
    predictions: Path, reference: Path, table: TaskTable, dataset_json: Mapping[str, Any]
) -> dict[str, Any]:
    """nnU-Net's metrics of all label maps in a folder.

    Args:
        predictions: Folder with predicted label maps, ``CASE.ending``.
        reference: Folder with true label maps; those without prediction are not read.
        table: Tasks that each case is annotated for.
        dataset_json: Content of the merged dataset's dataset.json.

    Returns:
        What nnU-Net writes into summary.json: ``metric_per_case``, ``mean`` by label, ``foreground_mean``.

    Raises:
        UserFileError: There are no predictions, or a prediction has no true label map.
        UserError: A case has no task, a label map cannot be read, or the sizes of a prediction and its true
            label map differ.
    """
    ending = dataset_json["file_ending"]
    files = files_by_case(predictions, ending)
    if not files:
        raise UserFileError(f"{predictions} has no label maps ending with {ending}")
    own_labels = {
        file: _own_labels(file, reference / file.name, table.of_case(case)) for case, file in files.items()
    }
    reader = reader_for(dataset_json, next(iter(own_labels)))
    cases = [
        _evaluate_case(file, reference / file.name, own, table, reader)
        for file, own in tqdm(own_labels.items(), desc="scoring", unit="case")
    ]
    mean = {task.label: _means([case["metrics"][task.label] for case in cases]) for task in table.tasks}
    result = {"metric_per_case": cases, "mean": mean, "foreground_mean": _means(list(mean.values()))}
    recursive_fix_for_json_export(result)
    return result


def write_summary(summary: Mapping[str, Any], file: Path) -> None:
    """Write a result of `evaluate_by_task` as nnU-Net writes its summary.json."""
    with replacing(file) as temporary:
        save_summary_json(dict(summary), str(temporary))


def limited_summary(summary: Mapping[str, Any], labels: Mapping[int, int]) -> dict[str, Any]:
    """A summary of some of the tasks alone.

    Args:
        summary: Result of `evaluate_by_task` or of nnU-Net's ``load_summary_json``.
        labels: New labels of these tasks by their old labels.

    Returns:
        A summary with the new labels, of the cases that are annotated for at least one of these tasks.
    """
    cases = []
    for case in summary["metric_per_case"]:
        metrics = {new: case["metrics"][old] for old, new in labels.items()}
        if not all(math.isnan(value["n_ref"]) for value in metrics.values()):
            cases.append({**case, "metrics": metrics})
    mean = {new: summary["mean"][old] for old, new in labels.items()}
    return {"metric_per_case": cases, "mean": mean, "foreground_mean": _means(list(mean.values()))}


def dice_lines(summary: Mapping[str, Any], table: TaskTable) -> list[str]:
    """Mean Dice of each task, and of all of them, as lines of text."""
    lines = []
    for task in table.tasks:
        values = [case["metrics"][task.label]["Dice"] for case in summary["metric_per_case"]]
        counted = sum(not math.isnan(value) for value in values)
        lines.append(f"{task.name}: Dice {summary['mean'][task.label]['Dice']:.4f}, {counted} cases")
    return [*lines, f"mean of the tasks: Dice {summary['foreground_mean']['Dice']:.4f}"]


def _own_labels(file: Path, truth: Path, tasks: Sequence[Task]) -> list[int]:
    """Labels of a case's tasks; that the case has a truth is checked before any case is measured."""
    if not truth.is_file():
        raise UserFileError(f"{truth} does not exist, but {file} does: name the folder with its true labels")
    return [task.label for task in tasks]


def _evaluate_case(
    file: Path, truth: Path, own: list[int], table: TaskTable, reader: BaseReaderWriter
) -> dict[str, Any]:
    """One entry of ``metric_per_case``."""
    try:
        result = compute_metrics(str(truth), str(file), reader, own)
    except MemoryError:
        raise
    except Exception as error:  # readers raise whatever their libraries do, numpy where sizes differ
        raise UserError(f"{file} cannot be compared with {truth}: {short_reason(error)}") from None
    metrics: Metrics = {task.label: dict.fromkeys(METRICS, math.nan) for task in table.tasks}
    return {**result, "metrics": metrics | result["metrics"]}


def _means(values: list[dict[str, float]]) -> dict[str, float]:
    """Mean of each metric over the values that are not NaN."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a task without any case
        return {name: float(np.nanmean([value[name] for value in values])) for name in METRICS}
