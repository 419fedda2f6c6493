"""Models that were trained several times, with other seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_semiseg.evaluation.measuring.scores import Score, mean_score
from nnunetv2_semiseg.evaluation.results.summary import Summary, summarise


@dataclass(frozen=True)
class SeedResult:
    """Of one of a model's trainings.

    Attributes:
        folder: Its predictions.
        dice: Mean over domains of the mean of classes, 0 to 1; NaN where it is undefined.
    """

    folder: str
    dice: float


def mean_over_seeds(trainings: Sequence[Sequence[Score]]) -> list[Score]:
    """Scores of a model whose score in a case is the mean over its trainings.

    Args:
        trainings: Scores of each in the same cases and classes, in one order.

    Returns:
        Scores in that order. Trainings count in which the case or the prediction has the class; a score is
        undefined where one of these is, as for the mean of classes.
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
    """What one training reached; ``scores`` are all of its."""
    return SeedResult(folder, overall_dice(summarise(scores)))


def overall_dice(summaries: Sequence[Summary]) -> float:
    """The one number of a model: mean over domains and over classes, where there are several.

    Args:
        summaries: All of one model.
    """
    # summaries end with the mean of classes over the mean of domains, where there are such
    return summaries[-1].values["dice"].mean
