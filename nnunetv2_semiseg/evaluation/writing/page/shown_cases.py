"""The cases that are shown: the last model's worst and median case of each domain."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nnunetv2_semiseg.evaluation.measuring.scores import CLASS_MEAN
from nnunetv2_semiseg.evaluation.results.report import Report


@dataclass(frozen=True)
class ShownCase:
    """A case to look at.

    Attributes:
        case: Name of the case.
        domain: Name of its domain.
        why: Rank of the case among those of the domain, such as ``worst of 20 cases``.
    """

    case: str
    domain: str
    why: str


def ranking_model(report: Report) -> str:
    """Name of the last model. The first is the baseline, whose failures are known."""
    return list(report.models)[-1]


def shown_cases(report: Report) -> list[ShownCase]:
    """Worst and median case of each domain, the worst first, among the cases that have a Dice."""
    label = CLASS_MEAN if len(report.classes) > 1 else report.classes[0]
    model = ranking_model(report)
    shown = []
    for domain in report.domains:
        ranked = sorted(
            (score.values["dice"], score.case)
            for score in report.scores
            if (score.model, score.domain, score.label) == (model, domain, label)
            and not math.isnan(score.values["dice"])
        )
        shown += _worst_and_median([case for _, case in ranked], domain)
    return shown


def _worst_and_median(ranked: list[str], domain: str) -> list[ShownCase]:
    count = len(ranked)
    if count < 2:
        return [ShownCase(case, domain, "the only case") for case in ranked]
    median = ranked[count // 2]  # of an even number the better one, which is never the worst
    return [
        ShownCase(ranked[0], domain, f"worst of {count} cases"),
        ShownCase(median, domain, f"median of {count} cases"),
    ]
