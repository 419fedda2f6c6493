"""Two processes that share a batch train the same weights as one process with the whole batch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from phantom_tasks import write_tasks
from rank_processes import on_ranks
from rank_steps import configure_steps, few_steps

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace

TRAINERS = ["SynFoC", "KnowSAM", "FixMatch", "UAMT", "CPS", "VerSemi", "Supervised"]
NAMES = [f"nnUNetTrainer{name}" for name in TRAINERS]

Weights = dict[str, dict[str, torch.Tensor]]


def both_ways(root: Path) -> tuple[Weights, Weights]:
    """With the sums of all ranks inside of the losses, and one method without."""
    return few_steps(root, NAMES), few_steps(root, ["nnUNetTrainerFixMatch"], gathered=False)


def furthest(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    assert first.keys() == second.keys()
    return max(float((first[name].double() - second[name].double()).abs().max()) for name in first)


@pytest.mark.slow
def test_the_same_weights_and_losses_up_to_rounding(workspace: Workspace) -> None:
    write_tasks(workspace)
    configure_steps(workspace)
    (shared, wrong), (other, _) = on_ranks(both_ways, workspace.root / "ranks", workspace.root)
    alone = few_steps(workspace.root, NAMES)
    for name in NAMES:
        assert furthest(shared[name], other[name]) == 0, f"{name}: the ranks differ"
        for key, value in alone[name].items():
            found = shared[name][key]
            assert torch.allclose(found, value, atol=1e-5, rtol=1e-5), f"{name}, {key}, {found - value}"
    assert furthest(wrong["nnUNetTrainerFixMatch"], alone["nnUNetTrainerFixMatch"]) > 1e-4
