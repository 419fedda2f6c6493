"""What a single method, or an option of several, refuses; and what all of them do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from nnunetv2_semiseg.methods.parts.skd import SkdMethod
from nnunetv2_semiseg.methods.registry import discovered_methods
from nnunetv2_semiseg.trainers.made import all_trainers
from nnunetv2_semiseg.trainers.semiseg import nnUNetTrainerSemiSeg

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace

TRAINERS = {name: kind for name, kind in all_trainers().items() if issubclass(kind, nnUNetTrainerSemiSeg)}
WITH_SAM_BRANCH = {"nnUNetTrainerKnowSAM": "knowsam.skd.foundation.checkpoint=/path/sam_vit_b_01ec64.pth"} | {
    name: f"{key}.skd.enabled=true {key}.skd.foundation.checkpoint=/path/sam_vit_b_01ec64.pth"
    for name, kind in TRAINERS.items()
    if (key := kind.method_class.key) in ("fixmatch", "cps", "mean_teacher", "uamt")
}
"""Trainers that can have one, and what the message without weights tells the user to set."""


def make_trainer(workspace: Workspace, name: str, configuration: str = "2d_tiny") -> Any:
    plans = {**workspace.read_plans(), "continue_training": False}
    return TRAINERS[name](plans, configuration, 0, workspace.dataset_json, torch.device("cpu"))


def change_configuration(workspace: Workspace, name: str, **values: Any) -> None:
    plans = workspace.read_plans()
    plans["configurations"][name].update(values)
    workspace.write_plans(plans)


def assert_one_sentence(error: pytest.ExceptionInfo[Exception]) -> None:
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", sorted(TRAINERS))
def test_region_labels_are_refused_by_every_method(workspace: Workspace, name: str) -> None:
    labels = {"background": 0, "organs": [1, 2], "small organ": 2}
    content = {**workspace.dataset_json, "labels": labels, "regions_class_order": [1, 2]}
    workspace.write_dataset_json(content)
    key = TRAINERS[name].method_class.key
    message = rf"{workspace.dataset} has region-based labels, which {key} does not support: .*define 'labels'"
    with pytest.raises(NotImplementedError, match=message) as error:
        make_trainer(workspace, name)
    assert_one_sentence(error)
    assert not workspace.results.exists()


@pytest.mark.parametrize(("name", "settings"), sorted(WITH_SAM_BRANCH.items()))
def test_sam_branch_without_weights(workspace: Workspace, name: str, settings: str) -> None:
    key = TRAINERS[name].method_class.key
    without = {"foundation": {"architecture": "vit_b", "random_weights": False}}
    if "enabled" in settings:
        without["enabled"] = True
    workspace.configure("2d_none", **{key: {"skd": without}})
    trainer = make_trainer(workspace, name, "2d_none")
    message = rf"sam_vit_b_01ec64\.pth, is not there: .*--name 2d_sam {settings}`.*{key}\.skd\.foundation\.r"
    with pytest.raises(ValueError, match=message) as error:
        trainer.on_train_start()
    assert_one_sentence(error)


@pytest.mark.parametrize("name", sorted(WITH_SAM_BRANCH))
def test_sam_branch_in_volumes(workspace: Workspace, name: str) -> None:
    key = TRAINERS[name].method_class.key
    switch = {} if name == "nnUNetTrainerKnowSAM" else {"enabled": True}
    workspace.configure("volumes", **{key: {"skd": switch}})
    change_configuration(workspace, "volumes", patch_size=[16, 32, 32])
    named = rf"{key} with {key}\.skd\.enabled=true" if switch else key
    message = rf"^{named} works on 2D patches and configuration 'volumes' has 3D ones: train in the 2d conf"
    with pytest.raises(NotImplementedError, match=message) as error:
        make_trainer(workspace, name, "volumes")
    assert_one_sentence(error)
    assert not workspace.results.exists()


def test_without_the_branch_volumes_are_fine(workspace: Workspace) -> None:
    change_configuration(workspace, "2d_tiny", patch_size=[16, 32, 32])
    assert make_trainer(workspace, "nnUNetTrainerFixMatch").method_class.key == "fixmatch"


def test_planned_network_without_a_partner(workspace: Workspace) -> None:
    architecture = workspace.read_plans()["configurations"]["2d_small"]["architecture"]
    change_configuration(
        workspace, "2d_tiny", architecture={**architecture, "network_class_name": "my.own.MedNeXt"}
    )
    trainer = make_trainer(workspace, "nnUNetTrainerKnowSAM")
    message = r"planned network my\.own\.MedNeXt, architecture\.network_class_name in the plans: plan with Pl"
    with pytest.raises(ValueError, match=message) as error:
        trainer.initialize()
    assert_one_sentence(error)


@pytest.mark.parametrize("settings", [{"mixing_cells": 17}, {"mixing_grid": 2}])
def test_more_cells_to_mix_than_the_grid_has(workspace: Workspace, settings: dict[str, int]) -> None:
    workspace.configure("2d_cells", knowsam=settings)
    cells = {"mixing_cells": 5, "mixing_grid": 4, **settings}
    grid = cells["mixing_grid"]
    message = (
        rf"^configuration '2d_cells', semiseg\.knowsam: mixing_cells = {cells['mixing_cells']} is more than "
        rf"a grid of {grid} x {grid} has: set at most {grid**2}, or a larger mixing_grid$"
    )
    with pytest.raises(ValueError, match=message):
        make_trainer(workspace, "nnUNetTrainerKnowSAM", "2d_cells")
    assert not workspace.results.exists()


def test_the_list_of_methods_with_a_sam_branch_is_complete() -> None:
    methods = {key for key, kind in discovered_methods().items() if issubclass(kind, SkdMethod)}
    assert {TRAINERS[name].method_class.key for name in WITH_SAM_BRANCH} == methods
