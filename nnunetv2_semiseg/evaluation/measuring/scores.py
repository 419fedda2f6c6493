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
"""Stands in place of a class for the mean over all classes."""


@dataclass(frozen=True)
class ClassScore:
    """Measures of one class in one case, or their mean over the classes.

    Attributes:
        label: Name of the class, or `CLASS_MEAN`.
        values: Values by name of the measure. Overlaps are 0 to 1, distances are in mm or pixels, undefined
            values are NaN.
        empty_prediction: Whether the case has the class and the prediction lacks it. Overlaps are then 0,
            distances undefined.
        empty_reference: Whether the prediction has the class and the case lacks it. Overlaps are then 0,
            distances undefined.
        absent: Whether neither of them has the class, so that all measures are undefined; for a mean, whether
            neither has any class.
        partly_ignored: Whether the case has pixels with the ignore label. Overlaps count the other pixels;
            distances are undefined, as the surface in the ignored part is not known.
    """

    label: str
    values: dict[str, float]
    empty_prediction: bool
    empty_reference: bool
    absent: bool
    partly_ignored: bool


@dataclass(frozen=True)
class Score(ClassScore):
    """A score of one model in one case.

    Attributes:
        model: Name of the model.
        case: Name of the case.
        domain: Domain of the case.
    """

    model: str
    case: str
    domain: str


def score_case(
    true: LabelMap, predicted: LabelMap, classes: Sequence[LabelClass], ignore: int | None
) -> list[ClassScore]:
    """Measure the prediction of one case.

    Args:
        true: The true label map, whose spacing distances are measured with.
        predicted: The predicted label map, of the same size.
        classes: Classes to measure.
        ignore: Label of pixels that are left out of every measure; None: there is no such label.

    Returns:
        One score for each class; if there are several classes, their mean as well.
    """
    scores = [_score_class(true, predicted, entry, ignore) for entry in classes]
    return scores if len(scores) == 1 else [*scores, mean_score(CLASS_MEAN, scores)]


def mean_score(label: str, scores: Sequence[ClassScore]) -> ClassScore:
    """Mean over the scores that are not absent.

    A mean is undefined if one of these scores is, so that no model improves a mean by missing a class.

    Args:
        label: Name that stands in place of a class.
        scores: Scores of the same case.
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
