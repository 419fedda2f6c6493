"""What a training of every method changes, stores and takes up again."""

from __future__ import annotations

import copy

import pytest
from method_cases import every_method, same, snapshot
from tiny_training import TOTAL_STEPS, Case, make_batch

from nnunetv2_semiseg.trainers.engine.checkpoint import companion_state, random_states_of, restore_companion
from nnunetv2_semiseg.trainers.engine.random_state import random_state, restore_random_states

MIDDLE = TOTAL_STEPS // 2
"""The step from which on a method of two stages does something else."""


@every_method
def test_frozen_stays_and_the_rest_moves(case: Case) -> None:
    training = case.make_training()
    frozen = [snapshot(module) for module in training.method.frozen_modules()]
    moving = {**training.trained(), **training.method.teachers()}
    before = {name: snapshot(module) for name, module in moving.items()}
    for seed in range(3):
        training.take(make_batch(case.dimension, seed))
    for module, old in zip(training.method.frozen_modules(), frozen, strict=True):
        assert same(snapshot(module), old)
    for name, module in moving.items():
        assert not same(snapshot(module), before[name]), f"{name} did not change"


@every_method
@pytest.mark.parametrize("start", [0, MIDDLE - 3], ids=["at the start", "across the middle"])
def test_resumed_equals_never_stopped(case: Case, start: int) -> None:
    """Stored after two steps; the two after that are one before and one after the middle of the training."""
    going_on = case.make_training()
    going_on.steps_done = start
    for seed in range(2):
        going_on.take(make_batch(case.dimension, seed))
    network_state = snapshot(going_on.network)
    momentum = copy.deepcopy(going_on.optimizer.state_dict())
    stored = copy.deepcopy(companion_state(going_on, [random_state()]))
    for seed in range(2, 4):
        going_on.take(make_batch(case.dimension, seed))

    resumed = case.make_training(seed=123)
    resumed.network.load_state_dict(network_state)
    resumed.optimizer.load_state_dict(momentum)
    restore_companion(stored, resumed)
    restore_random_states(random_states_of(stored), rank=0)
    for seed in range(2, 4):
        resumed.take(make_batch(case.dimension, seed))
    assert same(snapshot(resumed.network), snapshot(going_on.network))
    assert same(resumed.method.trained_state(), going_on.method.trained_state())


@every_method
def test_state_has_all_but_the_frozen_weights(case: Case) -> None:
    method = case.make_training().method
    state = method.trained_state()
    frozen = {tensor.data_ptr() for part in method.frozen_modules() for tensor in part.state_dict().values()}
    assert not frozen & {tensor.data_ptr() for tensor in state.values()}
    missing = method.state_dict().keys() - state.keys()
    assert all(method.state_dict()[name].data_ptr() in frozen for name in missing)
    if method.frozen_modules():
        assert all(method.frozen_identity().values())


@every_method
def test_state_of_another_configuration_is_refused(case: Case) -> None:
    method = case.make_training().method
    state = method.trained_state()
    if not state:
        pytest.skip("the method owns nothing")
    name = next(iter(state))
    with pytest.raises(ValueError, match=name):
        method.load_trained_state({key: value for key, value in state.items() if key != name})
