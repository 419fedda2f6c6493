"""The results as CSV; what is undefined is an empty cell."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nnunetv2_semiseg.evaluation.measuring.measures import MEASURES
from nnunetv2_semiseg.evaluation.measuring.scores import Score
from nnunetv2_semiseg.evaluation.results.costs import TrainingCost
from nnunetv2_semiseg.evaluation.results.differences import Difference
from nnunetv2_semiseg.evaluation.results.report import Report
from nnunetv2_semiseg.evaluation.results.summary import Summary

PLACE = ("model", "case", "domain", "label")
STATES = ("empty_prediction", "empty_reference", "absent", "partly_ignored")
COUNTS = ("cases", "empty_predictions", "empty_references", "absent", "partly_ignored")


def scores_csv(scores: Iterable[Score]) -> str:
    """A row for each model, case and class; states are 0 or 1."""
    header = [*PLACE, *(measure.name for measure in MEASURES), *STATES]
    rows = []
    for score in scores:
        states = {name: int(getattr(score, name)) for name in STATES}
        rows.append({**{name: getattr(score, name) for name in PLACE}, **score.values, **states})
    return _csv(header, rows)


def summaries_csv(summaries: Iterable[Summary]) -> str:
    """A row for each model, class and domain; ``dice_count`` is the number of cases with a Dice."""
    place = [name for name in PLACE if name != "case"]
    columns = [f"{measure.name}_{part}" for measure in MEASURES for part in ("mean", "std", "count")]
    rows = []
    for summary in summaries:
        row = {name: getattr(summary, name) for name in (*place, *COUNTS)}
        for name, value in summary.values.items():
            row |= {f"{name}_{part}": number for part, number in dataclasses.asdict(value).items()}
        rows.append(row)
    return _csv([*place, *COUNTS, *columns], rows)


def comparisons_csv(comparisons: Iterable[Difference]) -> str:
    """A row for each model, class, domain and measure."""
    header = [field.name for field in dataclasses.fields(Difference)]
    return _csv(header, [dataclasses.asdict(entry) for entry in comparisons])


def trainings_csv(report: Report) -> str:
    """A row for each model: the cost of its training, and the Dice of each seed."""
    longest = max((len(trainings) for trainings in report.seeds.values()), default=0)
    seeds = [f"dice_of_seed_{index + 1}" for index in range(longest)]
    rows = []
    for model, cost in report.costs.items():
        dice = [training.dice for training in report.seeds.get(model, ())]
        dice += [math.nan] * (longest - len(dice))
        rows.append({"model": model, **dataclasses.asdict(cost), **dict(zip(seeds, dice, strict=True))})
    costs = [field.name for field in dataclasses.fields(TrainingCost)]
    return _csv(["model", *costs, *seeds], rows)


def _csv(header: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, header, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return text.getvalue()


def _cell(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else value
