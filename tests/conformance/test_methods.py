"""What every method must keep to; new methods are found and tested without a change here."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import pytest
import torch
from tiny_training import CLASSES, TOTAL_STEPS, Case, Training, make_batch, may_take_sam, trainers_of
from torch import nn

from nnunetv2_semiseg.diagnostics import unsupervised_gradient_norm
from nnunetv2_semiseg.export import exported_trainers
from nnunetv2_semiseg.methods.base import DEPLOYED
from nnunetv2_semiseg.methods.discovery import discovered_methods

METHODS = discovered_methods()
CASES = [
    Case(method, dimension, with_sam)
    for method in METHODS.values()
    for dimension in sorted(method.dimensions)
    for with_sam in (False, True)
    if not with_sam or (dimension == 2 and may_take_sam(method))
]
FOREGROUND = 1
every_method = pytest.mark.parametrize("case", CASES, ids=str)
MIDDLE = TOTAL_STEPS // 2
"""The step from which on a method of two stages does something else."""


def snapshot(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def gradient_norm(module: nn.Module) -> float:
    return sum(float(p.grad.abs().sum()) for p in module.parameters() if p.grad is not None)


def class_layers(network: nn.Module) -> list[nn.Conv2d | nn.Conv3d]:
    """The convolutions that end in the classes' logits."""
    convolutions = (part for part in network.modules() if isinstance(part, nn.Conv2d | nn.Conv3d))
    return [layer for layer in convolutions if layer.out_channels == CLASSES and layer.bias is not None]


def has_grad(layer: nn.Conv2d | nn.Conv3d) -> bool:
    return layer.bias is not None and layer.bias.grad is not None


def later_step(training: Training) -> Training:
    """Far enough that no ramp switches a term off."""
    training.step = 8
    return training


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
@pytest.mark.parametrize("step", [0, 8], ids=["first step", "later step"])
def test_each_term_trains_exactly_what_it_names(case: Case, step: int) -> None:
    training = case.make_training()
    training.step = step
    batch = make_batch(case.dimension)
    for name in training.losses(batch).terms:
        for network in training.trained().values():
            network.zero_grad(set_to_none=True)
        term = training.losses(batch).terms[name]
        assert term.trains, f"{name} trains nothing"
        assert term.trains <= training.trained().keys()
        term.value.backward()
        for network_name, network in training.trained().items():
            reached = gradient_norm(network) > 0
            assert reached == (network_name in term.trains), f"{name} and {network_name}"
        for teacher in training.method.teachers().values():
            assert gradient_norm(teacher) == 0


@every_method
def test_every_trained_parameter_is_reached(case: Case) -> None:
    training = later_step(case.make_training())
    training.take_step(make_batch(case.dimension))  # LoRA's second factor starts at zero and hides the first
    training.losses(make_batch(case.dimension)).total.backward()
    for name, network in training.trained().items():
        for parameter_name, parameter in network.named_parameters():
            if parameter.requires_grad:
                assert parameter.grad is not None, f"{name}.{parameter_name} gets no gradient"


@every_method
def test_every_trained_parameter_is_reached_in_mixed_precision(case: Case) -> None:
    training = later_step(case.make_training())
    training.take_step(make_batch(case.dimension))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        total = training.losses(make_batch(case.dimension)).total
    assert total.dtype == torch.float32
    assert torch.isfinite(total)
    total.backward()
    for name, network in training.trained().items():
        for parameter_name, parameter in network.named_parameters():
            if parameter.requires_grad:
                assert parameter.grad is not None, f"{name}.{parameter_name} gets no gradient"
                assert torch.isfinite(parameter.grad).all()


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
def test_frozen_stays_and_the_rest_moves(case: Case) -> None:
    training = case.make_training()
    frozen = [snapshot(module) for module in training.method.frozen_modules()]
    moving = {**training.trained(), **training.method.teachers()}
    before = {name: snapshot(module) for name, module in moving.items()}
    for seed in range(3):
        training.take_step(make_batch(case.dimension, seed))
    for module, old in zip(training.method.frozen_modules(), frozen, strict=True):
        assert same(snapshot(module), old)
    for name, module in moving.items():
        assert not same(snapshot(module), before[name]), f"{name} did not change"


