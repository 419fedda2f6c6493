"""What trainers have in common, asked of real ones; what a training would refuse is refused here."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from nnunetv2_semiseg.comparing.competitors import find_competitors
from nnunetv2_semiseg.comparing.facts import Facts, check_equal, describe_cases, facts_of

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace

FACTS = Facts(iterations=4, labeled_samples=2, patch_size=(32, 32), cases=(("a", "b"),))


def ask(
    workspace: Workspace, trainer: str, configuration: str = "2d_tiny", folds: Sequence[str] = ("all",)
) -> Facts:
    (competitor,) = find_competitors([trainer])
    plans = workspace.read_plans()
    return facts_of(competitor, plans, configuration, folds, workspace.dataset_json, "cpu")


def test_trainers_that_follow_the_configuration(workspace: Workspace) -> None:
    before = dict(os.environ)
    folds = ("0", "3")
    found = {name: ask(workspace, name, folds=folds) for name in ("nnUNetTrainer", "nnUNetTrainerSynFoC")}
    facts = check_equal(found)
    assert (facts.iterations, facts.labeled_samples, facts.patch_size) == (4, 2, (32, 32))
    assert [len(cases) for cases in facts.cases] in ([5, 5], [4, 5], [5, 4])
    assert facts.cases[0] != facts.cases[1]
    assert not list(workspace.results.parent.iterdir())
    assert dict(os.environ) == before


def test_all_cases(workspace: Workspace) -> None:
    facts = ask(workspace, "nnUNetTrainerFixMatch")
    assert describe_cases(facts) == "6"


def test_a_trainer_with_a_length_of_its_own(workspace: Workspace) -> None:
    found = {name: ask(workspace, name) for name in ("nnUNetTrainerFixMatch", "nnUNetTrainer_5epochs")}
    with pytest.raises(ValueError, match=r"not be compared fairly: 4 and 1250 iterations; .*: leave"):
        check_equal(found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labeled_samples": 3}, "2 and 3 labeled samples a step"),
        ({"patch_size": (32, 16)}, "32 x 32 and 32 x 16 pixels of a patch"),
        ({"cases": (("a",),)}, "2 and 1 labeled cases"),
        ({"cases": (("a", "c"),)}, "2 and 2 labeled cases"),
    ],
)
def test_other_differences(change: dict[str, Any], message: str) -> None:
    assert check_equal({"one": FACTS, "two": FACTS}) == FACTS
    with pytest.raises(ValueError, match=f"one and two would not be compared fairly: {message}"):
        check_equal({"one": FACTS, "two": dataclasses.replace(FACTS, **change)})


def test_a_foundation_without_weights(workspace: Workspace) -> None:
    foundation = {"architecture": "vit_b", "random_weights": False}
    name = workspace.configure("2d_sam", parent="2d_small", synfoc={"foundation": foundation})
    with pytest.raises(ValueError, match="nnUNetTrainerSynFoC: this method needs a foundation checkpoint"):
        ask(workspace, "nnUNetTrainerSynFoC", name)
    workspace.configure("2d_sam", parent="2d_small", synfoc={"foundation": {"checkpoint": "/no/where.pth"}})
    with pytest.raises(FileNotFoundError, match=r"nnUNetTrainerSynFoC: .*/no/where\.pth"):
        ask(workspace, "nnUNetTrainerSynFoC", name)


def test_a_trainer_that_cannot_do_the_configuration(workspace: Workspace) -> None:
    plans = workspace.read_plans()
    plans["configurations"]["3d_small"] = {"inherits_from": "2d_small", "patch_size": [8, 32, 32]}
    workspace.write_plans(plans)
    with pytest.raises(NotImplementedError, match="nnUNetTrainerSynFoC: synfoc works on 2D patches"):
        ask(workspace, "nnUNetTrainerSynFoC", "3d_small")


def test_the_environment_is_put_back_after_an_error(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("nnUNet_wandb_enabled", "1")
    name = workspace.configure("2d_wrong", fixmatch={"threshold": 2})
    with pytest.raises(ValueError, match=r"nnUNetTrainerFixMatch: .*threshold = 2"):
        ask(workspace, "nnUNetTrainerFixMatch", name)
    after = dict(os.environ)
    assert (after["nnUNet_wandb_enabled"], after["nnUNet_results"]) == ("1", str(workspace.results.parent))


def test_numbers_of_cases() -> None:
    assert describe_cases(dataclasses.replace(FACTS, cases=(("a", "b"), ("c", "d")))) == "2"
    assert describe_cases(dataclasses.replace(FACTS, cases=(("a", "b"), ("c",)))) == "2, 1"
