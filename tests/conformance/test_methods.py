"""What every method must keep to; new methods are found and tested without a change here.

The files beside this one do the same for the losses and for what is trained and stored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from method_cases import METHODS, every_method
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from tiny_training import CLASSES, TOTAL_STEPS, Case, make_batch, tiny_plans

from nnunetv2_semiseg.core.config import config_values
from nnunetv2_semiseg.methods.step import DEPLOYED, Progress
from nnunetv2_semiseg.trainers.exported import exported_trainers
from nnunetv2_semiseg.trainers.made import trainer_of


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
def test_exported_networks_are_built_and_filled_by_their_trainers(case: Case) -> None:
    training = case.make_training()
    method = training.method
    plans = PlansManager(tiny_plans(case.dimension, {method.key: config_values(method.config)}))
    images = make_batch(case.dimension).unlabeled_weak
    trainer = trainer_of(case.method_class)
    assert len(exported_trainers(trainer)) == len(method.exports)
    for exported in exported_trainers(trainer):
        weights = exported.export.state(method, training.network)
        network = exported.build_network_architecture(
            plans, plans.get_configuration("tiny"), 1, CLASSES, enable_deep_supervision=False
        )
        network.load_state_dict(weights)
        assert network.eval()(images).shape == (len(images), CLASSES, *images.shape[2:])


@every_method
def test_a_step_tells_the_teachers_where_it_stood(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first step is step 0 for the losses and for the moving averages alike."""
    training = case.make_training()
    seen: list[tuple[str, Progress]] = []
    for name in ("losses", "after_step"):
        usual = getattr(training.method, name)

        def note(*arguments: Any, name: str = name, usual: Any = usual) -> Any:
            last = arguments[-1]
            seen.append((name, last if isinstance(last, Progress) else last.progress))
            return usual(*arguments)

        monkeypatch.setattr(training.method, name, note)
    for seed in range(2):
        training.take(make_batch(case.dimension, seed))
    steps = [(name, Progress(step, TOTAL_STEPS)) for step in range(2) for name in ("losses", "after_step")]
    assert seen == steps


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
