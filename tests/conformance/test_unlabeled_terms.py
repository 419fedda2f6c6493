"""What every method learns from unlabeled images: something, nothing of padding, and measurably."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from method_cases import every_method, gradient_norm, later_step, same, snapshot
from tiny_training import CLASSES, Case, make_batch
from torch import nn

from nnunetv2_semiseg.trainers.engine.diagnostics import unsupervised_gradient_norm

FOREGROUND = 1


def class_layers(network: nn.Module) -> list[nn.Conv2d | nn.Conv3d]:
    """The convolutions that end in the classes' logits."""
    convolutions = (part for part in network.modules() if isinstance(part, nn.Conv2d | nn.Conv3d))
    return [layer for layer in convolutions if layer.out_channels == CLASSES and layer.bias is not None]


def has_grad(layer: nn.Conv2d | nn.Conv3d) -> bool:
    return layer.bias is not None and layer.bias.grad is not None


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
    for name, network in training.trained().items():
        gradients = [layer.bias.grad[FOREGROUND] for layer in class_layers(network) if has_grad(layer)]
        assert gradients or not class_layers(network), f"{name} learns nothing"
        assert min(gradients, default=1) > 0, f"going downhill would make {name} see more foreground"


@every_method
def test_the_unsupervised_gradient_is_measured_without_a_trace(case: Case) -> None:
    training, batch = later_step(case.make_training()), make_batch(case.dimension)
    stream, weights = torch.get_rng_state(), snapshot(training.network)
    norm = unsupervised_gradient_norm(training.method, batch, training.context)
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
    norm = unsupervised_gradient_norm(training.method, batch, training.context)
    assert torch.isfinite(norm)
    assert training.losses(batch).unsupervised.requires_grad or norm == 0
