"""How the plans of a model say that it answers some of its tasks alone.

The configuration has a key that nnU-Net does not look at. Its weights are those of all tasks::

    "3d_fullres": {"semiseg_tasks": {"trained": ["pancreas", "heart", "spleen"], "shown": ["spleen"]}}
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

LIMIT = "semiseg_tasks"
"""The key in a configuration."""

TRAINED, SHOWN = "trained", "shown"


def limit_of(configuration: Mapping[str, Any]) -> tuple[int, list[int]] | None:
    """How many tasks the network was trained for, and the ids from 0 of those that it answers.

    Args:
        configuration: A resolved entry of ``configurations`` in the plans.

    Returns:
        None where the model is not limited.
    """
    if LIMIT not in configuration:
        return None
    trained, shown = (configuration[LIMIT][key] for key in (TRAINED, SHOWN))
    return len(trained), [trained.index(name) for name in shown]


def limited_plans(
    plans: Mapping[str, Any], configuration: str, tasks: Sequence[str], shown: Sequence[str]
) -> dict[str, Any]:
    """Plans of the same model that answers some of its tasks alone.

    Args:
        plans: Content of the model's plans.json.
        configuration: Name of the model's configuration.
        tasks: Names of the tasks that the model answers, by label.
        shown: Names of those that it is to answer, in the order of their new labels.
    """
    limited = copy.deepcopy(dict(plans))
    entry = limited["configurations"][configuration]
    # a model that is limited already keeps the weights of all tasks
    trained = entry[LIMIT][TRAINED] if LIMIT in entry else list(tasks)
    entry[LIMIT] = {TRAINED: trained, SHOWN: list(shown)}
    return limited
