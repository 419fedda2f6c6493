"""Models that were trained several times, with other seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_semiseg.evaluation.measuring.scores import Score, mean_score
from nnunetv2_semiseg.evaluation.results.summary import Summary, summarise


@dataclass(frozen=True)
class SeedResult:
    """Result of one of a model's trainings.

    Attributes:
        folder: Folder of the training's predictions.
        dice: Mean Dice over domains and classes, 0 to 1; NaN if it is undefined.
    """

    folder: str
    dice: float


def mean_over_seeds(trainings: Sequence[Sequence[Score]]) -> list[Score]:
    """Scores of a model that was trained several times: in each case, the mean over its trainings.

    Args:
        trainings: Scores of each training in the same cases and classes, in the same order.

    Returns:
        Scores in that order, each the `mean_score` of the trainings.
    """
    return [
        Score(
            **vars(mean_score(group[0].label, group)),
            model=group[0].model,
            case=group[0].case,
            domain=group[0].domain,
        )
        for group in zip(*trainings, strict=True)
    ]


def seed_result(folder: str, scores: Sequence[Score]) -> SeedResult:
    """Result of one training from all of its scores."""
    return SeedResult(folder, overall_dice(summarise(scores)))


def overall_dice(summaries: Sequence[Summary]) -> float:
    """Mean Dice of a model over domains and classes, 0 to 1.

    Args:
        summaries: All summaries of one model.
    """
    # summaries end with the mean of classes over the mean of domains, where there are such
    return summaries[-1].values["dice"].mean
