"""The demo's table: Dice by domain for each model, and what may be read from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnunetv2_semiseg.evaluation.dice import DomainDice, per_domain_dice

CAPTION = """\
Mean Dice in percent of the SYNTHETIC test images, mean over both organs. Only domain {labeled} has labels.
All models were trained with the same number of labeled samples in the same number of iterations.
The foundation model of this demo is a small transformer with RANDOM frozen weights. Without the pretraining
of SAM or MedSAM it is a weak one: these numbers show that the whole way works, not the gain of the paper.
"""


def dice_table(
    predictions: Mapping[str, Path], truth: Path, dataset_json: Mapping[str, Any]
) -> dict[str, dict[str, DomainDice]]:
    """Dice of each model in each domain.

    Args:
        predictions: Name of a model -> folder with its predicted label images.
        truth: Folder with the true ones.
        dataset_json: Content of the dataset's ``dataset.json``.
    """
    return {name: per_domain_dice(folder, truth, dataset_json) for name, folder in predictions.items()}


def format_table(table: Mapping[str, Mapping[str, DomainDice]], labeled: str) -> str:
    """The table as text with its caption.

    Args:
        table: Dice of each model by domain, as `dice_table` gives it.
        labeled: The domain with labels.
    """
    domains = list(next(iter(table.values())))
    width = max(len(name) for name in table)
    titles = [f"{domain} (labeled)" if domain == labeled else domain for domain in domains]
    lines = [" " * width + "".join(f"{title:>13}" for title in [*titles, "mean"])]
    for name, by_domain in table.items():
        values = [by_domain[domain].mean for domain in domains]
        values.append(sum(values) / len(values))
        lines.append(f"{name:<{width}}" + "".join(f"{_shown(value):>13}" for value in values))
    return "\n".join([*lines, "", CAPTION.format(labeled=labeled)])


def _shown(dice: float) -> str:
    return "-" if math.isnan(dice) else f"{100 * dice:.1f}"
