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
from nnunetv2_semiseg.evaluation.measuring.scores import Score
from nnunetv2_semiseg.evaluation.results.costs import TrainingCost
from nnunetv2_semiseg.evaluation.results.differences import Difference
from nnunetv2_semiseg.evaluation.results.seeds import SeedResult
from nnunetv2_semiseg.evaluation.results.statistics import BOOTSTRAP
from nnunetv2_semiseg.evaluation.results.summary import Spread, Summary

FORMAT = 1
"""Of the JSON file; to be raised when a reader of the old form would misread it."""


@dataclass(frozen=True)
class Report:
    """What an evaluation found.

    Attributes:
        dataset: Name of the dataset.
        reference: Folder with the true label maps.
        models: Prediction folder of each model by its name; the first is the baseline. Of a model that was
            trained several times, that of the first training.
        classes: Names of the foreground classes, in the order of dataset.json.
        domains: Sorted names.
        unit: Of distances, ``mm`` or ``px``.
        seed: Of the bootstrap.
        resamples: Of the bootstrap.
        confidence: Of its intervals, 0 to 1.
        left_out: Cases that were not measured because not all folders have them.
        scores: Of each model, case and class, and of each case the mean of classes.
        summaries: Of each model, class and domain.
        comparisons: Of each model but the first, class, domain and measure.
        seeds: Of models that were trained several times, each training by the model's name; scores are then
            means over these trainings.
        costs: Of models whose trainings are known, by name.
        conditions: What all models have in common, by what it is called.
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
    """A JSON object of the report's attributes and ``format``; what is undefined is null."""
    content = {"format": FORMAT, **dataclasses.asdict(report)}
    return json.dumps(_without_nan(content), indent=1, allow_nan=False) + "\n"


def read_report(file: Path) -> Report:
    """Read what `report_to_json` gave.

    Raises:
        UserFileError: The file does not exist.
        UserError: It is not a report, or one of another format.
    """
    try:
        content = json.loads(file.read_text())
    except json.JSONDecodeError as error:
        raise UserError(f"{file} is not valid JSON ({error}): evaluate again") from None
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise UserError(f"{file} is no report of format {FORMAT}: evaluate again with this version")
    try:
        return _report(content)
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{file} is damaged ({type(error).__name__}: {error}): evaluate again") from None


def _report(content: dict[str, Any]) -> Report:
    """From what `report_to_json` wrote, without the format."""
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
    """NaN is no JSON, and a browser refuses it."""
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _with_nan(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: math.nan if value is None else value for key, value in entry.items()}
