"""Means over cases and over domains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnunetv2_semiseg.evaluation.measuring.measures import MEASURES
from nnunetv2_semiseg.evaluation.measuring.scores import Score

DOMAIN_MEAN = "mean of domains"
"""Stands in place of a domain for the mean over all domains."""


@dataclass(frozen=True)
class Spread:
    """Mean and spread of defined values.

    Attributes:
        mean: Mean of the values; NaN if there is none.
        std: Standard deviation of the sample (with n - 1); NaN if there are fewer than two values.
        count: Number of values.
    """

    mean: float
    std: float
    count: int


@dataclass(frozen=True)
class Summary:
    """Results of one model in one class and one domain, or in all domains.

    Attributes:
        model: Name of the model.
        domain: Name of the domain, or `DOMAIN_MEAN`, where every domain counts the same and ``values`` are
            over the domains' means.
        label: Name of the class, or `scores.CLASS_MEAN`.
        cases: Number of cases.
        values: Mean and spread by name of the measure, over the cases that have a value; units as in
            `scores.ClassScore`.
        empty_predictions: Number of cases that have the class while their prediction lacks it; for a mean of
            classes, while it lacks any class that the case has.
        empty_references: Number of cases that lack the class while their prediction has it; for a mean of
            classes, while it has any class that the case lacks.
        absent: Number of cases in which neither has the class; for a mean of classes, any class.
        partly_ignored: Number of cases with the ignore label, which have no distances.
    """

    model: str
    domain: str
    label: str
    cases: int
    values: dict[str, Spread]
    empty_predictions: int
    empty_references: int
    absent: int
    partly_ignored: int


def summarise(scores: Sequence[Score]) -> list[Summary]:
    """Summaries by model, class and domain. Domains are sorted; if there are several, their mean is last.

    Args:
        scores: Scores of one or several models.
    """
    groups: dict[tuple[str, str], dict[str, list[Score]]] = {}
    for score in scores:
        groups.setdefault((score.model, score.label), {}).setdefault(score.domain, []).append(score)
    summaries = []
    for by_domain in groups.values():
        domains = [_of_domain(cases) for _, cases in sorted(by_domain.items())]
        summaries += domains if len(domains) == 1 else [*domains, _over_domains(domains)]
    return summaries


def spread(values: Sequence[float]) -> Spread:
    """Mean and spread of the values that are not NaN."""
    known = [value for value in values if not math.isnan(value)]
    return Spread(
        mean=float(np.mean(known)) if known else math.nan,
        std=float(np.std(known, ddof=1)) if len(known) > 1 else math.nan,
        count=len(known),
    )


def _of_domain(scores: Sequence[Score]) -> Summary:
    return Summary(
        model=scores[0].model,
        domain=scores[0].domain,
        label=scores[0].label,
        cases=len(scores),
        values={
            measure.name: spread([score.values[measure.name] for score in scores]) for measure in MEASURES
        },
        empty_predictions=sum(score.empty_prediction for score in scores),
        empty_references=sum(score.empty_reference for score in scores),
        absent=sum(score.absent for score in scores),
        partly_ignored=sum(score.partly_ignored for score in scores),
    )


def _over_domains(domains: Sequence[Summary]) -> Summary:
    """The mean of domains.

    A domain without the class is left out. A domain that has the class and no value leaves the mean
    undefined: otherwise a model could improve its mean distance by finding nothing in a whole domain.
    """
    counted = [domain for domain in domains if domain.absent < domain.cases]
    values = {}
    for measure in MEASURES:
        over = spread([domain.values[measure.name].mean for domain in counted])
        complete = over.count == len(counted)
        values[measure.name] = over if complete else Spread(math.nan, math.nan, over.count)
    return Summary(
        model=domains[0].model,
        domain=DOMAIN_MEAN,
        label=domains[0].label,
        cases=sum(domain.cases for domain in domains),
        values=values,
        empty_predictions=sum(domain.empty_predictions for domain in domains),
        empty_references=sum(domain.empty_references for domain in domains),
        absent=sum(domain.absent for domain in domains),
        partly_ignored=sum(domain.partly_ignored for domain in domains),
    )
