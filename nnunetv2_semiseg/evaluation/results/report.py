"""All results of an evaluation, and their JSON form."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.core.files import read_json
from nnunetv2_semiseg.evaluation.measuring.scores import Score
from nnunetv2_semiseg.evaluation.results.costs import TrainingCost
from nnunetv2_semiseg.evaluation.results.differences import Difference
from nnunetv2_semiseg.evaluation.results.seeds import SeedResult
from nnunetv2_semiseg.evaluation.results.statistics import BOOTSTRAP
from nnunetv2_semiseg.evaluation.results.summary import Spread, Summary

FORMAT = 1
"""Number of the JSON file's format, to be raised when a reader of the old format would misread a file."""


@dataclass(frozen=True)
class Report:
    """All results of an evaluation.

    Attributes:
        dataset: Name of the dataset.
        reference: Folder with the true label maps.
        models: Prediction folders by name of the model; the first model is the baseline. A model that was
            trained several times has the folder of its first training here.
        classes: Names of the foreground classes, in the order of dataset.json.
        domains: Names of the domains, sorted.
        unit: Unit of distances, ``mm`` or ``px``.
        seed: Seed of the bootstrap.
        resamples: Number of bootstrap resamples.
        confidence: Confidence of the intervals, 0 to 1.
        left_out: Cases that were not measured because not all folders have them.
        scores: Scores of each model in each case and class, and the mean of classes in each case.
        summaries: Summaries of each model, class and domain.
        comparisons: Differences to the baseline of each other model, class, domain and measure.
        seeds: Results of each training by the model's name, if a model was trained several times; its scores
            are then means over these trainings.
        costs: Hours and memory by name of the model, if its trainings are known.
        conditions: What the trainings of all models have in common, such as the number of iterations.
    """

    dataset: str
    reference: str
    models: dict[str, str]
    classes: tuple[str, ...]
    domains: tuple[str, ...]
    unit: str
    seed: int
    resamples: int
    confidence: float
    left_out: tuple[str, ...]
    scores: tuple[Score, ...]
    summaries: tuple[Summary, ...]
    comparisons: tuple[Difference, ...]
    seeds: Mapping[str, tuple[SeedResult, ...]] = field(default_factory=dict)
    costs: Mapping[str, TrainingCost] = field(default_factory=dict)
    conditions: Mapping[str, str] = field(default_factory=dict)


def report_to_json(report: Report) -> str:
    """A JSON object with the report's attributes and ``format``. Undefined numbers are null."""
    content = {"format": FORMAT, **dataclasses.asdict(report)}
    return json.dumps(_without_nan(content), indent=1, allow_nan=False) + "\n"


def read_report(file: Path) -> Report:
    """Read the JSON file of a report.

    Raises:
        UserFileError: The file does not exist.
        UserError: The file is not a report, or a report of another format.
    """
    content = read_json(file, "evaluate again")
    if content.pop("format", None) != FORMAT:
        raise UserError(f"{file} is no report of format {FORMAT}: evaluate again with this version")
    try:
        return _report(content)
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{file} is damaged ({type(error).__name__}: {error}): evaluate again") from None


def _report(content: dict[str, Any]) -> Report:
    """A report from the content of its JSON file without the format."""
    for key in ("classes", "domains", "left_out"):
        content[key] = tuple(content[key])
    content["scores"] = tuple(_score(entry) for entry in content["scores"])
    content["summaries"] = tuple(_summary(entry) for entry in content["summaries"])
    content["comparisons"] = tuple(_difference(entry) for entry in content["comparisons"])
    content["seeds"] = {
        model: tuple(SeedResult(**_with_nan(entry)) for entry in trainings)
        for model, trainings in content.get("seeds", {}).items()
    }
    content["costs"] = {
        model: TrainingCost(**_with_nan(entry)) for model, entry in content.get("costs", {}).items()
    }
    return Report(**content)


def _score(entry: dict[str, Any]) -> Score:
    return Score(**{**entry, "values": _with_nan(entry["values"])})


def _difference(entry: dict[str, Any]) -> Difference:
    # reports of earlier versions don't name the interval, which was always a bootstrap's
    return Difference(**{"interval": BOOTSTRAP, **_with_nan(entry)})


def _summary(entry: dict[str, Any]) -> Summary:
    values = {name: Spread(**_with_nan(value)) for name, value in entry["values"].items()}
    return Summary(**{**entry, "values": values})


def _without_nan(value: Any) -> Any:
    """The value with None in place of NaN, which is not JSON and which a browser refuses."""
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _with_nan(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: math.nan if value is None else value for key, value in entry.items()}
