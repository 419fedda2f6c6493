"""Dice of predicted label images, by class and domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from nnunetv2.imageio.base_reader_writer import BaseReaderWriter
from nnunetv2.imageio.reader_writer_registry import determine_reader_writer_from_dataset_json

ALL = "all"
"""The one domain of a dataset whose dataset.json names none."""

IGNORE = "ignore"
"""nnU-Net's name of the label of unannotated pixels, which count for nothing."""


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
        FileNotFoundError: ``truth`` has no cases, or a case has no prediction.
        NotImplementedError: The labels are regions.
        ValueError: A case has no domain, or a prediction has another size than its truth.
    """
    by_domain: dict[str, list[CaseDice]] = {}
    for case in case_dice(predictions, truth, dataset_json):
        by_domain.setdefault(case.domain, []).append(case)
    return {domain: summarise(cases) for domain, cases in sorted(by_domain.items())}


def case_dice(predictions: Path, truth: Path, dataset_json: Mapping[str, Any]) -> list[CaseDice]:
    """Dice of every case in ``truth``; arguments and errors as in `per_domain_dice`."""
    ending = dataset_json["file_ending"]
    files = sorted(truth.glob(f"[!.]*{ending}"))
    if not files:
        raise FileNotFoundError(f"{truth} has no label images ending with {ending}")
    reader = determine_reader_writer_from_dataset_json(dataset_json, str(files[0]), verbose=False)()
    classes, ignore = _classes(dataset_json["labels"])
    results = []
    for file in files:
        case = file.name.removesuffix(ending)
        true, predicted = _read_pair(reader, file, predictions / file.name)
        counted = np.ones_like(true, dtype=bool) if ignore is None else true != ignore
        dice = {value: _dice(true == value, predicted == value, counted) for value in classes}
        results.append(CaseDice(case, _domain(case, dataset_json), dice))
    return results


def summarise(cases: Sequence[CaseDice]) -> DomainDice:
    """Means over cases; a class without a value in a case is left out of its mean and counted."""
    values = {label: [case.dice[label] for case in cases] for label in cases[0].dice}
    return DomainDice(
        cases=len(cases),
        dice={label: _mean(dice) for label, dice in values.items()},
        absent={label: int(np.isnan(dice).sum()) for label, dice in values.items()},
    )


def _classes(labels: Mapping[str, Any]) -> tuple[list[int], int | None]:
    """Values of the foreground classes, and that of the ignore label."""
    regions = [name for name, value in labels.items() if not isinstance(value, int)]
    if regions:
        raise NotImplementedError(f"label '{regions[0]}' is a region; only plain integers can be evaluated")
    classes = [value for name, value in labels.items() if value > 0 and name != IGNORE]
    return sorted(classes), labels.get(IGNORE)


def _domain(case: str, dataset_json: Mapping[str, Any]) -> str:
    if "domains" not in dataset_json:
        return ALL
    try:
        return str(dataset_json["domains"][case])
    except KeyError:
        raise ValueError(f"case '{case}' has no domain: add it to 'domains' in dataset.json") from None


def _read_pair(
    reader: BaseReaderWriter, truth: Path, prediction: Path
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    if not prediction.is_file():
        raise FileNotFoundError(f"{prediction} does not exist, but {truth} does: predict this case too")
    true, predicted = (reader.read_seg(str(file))[0] for file in (truth, prediction))
    if true.shape != predicted.shape:
        raise ValueError(
            f"{prediction} has the size {predicted.shape[1:]}, but its truth {truth} has {true.shape[1:]}"
        )
    return true, predicted


def _dice(true: npt.NDArray[Any], predicted: npt.NDArray[Any], counted: npt.NDArray[Any]) -> float:
    true, predicted = true & counted, predicted & counted
    size = int(true.sum()) + int(predicted.sum())
    return float("nan") if size == 0 else 2 * int((true & predicted).sum()) / size


def _mean(values: Sequence[float]) -> float:
    """Mean of the values that are not NaN; NaN where there is none."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
