"""Measuring many cases in background processes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nnunetv2.imageio.base_reader_writer import BaseReaderWriter
from tqdm import tqdm

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.core.processes import results_of_workers
from nnunetv2_semiseg.data.raw.reading import reader_for
from nnunetv2_semiseg.evaluation.measuring.classes import (
    LabelClass,
    foreground_classes,
    ignore_value,
    predictable_values,
)
from nnunetv2_semiseg.evaluation.measuring.domains import domains_of
from nnunetv2_semiseg.evaluation.measuring.label_files import CaseFiles
from nnunetv2_semiseg.evaluation.measuring.reading import read_pair
from nnunetv2_semiseg.evaluation.measuring.scores import Score, score_case

UNITS = ("mm", "px")
"""Units of distances: mm where the true label maps have a spacing, else pixels."""

TITLE = "cases"

KILLED = (
    "a measuring process was killed, most likely because memory ran out: use fewer processes (-np, or the "
    "environment variable nnUNet_def_n_proc)"
)


@dataclass(frozen=True)
class CaseToMeasure:
    """One case with the predictions of all models, and what a background process needs to measure them.

    Attributes:
        files: Label maps of the case.
        domain: Domain of the case.
        models: Names of the models, in the order of the predictions.
        classes: Classes to measure.
        predictable: Labels that a prediction may have.
        ignore: The ignore label; None if the dataset has none.
        reader: Reader of the label maps.
    """

    files: CaseFiles
    domain: str
    models: tuple[str, ...]
    classes: tuple[LabelClass, ...]
    predictable: frozenset[int]
    ignore: int | None
    reader: BaseReaderWriter


@dataclass(frozen=True)
class Measured:
    """Scores of all cases.

    Attributes:
        scores: Scores in the order of models, then cases, then classes.
        unit: Unit of the distances, one of `UNITS`.
    """

    scores: tuple[Score, ...]
    unit: str


def measure_cases(
    cases: Sequence[CaseFiles], models: Sequence[str], dataset_json: Mapping[str, Any], num_processes: int
) -> Measured:
    """Measure all predictions of all cases, with a progress bar.

    Args:
        cases: Label maps of the cases, of which there is at least one.
        models: Names of the models, in the order of each case's predictions.
        dataset_json: Content of the dataset's dataset.json: labels, domains.
        num_processes: Number of background processes; with 1, this process does the work.

    Raises:
        UserError: A case has no domain, a label map cannot be read or compared, or some have a spacing and
            others don't.
        WorkerKilledError: A background process was killed.
    """
    labels = dataset_json["labels"]
    first = CaseToMeasure(
        files=cases[0],
        domain="",
        models=tuple(models),
        classes=tuple(foreground_classes(labels)),
        predictable=frozenset(predictable_values(labels)),
        ignore=ignore_value(labels),
        reader=reader_for(dataset_json, cases[0].reference),
    )
    domains = domains_of((files.case for files in cases), dataset_json)
    work = [dataclasses.replace(first, files=files, domain=domains[files.case]) for files in cases]
    results = [result for _, result in sorted(_run(work, num_processes))]
    units = {unit for _, unit in results}
    if len(units) > 1:
        unit = results[0][1]
        other = next(
            files.reference for files, result in zip(cases, results, strict=True) if result[1] != unit
        )
        raise UserError(
            f"{cases[0].reference} is in {unit} and {other} is not: give all label maps a spacing, or none"
        )
    scores = [score for model in range(len(models)) for by_model, _ in results for score in by_model[model]]
    return Measured(tuple(scores), units.pop())


def measure_case(case: CaseToMeasure) -> tuple[list[list[Score]], str]:
    """Scores of one case by model, and the unit of their distances; errors as in `measure_cases`."""
    scores = []
    unit = UNITS[0]
    files = case.files
    for model, prediction in zip(case.models, files.predictions, strict=True):
        true, predicted = read_pair(case.reader, files.reference, prediction, case.predictable, case.ignore)
        unit = UNITS[true.spacing is None]
        measured = score_case(true, predicted, case.classes, case.ignore)
        scores.append(
            [Score(model=model, case=files.case, domain=case.domain, **vars(score)) for score in measured]
        )
    return scores, unit


def _run(
    cases: Sequence[CaseToMeasure], num_processes: int
) -> Iterator[tuple[int, tuple[list[list[Score]], str]]]:
    """Index and result of each case, in the order in which they are finished."""
    workers = min(num_processes, len(cases))
    if workers == 1:
        yield from enumerate(map(measure_case, tqdm(cases, desc=TITLE, unit="case")))
        return
    yield from results_of_workers(measure_case, cases, workers, TITLE, KILLED)
