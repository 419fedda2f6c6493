"""The demo's table: Dice by domain for each model, and what may be read from it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nnunetv2_semiseg.evaluation.measuring.scores import CLASS_MEAN
from nnunetv2_semiseg.evaluation.results.summary import DOMAIN_MEAN, Summary

CAPTION = """\
Mean Dice in percent of the SYNTHETIC test images, mean over both organs. Only domain {labeled} has labels.
All models were trained with the same number of labeled samples in the same number of iterations.
The foundation model of this demo is a small transformer with RANDOM frozen weights. Without the pretraining
of SAM or MedSAM it is a weak one: these numbers show that the whole way works, not the gain of the paper.
"""


def format_table(summaries: Sequence[Summary], labeled: str) -> str:
    """A table as text with its caption: a row for each model, a column for each domain.

    Args:
        summaries: Summaries of an evaluation of several domains and classes.
        labeled: Name of the domain that has labels.
    """
    rows: dict[str, dict[str, float]] = {}
    for summary in summaries:
        if summary.label == CLASS_MEAN:
            rows.setdefault(summary.model, {})[summary.domain] = summary.values["dice"].mean
    titles = {labeled: f"{labeled} (labeled)", DOMAIN_MEAN: "mean"}
    domains = next(iter(rows.values()))
    width = max(map(len, rows))
    lines = [" " * width + "".join(f"{titles.get(domain, domain):>13}" for domain in domains)]
    for model, dice in rows.items():
        lines.append(f"{model:<{width}}" + "".join(f"{_percent(dice[domain]):>13}" for domain in domains))
    return "\n".join([*lines, "", CAPTION.format(labeled=labeled)])


def _percent(dice: float) -> str:
    return "-" if math.isnan(dice) else f"{100 * dice:.1f}"
