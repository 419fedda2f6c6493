"""The results as tables of numbers, unrounded, as the CSV files have them; what is undefined is NaN."""

from __future__ import annotations

import dataclasses

import pandas as pd

from nnunetv2_semiseg.evaluation.measuring.measures import MEASURES
from nnunetv2_semiseg.evaluation.results.report import Report

PLACE = ["model", "case", "domain", "label"]
STATES = ["empty_prediction", "empty_reference", "absent", "partly_ignored"]
COUNTS = ["cases", "empty_predictions", "empty_references", "absent", "partly_ignored"]


def scores_frame(report: Report) -> pd.DataFrame:
    """A row for each model, case and class; states are 0 or 1."""
    rows = [{**dataclasses.asdict(score), **score.values} for score in report.scores]
    columns = [*PLACE, *(measure.name for measure in MEASURES), *STATES]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(STATES, int))


def summaries_frame(report: Report) -> pd.DataFrame:
    """A row for each model, class and domain; ``dice_count`` is the number of cases with a Dice."""
    rows = pd.json_normalize(map(dataclasses.asdict, report.summaries), sep="_")
    numbers = [column for column in rows if column.startswith("values_")]
    ordered = rows[["model", "domain", "label", *COUNTS, *numbers]]
    return ordered.rename(columns=lambda column: column.removeprefix("values_"))


def differences_frame(report: Report) -> pd.DataFrame:
    """A row for each model but the first, class, domain and measure."""
    return pd.DataFrame(map(dataclasses.asdict, report.comparisons))


def trainings_frame(report: Report) -> pd.DataFrame:
    """A row for each model: the cost of its training, and the Dice of each seed."""
    rows = [
        {
            "model": model,
            **dataclasses.asdict(cost),
            **{
                f"dice_of_seed_{seed}": training.dice
                for seed, training in enumerate(report.seeds.get(model, ()), start=1)
            },
        }
        for model, cost in report.costs.items()
    ]
    return pd.DataFrame(rows)
