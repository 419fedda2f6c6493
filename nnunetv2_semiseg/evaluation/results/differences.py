"""Differences between models, case by case, with what chance may do to them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnunetv2_semiseg.evaluation.measuring.measures import MEASURES
from nnunetv2_semiseg.evaluation.measuring.scores import Score
from nnunetv2_semiseg.evaluation.results.statistics import (
    Values,
    percentile_interval,
    resampled_means,
    wilcoxon_p,
)
from nnunetv2_semiseg.evaluation.results.summary import DOMAIN_MEAN


@dataclass(frozen=True)
class Comparison:
    """A model against the baseline.

    Attributes:
        model: Its name.
        baseline: Name of the other.
        domain: Its name, or `summary.DOMAIN_MEAN`.
        label: Name of the class, or `scores.CLASS_MEAN`.
        measure: Its name; the unit of the numbers is that of the measure.
        pairs: Cases in which both have a value; no others count.
        difference: Mean over these of the model's value minus the baseline's; NaN where there are none.
        low: Lower end of the 95 % interval of the difference; NaN where a domain has fewer than two pairs.
        high: Upper end of it.
        p_value: Of Wilcoxon's test over all pairs, not corrected for the number of comparisons; NaN where
            there are fewer than two pairs, or no difference in any.
    """

    model: str
    baseline: str
    domain: str
    label: str
    measure: str
    pairs: int
    difference: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class _Pairs:
    """Pairs of one class in one domain.

    Attributes:
        occurs: Whether either model or the reference has the class in any case.
        differences: By measure, of the cases in which both have a value.
    """

    occurs: bool
    differences: dict[str, list[float]]


def compare(scores: Sequence[Score], models: Sequence[str], seed: int = 0) -> list[Comparison]:
    """Every other model against the first.

    The interval of one domain is a bootstrap over its cases. That of the mean of domains resamples the cases
    of each domain and takes the mean of their means.

    Args:
        scores: Of all models in the same cases.
        models: Names; the first is the baseline.
        seed: Of the bootstrap.

    Returns:
        Comparisons by model, class, domain and measure.
    """
    grouped = _group(scores)
    baseline = models[0]
    labels = dict.fromkeys(score.label for score in scores)
    domains = sorted({score.domain for score in scores})
    comparisons = []
    for model in models[1:]:
        for label in labels:
            pairs = {
                domain: _pair(grouped[model, label, domain], grouped[baseline, label, domain])
                for domain in domains
            }
            comparisons += _compare_label((model, baseline, label), pairs, seed)
    return comparisons


def _group(scores: Sequence[Score]) -> dict[tuple[str, str, str], dict[str, Score]]:
    """Scores by model, class and domain, then by case."""
    grouped: dict[tuple[str, str, str], dict[str, Score]] = {}
    for score in scores:
        grouped.setdefault((score.model, score.label, score.domain), {})[score.case] = score
    return grouped


def _pair(ours: Mapping[str, Score], theirs: Mapping[str, Score]) -> _Pairs:
    differences = {}
    for measure in MEASURES:
        values = [ours[case].values[measure.name] - theirs[case].values[measure.name] for case in ours]
        differences[measure.name] = [value for value in values if not math.isnan(value)]
    occurs = not all(score.absent for score in (*ours.values(), *theirs.values()))
    return _Pairs(occurs, differences)


def _compare_label(names: tuple[str, str, str], pairs: Mapping[str, _Pairs], seed: int) -> list[Comparison]:
    """Comparisons of one class in each domain, and with several ones over them."""
    comparisons = []
    for measure in (measure.name for measure in MEASURES):
        differences = {domain: entry.differences[measure] for domain, entry in pairs.items()}
        # domains are drawn independently of each other, and all measures and models of a domain alike
        means = {
            domain: resampled_means(values, (seed, index))
            for index, (domain, values) in enumerate(differences.items())
            if len(values) > 1
        }
        groups = {domain: [domain] for domain in pairs}
        if len(pairs) > 1:
            groups[DOMAIN_MEAN] = [domain for domain, entry in pairs.items() if entry.occurs]
        for group, members in groups.items():
            values = [differences[domain] for domain in members]
            resampled = [means[domain] for domain in members if domain in means]
            comparisons.append(_comparison(names, group, measure, values, resampled))
    order = [*pairs, DOMAIN_MEAN]
    return sorted(comparisons, key=lambda entry: order.index(entry.domain))


def _comparison(
    names: tuple[str, str, str],
    domain: str,
    measure: str,
    differences: Sequence[Sequence[float]],
    resampled: Sequence[Values],
) -> Comparison:
    """One comparison from the differences in the domains that count, and their resampled means if any."""
    model, baseline, label = names
    pooled = [value for values in differences for value in values]
    known = bool(differences) and all(differences)
    certain = known and len(resampled) == len(differences)
    low, high = percentile_interval(np.mean(resampled, axis=0)) if certain else (math.nan, math.nan)
    return Comparison(
        model=model,
        baseline=baseline,
        domain=domain,
        label=label,
        measure=measure,
        pairs=len(pooled),
        difference=float(np.mean([np.mean(values) for values in differences])) if known else math.nan,
        low=low,
        high=high,
        p_value=wilcoxon_p(pooled) if known else math.nan,
    )
