"""Every hyper-parameter of every method changes something: none is read and then forgotten."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import torch
from method_cases import METHODS
from tiny_training import LEARNING_RATE, Case, Training, make_batch, may_take_sam, tiny_config

from nnunetv2_semiseg.methods.base import Method
from nnunetv2_semiseg.methods.settings import keys_of
from nnunetv2_semiseg.methods.step import Progress

pytestmark = pytest.mark.slow

STEPS = (2, 4, 8)
"""Of ten: KnowSAM has just not begun to mix, VerSemi is about to take unlabeled images, all is on."""

ELSEWHERE = ("checkpoint", "random_weights", "gradient_checkpointing", "enabled")
"""Other tests have these: they change where weights come from, memory, or whether the rest counts."""

OTHERS = {"vit_tiny": "vit_small"}


def key_cases() -> Iterator[Any]:
    for key, method in sorted(METHODS.items()):
        for setting in keys_of(method.config_class):
            if setting.name.rpartition(".")[2] not in ELSEWHERE:
                yield pytest.param(method, setting.name, id=f"{key}.{setting.name}")


def start(method_class: type[Method], config: Any, step: int) -> Training:
    first = Case(method_class, 2, may_take_sam(method_class)).make_training()
    torch.manual_seed(1)
    method = method_class(config, first.setting, first.network)
    return Training(method, first.network, first.setting, step)


def note_inputs(training: Training, seen: list[Any]) -> None:
    """Put the sum of what each of the method's networks is shown from now on into ``seen``."""
    for part in training.method.children():
        part.register_forward_hook(lambda module, given, said: seen.append(float(given[0].double().sum())))


def outcome(method_class: type[Method], config: Any) -> list[Any]:
    """What a training computes: losses, what its networks are shown, weights after a step, optimizers."""
    seen: list[Any] = []
    batch = make_batch(2)
    both_tasks = torch.arange(2).expand(len(batch.labeled_images), -1)
    batch = dataclasses.replace(batch, annotated_tasks=both_tasks)
    for step in STEPS:
        training = start(method_class, config, step)
        note_inputs(training, seen)
        torch.manual_seed(2)
        losses = training.losses(batch)
        seen += [(name, term.value.item(), term.weight) for name, term in losses.terms.items()]
        training.take(batch)
        state = {**training.method.trained_state(), **training.network.state_dict()}
        seen += [(name, tensor.double().sum().item()) for name, tensor in state.items()]
    deployed = method_class.deployed_optimizer(config, training.network.parameters())
    optimizers = [deployed, *(item.optimizer for item in training.scheduled)]
    seen += [(type(optimizer), optimizer and optimizer.defaults) for optimizer in optimizers]
    for item in training.scheduled:
        item.set_learning_rate(Progress(1, 100_000), LEARNING_RATE)
        seen.append(item.optimizer.param_groups[0]["lr"])
    return [*seen, method_class.decays(config)]


@cache
def usual_outcome(method_class: type[Method]) -> list[Any]:
    return outcome(method_class, usual(method_class))


def usual(method_class: type[Method]) -> Any:
    return tiny_config(method_class.config_class, may_take_sam(method_class))


def changed(config: Any, name: str) -> Any:
    """The configuration with another value of one key."""
    field, _, rest = name.partition(".")
    value = getattr(config, field)
    return dataclasses.replace(config, **{field: changed(value, rest) if rest else other(config, field)})


def other(config: Any, field: str) -> Any:
    value = getattr(config, field)
    choices = typing.get_args(typing.get_type_hints(type(config))[field])
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return OTHERS.get(value) or next(choice for choice in choices if choice != value)
    if isinstance(value, int):
        return value + (16 if field == "image_size" else 1)
    if isinstance(value, tuple):
        return tuple(0.9 * part for part in value)
    return value / 2


@pytest.mark.parametrize(("method_class", "name"), key_cases())
def test_another_value_gives_another_training(method_class: type[Method], name: str) -> None:
    assert outcome(method_class, changed(usual(method_class), name)) != usual_outcome(method_class)


@pytest.mark.parametrize("key", sorted(METHODS))
def test_the_same_values_give_the_same_training(key: str) -> None:
    """So that the test above can fail."""
    assert outcome(METHODS[key], usual(METHODS[key])) == usual_outcome(METHODS[key])
