"""Differences between models, case by case, with what chance may do to them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnunetv2_semiseg.evaluation.measuring.measures import MEASURES
from nnunetv2_semiseg.evaluation.measuring.scores import Score
from nnunetv2_semiseg.evaluation.results.statistics import (
    BOOTSTRAP,
    FEWEST_TO_RESAMPLE,
    T_INTERVAL,
    Values,
    percentile_interval,
    resampled_means,
    t_interval,
    wilcoxon_p,
)
from nnunetv2_semiseg.evaluation.results.summary import DOMAIN_MEAN


@dataclass(frozen=True)
class Difference:
    """Paired difference between a model and the baseline.

    Attributes:
        model: Name of the model.
        baseline: Name of the model that it is compared with.
        domain: Name of the domain, or `summary.DOMAIN_MEAN`.
        label: Name of the class, or `scores.CLASS_MEAN`.
        measure: Name of the measure, whose unit the numbers have.
        pairs: Number of cases in which both models have a value; no others count.
        difference: Mean over these of the model's value minus the baseline's; NaN where there are none.
        low: Lower end of the 95 % interval of the difference; NaN where a domain has fewer than two pairs.
        high: Upper end of the interval; NaN where ``low`` is.
        p_value: p-value of Wilcoxon's test over all pairs, not corrected for the number of comparisons; NaN
            where there are fewer than two pairs, or no difference in any.
        interval: Kind of the interval, `statistics.BOOTSTRAP`, or `statistics.T_INTERVAL` where a domain has
            fewer than `statistics.FEWEST_TO_RESAMPLE` pairs; empty where there is no interval.
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
    interval: str


@dataclass(frozen=True)
class _Pairs:
    """Pairs of one class in one domain.

    Attributes:
        occurs: Whether either model or the reference has the class in any case.
        differences: Differences by measure, of the cases in which both models have a value.
    """

    occurs: bool
    differences: dict[str, list[float]]


def paired_differences(scores: Sequence[Score], models: Sequence[str], seed: int = 0) -> list[Difference]:
    """Differences of every other model to the first.

    The bootstrap of one domain resamples its cases. That of the mean of domains resamples the cases of each
    domain and takes the mean of their means.

    Args:
        scores: Scores of all models in the same cases.
        models: Names of the models; the first is the baseline.
        seed: Seed of the bootstrap, at least 0.

    Returns:
        Differences by model, class, domain and measure.
    """
    grouped = _group(scores)
    baseline = models[0]
    labels = dict.fromkeys(score.label for score in scores)
    domains = sorted({score.domain for score in scores})
    differences = []
    for model in models[1:]:
        for label in labels:
            pairs = {
                domain: _pair(grouped[model, label, domain], grouped[baseline, label, domain])
                for domain in domains
            }
            differences += _differences_of_label((model, baseline, label), pairs, seed)
    return differences


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


def _differences_of_label(
    names: tuple[str, str, str], pairs: Mapping[str, _Pairs], seed: int
) -> list[Difference]:
    """Differences of one class in each domain, and over several domains in their mean."""
    found = []
    for measure in (measure.name for measure in MEASURES):
        differences = {domain: entry.differences[measure] for domain, entry in pairs.items()}
        # domains are drawn independently of each other, and all measures and models of a domain alike
        resampled = {
            domain: resampled_means(values, (seed, index))
            for index, (domain, values) in enumerate(differences.items())
            if len(values) >= FEWEST_TO_RESAMPLE
        }
        groups = {domain: [domain] for domain in pairs}
        if len(pairs) > 1:
            groups[DOMAIN_MEAN] = [domain for domain, entry in pairs.items() if entry.occurs]
        for group, members in groups.items():
            values = {domain: differences[domain] for domain in members}
            found.append(_difference(names, group, measure, values, resampled))
    order = [*pairs, DOMAIN_MEAN]
    return sorted(found, key=lambda entry: order.index(entry.domain))


def _difference(
    names: tuple[str, str, str],
    group: str,
    measure: str,
    differences: Mapping[str, Sequence[float]],
    resampled: Mapping[str, Values],
) -> Difference:
    """One difference from those in the domains that count, and from their resampled means if any."""
    model, baseline, label = names
    pooled = [value for values in differences.values() for value in values]
    known = bool(differences) and all(differences.values())
    mean = float(np.mean([np.mean(values) for values in differences.values()])) if known else math.nan
    low, high, interval = _interval(differences, resampled) if known else (math.nan, math.nan, "")
    return Difference(
        model=model,
        baseline=baseline,
        domain=group,
        label=label,
        measure=measure,
        pairs=len(pooled),
        difference=mean,
        low=low,
        high=high,
        p_value=wilcoxon_p(pooled) if known else math.nan,
        interval=interval,
    )


def _interval(
    differences: Mapping[str, Sequence[float]], resampled: Mapping[str, Values]
) -> tuple[float, float, str]:
    """Lower end, upper end and kind of the interval of the mean of the domains' means."""
    if all(domain in resampled for domain in differences):
        means = np.mean([resampled[domain] for domain in differences], axis=0)
        return *percentile_interval(means), BOOTSTRAP
    if min(map(len, differences.values())) < 2:
        return math.nan, math.nan, ""
    return *t_interval(list(differences.values())), T_INTERVAL
