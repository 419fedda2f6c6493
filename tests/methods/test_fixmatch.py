"""FixMatch: its loss by hand, with and without CutMix, and its limits."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from stub_step import (
    HALFWAY,
    IGNORE,
    RAMP,
    Pixelwise,
    make_batch,
    make_context,
    make_setting,
    probabilities,
    seg_loss_by_hand,
)

from nnunetv2_semiseg.methods import fixmatch
from nnunetv2_semiseg.methods.fixmatch import FixMatch, FixMatchConfig

THRESHOLD = 0.8


def make_method(network: torch.nn.Module, ignore_label: int | None = None, **values: object) -> FixMatch:
    config = FixMatchConfig(**{"threshold": THRESHOLD, **values})  # type: ignore[arg-type]
    method = FixMatch(config, make_setting(network.layer.weight.ndim - 2, ignore_label), network)
    method.network_teacher.layer.weight.normal_(0, 3)
    return method


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("cutmix", [True, False])
def test_terms_by_hand(monkeypatch: pytest.MonkeyPatch, dimension: int, cutmix: bool) -> None:
    torch.manual_seed(0)
    network = Pixelwise(dimension)
    method, batch = make_method(network, cutmix=cutmix), make_batch(dimension)
    box = torch.zeros_like(batch.unlabeled_strong, dtype=torch.bool)
    box[..., 1:3, :2] = True
    monkeypatch.setattr(fixmatch, "draw_cutmix_boxes", lambda count, shape: box)
    losses = method.losses(batch, make_context(network, HALFWAY))

    teacher = probabilities(method.network_teacher, batch.unlabeled_weak)
    images, labels, trusted = batch.unlabeled_strong.clone(), teacher.argmax(1), teacher.max(1) > THRESHOLD
    assert losses.measures["confident_share"].item() == pytest.approx(trusted.mean())
    assert 0 < trusted.mean() < 1
    if cutmix:
        inside = box.flatten().numpy()
        images[box] = batch.labeled_images[box]
        labels[inside] = batch.labeled_targets[0].flatten().numpy()[inside]
        trusted[inside] = True
    expected = seg_loss_by_hand(probabilities(network, images), labels, trusted)
    term = losses.terms["unsupervised"]
    assert term.value.item() == pytest.approx(expected, rel=1e-4)
    assert term.weight == pytest.approx(RAMP)
    everywhere = np.ones(trusted.shape, dtype=bool)
    target = batch.labeled_targets[0].long().flatten().numpy()
    supervised = seg_loss_by_hand(probabilities(network, batch.labeled_images), target, everywhere)
    assert losses.terms["supervised"].value.item() == pytest.approx(supervised, rel=1e-4)
    assert losses.total.item() == pytest.approx(supervised + RAMP * expected, rel=1e-4)


def test_cutmix_draws_a_box_for_each_unlabeled_sample_and_no_cutmix_draws_nothing() -> None:
    torch.manual_seed(0)
    network, batch = Pixelwise(3), make_batch(3)
    more = torch.cat([batch.unlabeled_weak] * 2)
    batch = dataclasses.replace(batch, unlabeled_weak=more, unlabeled_strong=more)
    stream = torch.get_rng_state()
    without = make_method(network, cutmix=False)
    torch.set_rng_state(stream)
    without.losses(batch, make_context(network, HALFWAY))
    assert torch.equal(torch.get_rng_state(), stream)
    mixed, labels = make_method(network)._mix(batch, fixmatch.pseudo_labels(torch.rand(4, 3, 4, 4, 4), 1))
    pasted = (mixed.unlabeled_strong != more).flatten(1)
    assert pasted.any(1).all()
    assert torch.equal(pasted, labels.trusted.flatten(1)), "trusted where the label is true"


def test_ignored_pixels_of_the_box_carry_no_trust(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network, batch = Pixelwise(), make_batch()
    target = batch.labeled_targets[0].clone()
    target[:, :, 0] = IGNORE
    batch = dataclasses.replace(batch, labeled_targets=(target,))
    whole = torch.ones_like(batch.unlabeled_strong, dtype=torch.bool)
    monkeypatch.setattr(fixmatch, "draw_cutmix_boxes", lambda count, shape: whole)
    method = make_method(network, IGNORE)
    _, mixed = method._mix(batch, fixmatch.pseudo_labels(torch.rand(2, 3, 4, 4), 0))
    assert torch.equal(mixed.trusted, target[:, 0] != IGNORE)
    assert mixed.classes.max() < 3
    assert torch.isfinite(method.losses(batch, make_context(network, HALFWAY)).total)


def test_nothing_confident_is_a_zero_with_finite_gradients() -> None:
    torch.manual_seed(0)
    network = Pixelwise()
    method = make_method(network, cutmix=False, threshold=0.999999)
    with torch.no_grad():
        method.network_teacher.layer.weight.zero_()
    losses = method.losses(make_batch(), make_context(network, HALFWAY))
    assert losses.measures["confident_share"] == 0
    assert losses.terms["unsupervised"].value == 0
    losses.terms["unsupervised"].value.backward()
    assert network.layer.weight.grad is not None
    assert torch.isfinite(network.layer.weight.grad).all()
