"""Which cases are shown: of each domain the worst and the median one of the last model."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nnunetv2_semiseg.evaluation.measuring.scores import CLASS_MEAN
from nnunetv2_semiseg.evaluation.results.report import Report


@dataclass(frozen=True)
class ChosenCase:
    """A case to look at.

    Attributes:
        case: Its name.
        domain: Its domain.
        why: Its place among the cases of the domain, ``worst of 20 cases``.
    """

    case: str
    domain: str
    why: str


def choosing_model(report: Report) -> str:
    """The last model: the first is what the others are compared with, and its failures are known."""
    return list(report.models)[-1]


def chosen_cases(report: Report) -> list[ChosenCase]:
    """By domain, the worst first; cases in which the model has no Dice are none of them."""
    label = CLASS_MEAN if len(report.classes) > 1 else report.classes[0]
    model = choosing_model(report)
    chosen = []
    for domain in report.domains:
        ranked = sorted(
            (score.values["dice"], score.case)
            for score in report.scores
            if (score.model, score.domain, score.label) == (model, domain, label)
            and not math.isnan(score.values["dice"])
        )
        chosen += _of_domain([case for _, case in ranked], domain)
    return chosen


def _of_domain(ranked: list[str], domain: str) -> list[ChosenCase]:
    count = len(ranked)
    if count < 2:
        return [ChosenCase(case, domain, "the only case") for case in ranked]
    median = ranked[count // 2]  # of an even number the better one, which is never the worst
    return [
        ChosenCase(ranked[0], domain, f"worst of {count} cases"),
        ChosenCase(median, domain, f"median of {count} cases"),
    ]
