"""Length, batch and configurations that all trainings of a comparison have in common."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from nnunetv2_semiseg.comparing.comparison import Comparison
from nnunetv2_semiseg.comparing.competitors import find_competitors
from nnunetv2_semiseg.comparing.settings import common_settings, with_configurations

SYNFOC, FIXMATCH = "nnUNetTrainerSynFoC", "nnUNetTrainerFixMatch"


def plans(**section: Any) -> dict[str, Any]:
    return {
        "dataset_name": "Dataset502_P",
        "plans_name": "nnUNetPlans",
        "configurations": {
            "2d": {"batch_size": 12, "patch_size": [64, 64], "architecture": {}},
            "2d_own": {"inherits_from": "2d", "semiseg": section},
        },
    }


def settings(
    iterations: int | None = None, trainers: tuple[str, ...] = (FIXMATCH,), own: Any = None, **chosen: Any
) -> dict[str, Any]:
    return common_settings(plans(**(own or {})), "2d_own", find_competitors(trainers), iterations, chosen)


def test_the_batch_is_the_plans_and_the_length_as_told() -> None:
    assert settings(25_000) == {
        "epochs": 100,
        "iterations_per_epoch": 250,
        "labeled_batch_size": 12,
        "unlabeled_batch_size": 12,
        "save_every": 5,
    }


@pytest.mark.parametrize(
    ("iterations", "own", "epochs", "per_epoch"),
    [
        (8, {}, 1, 8),
        (250, {}, 1, 250),
        (100, {"iterations_per_epoch": 50}, 2, 50),
        (None, {"epochs": 7}, 7, 250),
        (None, {"epochs": 7, "iterations_per_epoch": 3}, 7, 3),
        (None, {}, 1000, 250),
    ],
)
def test_lengths(iterations: int | None, own: dict[str, int], epochs: int, per_epoch: int) -> None:
    found = settings(iterations, own=own)
    assert (found["epochs"], found["iterations_per_epoch"]) == (epochs, per_epoch)


def test_what_is_configured_or_chosen_wins() -> None:
    own = {"labeled_batch_size": 4, "save_every": 2}
    found = settings(500, own=own, fixmatch={"threshold": 0.9}, unlabeled_batch_size=3)
    assert (found["labeled_batch_size"], found["unlabeled_batch_size"]) == (4, 3)
    assert found["fixmatch"] == {"threshold": 0.9}
    assert "save_every" not in found
    assert settings(500, labeled_batch_size=5)["unlabeled_batch_size"] == 5


@pytest.mark.parametrize(("epochs", "every"), [(1, 1), (39, 1), (40, 2), (1000, 50), (5000, 50)])
def test_a_kill_costs_a_small_part(epochs: int, every: int) -> None:
    assert settings(250 * epochs)["save_every"] == every


@pytest.mark.parametrize(("iterations", "nearest"), [(600, "500 or 750"), (251, "250 or 500")])
def test_no_multiple_of_an_epoch(iterations: int, nearest: str) -> None:
    with pytest.raises(ValueError, match=f"no multiple of the 250 iterations of an epoch: take {nearest},"):
        settings(iterations)
    with pytest.raises(ValueError, match="take 400, or"):
        settings(300, own={"iterations_per_epoch": 400})


def test_own_lengths_that_differ() -> None:
    with pytest.raises(ValueError, match=r"differ \(FixMatch 250000, SynFoC 60000\): give one"):
        settings(trainers=(FIXMATCH, SYNFOC))
    assert settings(trainers=(SYNFOC,))["epochs"] == 240
    assert settings(trainers=("nnUNetTrainer", FIXMATCH))["epochs"] == 1000


def test_what_is_said_twice() -> None:
    with pytest.raises(ValueError, match="--seeds says how many"):
        settings(250, seed=3)
    with pytest.raises(ValueError, match="--iterations and epochs both say"):
        settings(250, epochs=3)


def test_a_configuration_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="configuration '3d' is not in the plans; they have: 2d, 2d_own"):
        common_settings(plans(), "3d", find_competitors([FIXMATCH]), 250, {})


def test_an_impossible_length_in_the_plans() -> None:
    with pytest.raises(ValueError, match="epochs = 0"):
        settings(own={"epochs": 0})


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    return Comparison(
        raw=tmp_path / "Dataset502_P",
        dataset_json={},
        plans_name="nnUNetPlans",
        parent="2d_own",
        name="fair",
        folds=("all",),
        competitors=find_competitors([FIXMATCH]),
        settings={"epochs": 3, "fixmatch": {"threshold": 0.9}},
        seeds=(0, 1),
        results=tmp_path / "results",
    )


def test_each_seed_has_a_configuration(comparison: Comparison) -> None:
    before = plans()
    after = with_configurations(before, comparison)
    assert list(before["configurations"]) == ["2d", "2d_own"]
    for seed in (0, 1):
        assert after["configurations"][f"fair_seed{seed}"] == {
            "inherits_from": "2d_own",
            "semiseg": {"epochs": 3, "fixmatch": {"threshold": 0.9}, "seed": seed},
        }


def test_configurations_that_are_there_stay(comparison: Comparison) -> None:
    # as a file gives it back, and with one seed more
    once = json.loads(json.dumps(with_configurations(plans(), comparison)))
    more = with_configurations(once, dataclasses.replace(comparison, seeds=(0, 1, 2)))
    assert list(more["configurations"]) == ["2d", "2d_own", "fair_seed0", "fair_seed1", "fair_seed2"]


def test_another_configuration_of_that_name_is_refused(comparison: Comparison) -> None:
    once = with_configurations(plans(), comparison)
    changed = dataclasses.replace(comparison, settings={**comparison.settings, "epochs": 4})
    with pytest.raises(ValueError, match=r"'fair_seed0' exists and is another one \(it has epochs=3\)"):
        with_configurations(once, changed)
    longer = dataclasses.replace(comparison, settings={**comparison.settings, "save_every": 4})
    with pytest.raises(ValueError, match=r"\(it lacks save_every=4\)"):
        with_configurations(once, longer)
    with pytest.raises(ValueError, match=r"\(it has inherits_from=2d_own\)"):
        with_configurations(once, dataclasses.replace(comparison, parent="2d"))


def test_a_wrong_setting(comparison: Comparison) -> None:
    changed = dataclasses.replace(comparison, settings={"fixmatch": {"treshold": 0.9}})
    with pytest.raises(ValueError, match="unknown key 'treshold'"):
        with_configurations(plans(), changed)
