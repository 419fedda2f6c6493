"""Dice of predicted label images, by class and domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnunetv2_semiseg.core.errors import UnsupportedError, UserFileError
from nnunetv2_semiseg.evaluation.measuring import measures
from nnunetv2_semiseg.evaluation.measuring.classes import (
    LabelClass,
    foreground_classes,
    ignore_value,
    predictable_values,
)
from nnunetv2_semiseg.evaluation.measuring.domains import domains_of
from nnunetv2_semiseg.evaluation.measuring.label_files import label_files
from nnunetv2_semiseg.evaluation.measuring.reading import label_reader, read_pair


@dataclass(frozen=True)
class CaseDice:
    """Dice of one case.

    Attributes:
        case: Its name.
        domain: Where its image comes from.
        dice: By label value, foreground only; NaN where the class is in neither truth nor prediction.
    """

    case: str
    domain: str
    dice: dict[int, float]


@dataclass(frozen=True)
class DomainDice:
    """Mean Dice of the cases of one domain.

    Attributes:
        cases: How many there are.
        dice: By label value, the mean over the cases that have a value; NaN where none has.
        absent: By label value, the number of cases left out of that mean because the class is in neither
            truth nor prediction.
    """

    cases: int
    dice: dict[int, float]
    absent: dict[int, int]

    @property
    def mean(self) -> float:
        """Mean over the classes that have a value."""
        return _mean(list(self.dice.values()))


def per_domain_dice(predictions: Path, truth: Path, dataset_json: Mapping[str, Any]) -> dict[str, DomainDice]:
    """Mean Dice by domain and class of all cases in ``truth``.

    Args:
        predictions: Folder with label images, ``CASE.ending``; those without truth are not looked at.
        truth: Folder with the true label images.
        dataset_json: Content of the dataset's ``dataset.json``: labels, file ending, domains.

    Returns:
        Domain -> Dice, sorted by name.

    Raises:
        UserFileError: ``truth`` has no cases, or a case has no prediction.
        UnsupportedError: The labels are regions.
        UserError: A case has no domain, a prediction has another size or spacing than its truth, or a file
            cannot be read or has a label that the dataset lacks.
    """
    by_domain: dict[str, list[CaseDice]] = {}
    for case in case_dice(predictions, truth, dataset_json):
        by_domain.setdefault(case.domain, []).append(case)
    return {domain: summarise(cases) for domain, cases in sorted(by_domain.items())}


def case_dice(predictions: Path, truth: Path, dataset_json: Mapping[str, Any]) -> list[CaseDice]:
    """Dice of every case in ``truth``; arguments and errors as in `per_domain_dice`."""
    files = label_files(truth, dataset_json["file_ending"])
    reader = label_reader(dataset_json, next(iter(files.values())))
    classes, labels = _plain_classes(dataset_json["labels"]), dataset_json["labels"]
    ignore, predictable = ignore_value(labels), predictable_values(labels)
    domains = domains_of(files, dataset_json)
    results = []
    for case, file in files.items():
        prediction = predictions / file.name
        if not prediction.is_file():
            raise UserFileError(f"{prediction} does not exist, but {file} does: predict this case too")
        true, predicted = (pair.labels for pair in read_pair(reader, file, prediction, predictable, ignore))
        counted = np.ones_like(true, dtype=bool) if ignore is None else true != ignore
        dice = {
            entry.values[0]: measures.dice(entry.mask(predicted) & counted, entry.mask(true) & counted)
            for entry in classes
        }
        results.append(CaseDice(case, domains[case], dice))
    return results


def summarise(cases: Sequence[CaseDice]) -> DomainDice:
    """Means over cases; a class without a value in a case is left out of its mean and counted."""
    values = {label: [case.dice[label] for case in cases] for label in cases[0].dice}
    return DomainDice(
        cases=len(cases),
        dice={label: _mean(dice) for label, dice in values.items()},
        absent={label: int(np.isnan(dice).sum()) for label, dice in values.items()},
    )


def _plain_classes(labels: Mapping[str, Any]) -> list[LabelClass]:
    """The foreground classes by their values."""
    classes = foreground_classes(labels)
    regions = [entry.name for entry in classes if not isinstance(labels[entry.name], int)]
    if regions:
        raise UnsupportedError(f"label '{regions[0]}' is a region; only plain integers can be evaluated")
    return sorted(classes, key=lambda entry: entry.values)


def _mean(values: Sequence[float]) -> float:
    """Mean of the values that are not NaN; NaN where there is none."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