@pytest.mark.parametrize("case", [case for case in CASES if may_take_sam(case.method_class)], ids=str)
def test_sam_is_there_only_by_wish_and_teaches_the_students(case: Case) -> None:
    training = later_step(case.make_training())
    sam_modules = [part for part in training.method.modules() if type(part).__module__.startswith("segment")]
    terms = training.losses(make_batch(case.dimension)).terms
    taught = {name for name, term in terms.items() if name.startswith("distillation")}
    if not case.with_sam:
        assert not sam_modules
        assert not training.method.frozen_modules()
        assert not taught
        return
    assert sam_modules
    students = training.trained().keys() - {"sam"}
    assert frozenset().union(*(terms[name].trains for name in taught)) == students
    assert terms["supervised_sam"].trains == {"sam"}


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
@pytest.mark.parametrize("start", [0, MIDDLE - 3], ids=["at the start", "across the middle"])
def test_resumed_equals_never_stopped(case: Case, start: int) -> None:
    """Stored after two steps; the two after that are one before and one after the middle of the training."""
    going_on = case.make_training()
    going_on.step = start
    for seed in range(2):
        going_on.take_step(make_batch(case.dimension, seed))
    state = {name: tensor.clone() for name, tensor in going_on.method.trained_state().items()}
    network_state = snapshot(going_on.network)
    optimizer_states = copy.deepcopy([item.optimizer.state_dict() for item in going_on.scheduled])
    momentum = copy.deepcopy(going_on.optimizer.state_dict())
    stream = torch.get_rng_state()
    for seed in range(2, 4):
        going_on.take_step(make_batch(case.dimension, seed))

    resumed = case.make_training(seed=123)
    resumed.network.load_state_dict(network_state)
    resumed.optimizer.load_state_dict(momentum)
    resumed.method.load_trained_state(state)
    for item, stored in zip(resumed.scheduled, optimizer_states, strict=True):
        item.optimizer.load_state_dict(stored)
    resumed.step = start + 2
    torch.set_rng_state(stream)
    for seed in range(2, 4):
        resumed.take_step(make_batch(case.dimension, seed))
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


@every_method
def test_unlabeled_images_matter(case: Case) -> None:
    gradients = []
    for seed in (0, 1):
        training = later_step(case.make_training())
        batch, other = make_batch(case.dimension, 0), make_batch(case.dimension, seed)
        mixed = dataclasses.replace(
            batch, unlabeled_weak=other.unlabeled_weak, unlabeled_strong=other.unlabeled_strong
        )
        torch.manual_seed(5)
        training.losses(mixed).total.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in training.network.parameters()]))
    assert not torch.allclose(gradients[0], gradients[1])


@every_method
def test_padding_is_never_taught_as_foreground(case: Case) -> None:
    """Small images are padded; networks that take padding for an organ must not learn it from each other."""
    training = later_step(case.make_training())
    if not class_layers(training.network):
        pytest.skip("no layer ends in the classes; tests/methods has a test of what such a method does")
    for network in (*training.trained().values(), *training.method.teachers().values()):
        for layer in class_layers(network):
            layer.weight.data.zero_()
            layer.bias.data[FOREGROUND] = 5  # 0.98: confident, and still with a gradient
    batch = make_batch(case.dimension)
    batch = dataclasses.replace(
        batch,
        # so that boxes of labeled images don't push the other way
        labeled_targets=tuple(torch.full_like(target, FOREGROUND) for target in batch.labeled_targets),
        unlabeled_inside=torch.zeros_like(batch.inside),
    )
    terms = training.losses(batch).terms
    # what trains several networks at once has no direction of its own for each of them
    own = [term.value for term in terms.values() if not term.supervised and len(term.trains) == 1]
    torch.stack(own).sum().backward()
    gradients = [layer.bias.grad[FOREGROUND] for layer in class_layers(training.network) if has_grad(layer)]
    assert gradients
    assert min(gradients) > 0, "going downhill would make the foreground more probable"


@every_method
def test_the_unsupervised_gradient_is_measured_without_a_trace(case: Case) -> None:
    training, batch = later_step(case.make_training()), make_batch(case.dimension)
    stream, weights = torch.get_rng_state(), snapshot(training.network)
    norm = unsupervised_gradient_norm(training.method, batch, training.context())
    assert torch.equal(torch.get_rng_state(), stream)
    assert same(snapshot(training.network), weights)
    assert gradient_norm(training.network) == 0
    losses = training.losses(batch)  # draws what the measurement drew
    losses.unsupervised.backward()
    gradients = [p.grad.flatten() for p in training.network.parameters() if p.grad is not None]
    assert norm > 0
    assert torch.allclose(norm, torch.cat(gradients).norm(), rtol=1e-4)
    supervised = {name for name, term in losses.terms.items() if term.supervised}
    assert supervised, "the terms of labeled images must say so"
    assert supervised != losses.terms.keys()


@every_method
def test_the_unsupervised_gradient_is_measured_in_the_first_step_too(case: Case) -> None:
    training, batch = case.make_training(), make_batch(case.dimension)
    norm = unsupervised_gradient_norm(training.method, batch, training.context())
    assert torch.isfinite(norm)
    assert training.losses(batch).unsupervised.requires_grad or norm == 0


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
