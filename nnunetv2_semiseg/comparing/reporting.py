"""The report of a comparison: the report of an evaluation, with hours and memory beside Dice."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from nnunetv2_semiseg.comparing.comparison import Comparison
from nnunetv2_semiseg.comparing.competitors import Competitor
from nnunetv2_semiseg.evaluation.prediction_folders import evaluate
from nnunetv2_semiseg.evaluation.results.costs import TrainingCost, training_cost
from nnunetv2_semiseg.evaluation.results.history import FoldHistory, read_trainings
from nnunetv2_semiseg.evaluation.results.report import Report
from nnunetv2_semiseg.evaluation.writing.page.page import PageSources

BOOTSTRAP_SEED = 0


def measure(
    comparison: Comparison, conditions: Mapping[str, str], num_processes: int | None
) -> tuple[Report, PageSources]:
    """Measure all predictions against the true labels of the test images.

    Args:
        comparison: Comparison whose trainings and predictions are finished.
        conditions: What all trainings have in common, in words.
        num_processes: Number of background processes; None: nnU-Net's default.

    Raises:
        UserError: A label map cannot be read or compared, or a checkpoint has no history.
    """
    report = evaluate(
        comparison.dataset,
        comparison.dataset_json,
        comparison.raw / "labelsTs",
        {
            model: [comparison.predictions(model, seed) for seed in comparison.seeds]
            for model in comparison.models()
        },
        seed=BOOTSTRAP_SEED,
        num_processes=num_processes,
    )
    costs: dict[str, TrainingCost] = {}
    curves: dict[str, Sequence[FoldHistory]] = {}
    for competitor in comparison.competitors:
        histories = [_histories(comparison, competitor, seed) for seed in comparison.seeds]
        cost = training_cost(histories)
        for model in (*competitor.models, *comparison.ensembles(competitor)):
            costs[model], curves[model] = cost, []
        curves[competitor.name] = [fold for folds in histories for fold in folds]
    whole = dataclasses.replace(report, costs=costs, conditions=conditions)
    return whole, PageSources(comparison.dataset_json, comparison.raw / "imagesTs", curves)


def _histories(comparison: Comparison, competitor: Competitor, seed: int) -> list[FoldHistory]:
    """Histories of all folds of a training; their names have the seed if there are several."""
    folders = [file.parent for file in comparison.checkpoints(competitor.trainer.__name__, seed)]
    found = [fold for folder in folders for fold in read_trainings(folder)]
    if len(comparison.seeds) == 1:
        return found
    return [dataclasses.replace(fold, fold=f"seed {seed}, {fold.fold}") for fold in found]
