"""Hours and memory of a training, from what it has logged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_semiseg.evaluation.results.history import MEMORY, FoldHistory

SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class TrainingCost:
    """Hours and memory of one model's training.

    Attributes:
        hours: Hours of all epochs of all folds, with the validation batches after each epoch and without
            preprocessing and the final validation; NaN if they were not logged.
        gpu: Most memory that tensors took on the GPU, in GiB; NaN if there was no GPU or nothing was logged.
        process: Largest resident set of the training's own process, in GiB; NaN if it was not logged.
    """

    hours: float
    gpu: float
    process: float


def training_cost(trainings: Sequence[Sequence[FoldHistory]]) -> TrainingCost:
    """Mean hours and highest peaks of repeated trainings of a model.

    Args:
        trainings: Histories of the folds of each training.
    """
    hours = [sum(map(_hours, folds)) for folds in trainings]
    return TrainingCost(
        hours=sum(hours) / len(hours) if hours else math.nan,
        gpu=_peak(trainings, f"{MEMORY}gpu"),
        process=_peak(trainings, f"{MEMORY}process"),
    )


def _hours(fold: FoldHistory) -> float:
    starts, ends = (fold.values.get(f"epoch_{moment}_timestamps", []) for moment in ("start", "end"))
    seconds = sum(end - start for start, end in zip(starts, ends, strict=False))
    return seconds / SECONDS_PER_HOUR if starts and ends else math.nan


def _peak(trainings: Sequence[Sequence[FoldHistory]], key: str) -> float:
    values = [value for folds in trainings for fold in folds for value in fold.values.get(key, [])]
    return max((value for value in values if not math.isnan(value)), default=math.nan)
