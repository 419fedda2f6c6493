"""Which cases have pictures."""

from __future__ import annotations

import math
from typing import Any

from label_images import make_score

from nnunetv2_semiseg.evaluation.results.report import Report
from nnunetv2_semiseg.evaluation.writing.page.shown_cases import ranking_model, shown_cases


def report_of(dice: dict[str, list[float]]) -> Report:
    """A report of two models by domain; the first finds the last cases hardest."""
    scores = [
        make_score(model, f"{domain}_{index}", domain, sign * value)
        for model, sign in (("first", -1), ("last", 1))
        for domain, values in dice.items()
        for index, value in enumerate(values)
    ]
    fields: dict[str, Any] = dict.fromkeys(Report.__dataclass_fields__)
    models = {"first": "", "last": ""}
    return Report(
        **{**fields, "models": models, "classes": ("disc",), "domains": tuple(dice), "scores": scores}
    )


def cases_of(**dice: list[float]) -> list[tuple[str, str]]:
    return [(entry.case, entry.why) for entry in shown_cases(report_of(dice))]


def test_the_last_model_ranks_the_cases() -> None:
    assert ranking_model(report_of({"A": [1]})) == "last"


def test_worst_and_median_of_each_domain() -> None:
    assert cases_of(A=[0.9, 0.1, 0.5, 0.6, 0.2], B=[0.4, 0.8]) == [
        ("A_1", "worst of 5 cases"),
        ("A_2", "median of 5 cases"),
        ("B_0", "worst of 2 cases"),
        ("B_1", "median of 2 cases"),
    ]


def test_cases_without_a_value_are_none() -> None:
    assert cases_of(A=[math.nan, 0.5], B=[math.nan]) == [("A_1", "the only case")]


def test_equal_cases_come_by_name() -> None:
    assert cases_of(A=[0.5, 0.5, 0.5, 0.5])[0][0] == "A_0"
