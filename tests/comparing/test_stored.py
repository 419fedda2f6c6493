"""What need not be repeated, and what must not be gone on with."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from nnunetv2_semiseg.comparing.comparison import Comparison
from nnunetv2_semiseg.comparing.competitors import find_competitors
from nnunetv2_semiseg.comparing.settings import with_configurations
from nnunetv2_semiseg.comparing.stored import check_models, is_predicted, is_trained
from nnunetv2_semiseg.core.errors import UserError

DATA: dict[str, Any] = {"labels": {"background": 0, "x": 1}, "numTraining": 6, "file_ending": ".png"}
SYNFOC, SUPERVISED = "nnUNetTrainerSynFoC", "nnUNetTrainerSupervised"


@pytest.fixture
def plans() -> dict[str, Any]:
    planned = {"batch_size": 12, "patch_size": [64, 64], "architecture": {}}
    return {"dataset_name": "D", "plans_name": "nnUNetPlans", "configurations": {"2d": planned}}


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    return Comparison(
        raw=tmp_path / "Dataset502_P",
        dataset_json=DATA,
        plans_name="nnUNetPlans",
        parent="2d",
        name="fair",
        folds=("0",),
        competitors=find_competitors([SUPERVISED, SYNFOC]),
        settings={"epochs": 3, "labeled_batch_size": 2, "unlabeled_batch_size": 2},
        seeds=(0,),
        results=tmp_path / "results",
    )


def write_checkpoint(comparison: Comparison, trainer: str, name: str = "checkpoint_final.pth") -> Path:
    fold = comparison.model_folder(trainer, 0) / "fold_0"
    fold.mkdir(parents=True, exist_ok=True)
    torch.save({"logging": {}}, fold / name)
    return fold / name


def test_a_training_is_finished_with_all_its_networks(comparison: Comparison) -> None:
    supervised, synfoc = comparison.competitors
    write_checkpoint(comparison, SUPERVISED, "checkpoint_latest.pth")
    assert not is_trained(comparison, supervised, 0, "0")
    write_checkpoint(comparison, SUPERVISED)
    assert is_trained(comparison, supervised, 0, "0")
    assert not is_trained(comparison, supervised, 0, "1")
    write_checkpoint(comparison, SYNFOC)
    assert not is_trained(comparison, synfoc, 0, "0")
    write_checkpoint(comparison, f"{SYNFOC}Foundation")
    assert is_trained(comparison, synfoc, 0, "0")


@pytest.mark.parametrize("name", ["checkpoint_final.pth", "checkpoint_latest.pth"])
def test_a_damaged_checkpoint(comparison: Comparison, name: str) -> None:
    file = write_checkpoint(comparison, SUPERVISED, name)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ValueError, match=f"{name} is damaged, .*: delete it"):
        is_trained(comparison, comparison.competitors[0], 0, "0")


@pytest.fixture
def predicted(tmp_path: Path) -> tuple[Path, list[Path]]:
    """A folder of predictions and what they are made of, an hour older."""
    folder = tmp_path / "predictions"
    folder.mkdir()
    for name in ("a.png", "b.png", "dataset.json"):
        (folder / name).touch()
    sources = [tmp_path / "checkpoint", tmp_path / "a_0000.png"]
    an_hour_ago = time.time() - 3600
    for source in sources:
        source.touch()
        os.utime(source, (an_hour_ago, an_hour_ago))
    return folder, sources


def test_predictions_that_are_up_to_date(predicted: tuple[Path, list[Path]]) -> None:
    folder, sources = predicted
    assert is_predicted(folder, ["a", "b"], [".png"], sources)


def test_predictions_that_are_not(predicted: tuple[Path, list[Path]], tmp_path: Path) -> None:
    folder, sources = predicted
    assert not is_predicted(folder, ["a", "b", "c"], [".png"], sources)
    assert not is_predicted(folder, ["a"], [".png"], sources)
    assert not is_predicted(folder, ["a", "b"], [".png", ".npz"], sources)
    assert not is_predicted(tmp_path / "nowhere", ["a"], [".png"], sources)
    assert not is_predicted(folder, ["a", "b"], [".png"], [*sources, tmp_path / "not trained yet"])


@pytest.mark.parametrize("index", [0, 1])
def test_a_newer_checkpoint_or_image(predicted: tuple[Path, list[Path]], index: int) -> None:
    folder, sources = predicted
    in_an_hour = time.time() + 3600
    os.utime(sources[index], (in_an_hour, in_an_hour))
    assert not is_predicted(folder, ["a", "b"], [".png"], sources)


def store(comparison: Comparison, plans: dict[str, Any], trainer: str, **section: Any) -> Path:
    """A model folder as a training writes it; ``section`` is what it resolves."""
    content = json.loads(json.dumps(with_configurations(plans, comparison)))
    content["configurations"]["fair_seed0"]["semiseg"] |= section
    folder = comparison.model_folder(trainer, 0)
    folder.mkdir(parents=True)
    (folder / "plans.json").write_text(json.dumps(content))
    (folder / "dataset.json").write_text(json.dumps(DATA))
    return folder


def test_models_of_the_same_conditions(comparison: Comparison, plans: dict[str, Any], tmp_path: Path) -> None:
    now = with_configurations(plans, comparison)
    check_models(comparison, now, DATA, tmp_path)
    store(comparison, plans, SUPERVISED)
    # a training writes its defaults out, and a number may become another kind of number
    store(comparison, plans, SYNFOC, synfoc={"threshold": 0.95}, save_every=50, seed=0.0)
    check_models(comparison, now, {**DATA, "domains": {"a": "later"}}, tmp_path)


def changed_setting(comparison: Comparison, plans: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    settings = {**comparison.settings, "synfoc": {"threshold": 0.5}}
    return with_configurations(plans, dataclasses.replace(comparison, settings=settings)), DATA


def planned_again(comparison: Comparison, plans: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    plans["configurations"]["2d"]["patch_size"] = [128, 64]
    return with_configurations(plans, comparison), DATA


def other_intensities(comparison: Comparison, plans: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return with_configurations({**plans, "foreground_intensity": 3}, comparison), DATA


def more_cases(comparison: Comparison, plans: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return with_configurations(plans, comparison), {**DATA, "numTraining": 7}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed_setting, r"another semiseg\.synfoc\.threshold \(0\.\d+, now 0\.5\)"),
        (planned_again, r"another patch_size \(\[64, 64\], now \[128, 64\]\)"),
        (other_intensities, r"another foreground_intensity \(None, now 3\)"),
        (more_cases, r"another numTraining \(6, now 7\)"),
    ],
)
def test_models_of_other_conditions(
    comparison: Comparison, plans: dict[str, Any], tmp_path: Path, change: Any, message: str
) -> None:
    store(comparison, plans, SYNFOC)
    now, data = change(comparison, plans)
    with pytest.raises(ValueError, match=f"{SYNFOC}__nnUNetPlans__fair_seed0 was trained with {message}"):
        check_models(comparison, now, data, tmp_path)


def test_other_labeled_images(comparison: Comparison, plans: dict[str, Any], tmp_path: Path) -> None:
    folder = store(comparison, plans, SUPERVISED)
    now = with_configurations(plans, comparison)
    (tmp_path / "dataset_fingerprint.json").write_text('{"spacings": [1]}')
    check_models(comparison, now, DATA, tmp_path)
    (folder / "dataset_fingerprint.json").write_text('{"spacings":  [1]}')
    check_models(comparison, now, DATA, tmp_path)
    (folder / "dataset_fingerprint.json").write_text('{"spacings": [2]}')
    with pytest.raises(ValueError, match="was trained on other labeled images: choose another --name"):
        check_models(comparison, now, DATA, tmp_path)


def test_a_damaged_model_folder(comparison: Comparison, plans: dict[str, Any], tmp_path: Path) -> None:
    folder = store(comparison, plans, SUPERVISED)
    (folder / "dataset.json").unlink()
    with pytest.raises(ValueError, match=r"dataset\.json does not exist: delete its folder to train anew"):
        check_models(comparison, with_configurations(plans, comparison), DATA, tmp_path)
    (folder / "plans.json").write_text("{}")
    (folder / "dataset.json").write_text(json.dumps(DATA))
    with pytest.raises(UserError, match=r"plans\.json lacks the configuration 'fair_seed0': delete"):
        check_models(comparison, with_configurations(plans, comparison), DATA, tmp_path)
    (folder / "plans.json").write_text("{")
    with pytest.raises(ValueError, match=r"plans\.json is damaged"):
        check_models(comparison, with_configurations(plans, comparison), DATA, tmp_path)
