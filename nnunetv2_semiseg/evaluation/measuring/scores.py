"""The measures of one case: of each class, and their mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnunetv2_semiseg.evaluation.measuring.classes import LabelClass
from nnunetv2_semiseg.evaluation.measuring.measures import MEASURES, dice, jaccard, surface_distances
from nnunetv2_semiseg.evaluation.measuring.reading import LabelMap

CLASS_MEAN = "mean of classes"
"""Stands for a class where the mean over all of them is meant."""


@dataclass(frozen=True)
class ClassScore:
    """Measures of one class in one case, or their mean over the classes.

    Attributes:
        label: Name of the class, or `CLASS_MEAN`.
        values: By name of the measure; overlaps are 0 to 1, distances in mm or pixels, undefined ones NaN.
        empty_prediction: The case has the class, the prediction not. Overlaps are 0, distances undefined.
        empty_reference: The prediction has the class, the case not. Overlaps are 0, distances undefined.
        absent: Neither has it; all measures are undefined. A mean: neither has any class.
        partly_ignored: The case has pixels with the ignore label. Overlaps count the others; distances are
            undefined, as the surface in the ignored part is not known.
    """

    label: str
    values: dict[str, float]
    empty_prediction: bool
    empty_reference: bool
    absent: bool
    partly_ignored: bool


@dataclass(frozen=True)
class Score(ClassScore):
    """The same with where it belongs.

    Attributes:
        model: Name of the prediction folder.
        case: Name of the case.
        domain: Of the case.
    """

    model: str
    case: str
    domain: str


def score_case(
    true: LabelMap, predicted: LabelMap, classes: Sequence[LabelClass], ignore: int | None
) -> list[ClassScore]:
    """Measure a prediction.

    Args:
        true: The reference; its spacing counts.
        predicted: Of the same size.
        classes: What to measure.
        ignore: Label of pixels that count for nothing; None: there are none.

    Returns:
        One score for each class; if there are several, their mean as well.
    """
    scores = [_score_class(true, predicted, entry, ignore) for entry in classes]
    return scores if len(scores) == 1 else [*scores, mean_score(CLASS_MEAN, scores)]


def mean_score(label: str, scores: Sequence[ClassScore]) -> ClassScore:
    """Mean over what occurs; undefined where one of that is: to miss a class improves nothing.

    Args:
        label: Of the mean.
        scores: Of the same case; those that are absent do not count.
    """
    occurring = [score for score in scores if not score.absent]
    values = {
        measure.name: float(np.mean([score.values[measure.name] for score in occurring]))
        if occurring
        else math.nan
        for measure in MEASURES
    }
    return ClassScore(
        label=label,
        values=values,
        empty_prediction=any(score.empty_prediction for score in scores),
        empty_reference=any(score.empty_reference for score in scores),
        absent=not occurring,
        partly_ignored=any(score.partly_ignored for score in scores),
    )


def _score_class(true: LabelMap, predicted: LabelMap, entry: LabelClass, ignore: int | None) -> ClassScore:
    reference, prediction = entry.mask(true.labels), entry.mask(predicted.labels)
    ignored = False
    if ignore is not None:
        counted = true.labels != ignore
        reference, prediction, ignored = reference & counted, prediction & counted, not counted.all()
    hd95, asd = (math.nan, math.nan) if ignored else surface_distances(prediction, reference, true.spacing)
    has_reference, has_prediction = bool(reference.any()), bool(prediction.any())
    return ClassScore(
        label=entry.name,
        values={
            "dice": dice(prediction, reference),
            "jaccard": jaccard(prediction, reference),
            "hd95": hd95,
            "asd": asd,
        },
        empty_prediction=has_reference and not has_prediction,
        empty_reference=has_prediction and not has_reference,
        absent=not has_reference and not has_prediction,
        partly_ignored=ignored,
    )
