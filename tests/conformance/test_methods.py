"""What every method must keep to; new methods are found and tested without a change here.

The files beside this one do the same for the losses and for what is trained and stored.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from method_cases import METHODS, every_method
from tiny_training import Case, trainers_of

from nnunetv2_semiseg.methods.base import DEPLOYED
from nnunetv2_semiseg.trainers.exported import exported_trainers


def test_methods_are_found() -> None:
    assert "synfoc" in METHODS


@every_method
def test_parts_are_the_whole_deployed_network(case: Case) -> None:
    training = case.make_training()
    parts = training.method.deployed_parts(training.network)
    held = [id(parameter) for part in parts.values() for parameter in part.parameters()]
    assert sorted(held) == sorted(id(parameter) for parameter in training.network.parameters())
    assert not parts.keys() & training.method.trained_networks().keys()


@every_method
def test_optimizers_hold_each_trained_parameter_once(case: Case) -> None:
    training = case.make_training()
    held = [
        id(parameter)
        for item in training.scheduled
        for group in item.optimizer.param_groups
        for parameter in group["params"]
    ]
    expected = {
        id(parameter)
        for network in training.method.trained_networks().values()
        for parameter in network.parameters()
        if parameter.requires_grad
    }
    assert len(held) == len(set(held))
    assert set(held) == expected


@every_method
def test_teachers_and_frozen_modules_always_evaluate(case: Case) -> None:
    method = case.make_training().method
    method.train()
    for module in (*method.teachers().values(), *method.frozen_modules()):
        assert not any(part.training for part in module.modules())
        assert not any(parameter.requires_grad for parameter in module.parameters())
    for module in method.trained_networks().values():
        assert module.training


@every_method
def test_exports_have_trainers_that_run_them(case: Case) -> None:
    training = case.make_training()
    trainers = trainers_of(case.method_class)
    assert trainers, f"{case} has no trainer"
    exports = training.method.exports(training.network)
    for trainer in trainers:
        assert {kind.__name__ for kind in exported_trainers(trainer)} == exports.keys()
    for weights in exports.values():
        assert all(torch.isfinite(tensor).all() for tensor in weights().values())


@pytest.mark.parametrize("key", METHODS)
def test_method_has_a_page(key: str) -> None:
    page = Path(__file__).parents[2] / "docs" / "methods" / f"{key}.md"
    assert page.is_file(), f"describe {key} in {page}"


def test_deployed_is_no_method_network() -> None:
    for key, method_class in METHODS.items():
        training = Case(method_class, min(method_class.dimensions)).make_training()
        assert DEPLOYED not in training.method.trained_networks(), key
        owned = {id(parameter) for parameter in training.method.parameters()}
        assert not owned & {id(parameter) for parameter in training.network.parameters()}, key
