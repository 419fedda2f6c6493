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
from nnunetv2_semiseg.evaluation.measuring.classes import (
    LabelClass,
    foreground_classes,
    ignore_value,
    predictable_values,
)
from nnunetv2_semiseg.evaluation.measuring.domains import domains_of
from nnunetv2_semiseg.evaluation.measuring.label_files import CaseFiles
from nnunetv2_semiseg.evaluation.measuring.reading import label_reader, read_pair
from nnunetv2_semiseg.evaluation.measuring.scores import Score, score_case

UNITS = ("mm", "px")
"""Of distances: mm where the true label maps have a spacing, pixels else."""

TITLE = "cases"

KILLED = (
    "a measuring process was killed, most likely because memory ran out: use fewer processes (-np, or the "
    "environment variable nnUNet_def_n_proc)"
)


@dataclass(frozen=True)
class CaseTask:
    """One case to measure, with the predictions of all models.

    Attributes:
        files: Its label maps.
        domain: Of the case.
        models: Names of the models, in the order of the predictions.
        classes: What to measure.
        predictable: Labels that a prediction may have.
        ignore: The ignore label, None where there is none.
        reader: Of the label maps.
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
    """What came out of it.

    Attributes:
        scores: By model, then case, then class.
        unit: Of the distances, one of `UNITS`.
    """

    scores: tuple[Score, ...]
    unit: str


def measure_cases(
    cases: Sequence[CaseFiles], models: Sequence[str], dataset_json: Mapping[str, Any], num_processes: int
) -> Measured:
    """Measure all predictions of all cases, with a progress bar.

    Args:
        cases: At least one.
        models: Names, in the order of each case's predictions.
        dataset_json: Content of the dataset's dataset.json: labels, domains.
        num_processes: Background processes; with 1, this process does it.

    Raises:
        UserError: A case has no domain, a label map cannot be read or compared, or some have a spacing and
            others don't.
        WorkerKilledError: A background process was killed.
    """
    labels = dataset_json["labels"]
    task = CaseTask(
        files=cases[0],
        domain="",
        models=tuple(models),
        classes=tuple(foreground_classes(labels)),
        predictable=frozenset(predictable_values(labels)),
        ignore=ignore_value(labels),
        reader=label_reader(dataset_json, cases[0].reference),
    )
    domains = domains_of((files.case for files in cases), dataset_json)
    tasks = [dataclasses.replace(task, files=files, domain=domains[files.case]) for files in cases]
    results = [result for _, result in sorted(_run(tasks, num_processes))]
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


def measure_case(task: CaseTask) -> tuple[list[list[Score]], str]:
    """Scores of one case by model, and the unit of their distances; errors as in `measure_cases`."""
    scores = []
    unit = UNITS[0]
    for model, prediction in zip(task.models, task.files.predictions, strict=True):
        true, predicted = read_pair(
            task.reader, task.files.reference, prediction, task.predictable, task.ignore
        )
        unit = UNITS[true.spacing is None]
        measured = score_case(true, predicted, task.classes, task.ignore)
        scores.append(
            [
                Score(model=model, case=task.files.case, domain=task.domain, **vars(score))
                for score in measured
            ]
        )
    return scores, unit


def _run(
    tasks: Sequence[CaseTask], num_processes: int
) -> Iterator[tuple[int, tuple[list[list[Score]], str]]]:
    """Index and result of each task, in the order in which they are finished."""
    workers = min(num_processes, len(tasks))
    if workers == 1:
        yield from enumerate(map(measure_case, tqdm(tasks, desc=TITLE, unit="case")))
        return
    yield from results_of_workers(measure_case, tasks, workers, TITLE, KILLED)
