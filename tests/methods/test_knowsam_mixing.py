"""KnowSAM's uncertainty-guided mixing, by hand on a few pixels: what is mixed, when, and what is learned."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from stub_step import (
    CLASSES,
    IGNORE,
    SIZE,
    FloatArray,
    Pixelwise,
    make_context,
    make_setting,
    seg_loss_by_hand,
)
from test_knowsam_golden import TERMS as TERMS_BEFORE_MIXING
from torch import nn

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.core.config import parse_config
from nnunetv2_semiseg.methods.knowsam import KnowSAM, KnowSAMConfig
from nnunetv2_semiseg.methods.parts.schedules import sigmoid_ramp
from nnunetv2_semiseg.methods.step import Progress, StepLosses
from nnunetv2_semiseg.networks.fused import FusedOutput

SUBNETS = ("subnet_a", "subnet_b")
AGREEMENT = {f"mixed_{name}_{subnet}" for name in ("entropy", "mutual") for subnet in SUBNETS}
LABELS = {f"mixed_{subnet}" for subnet in SUBNETS}
PSEUDO_LABELS = {f"mixed_pseudo_label_{subnet}" for subnet in SUBNETS}
MIXED = AGREEMENT | LABELS | PSEUDO_LABELS | {"mixed_fused"}

PROGRESS = Progress(60, 100)
WEIGHTS = [
    ("mixed_subnet_a", 0.5),
    ("mixed_entropy_subnet_a", 0.5 * 0.9),
    ("mixed_mutual_subnet_a", 0.5 * sigmoid_ramp(PROGRESS)),
    ("mixed_pseudo_label_subnet_a", 0.5 * sigmoid_ramp(PROGRESS)),
    ("mixed_fused", 1.0),
]


class Fused(nn.Module):
    """Two subnets and a third one in the fusion's place; keeps what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.fusion = Pixelwise(), Pixelwise(), Pixelwise()
        self.shown: list[torch.Tensor] = []

    def forward(self, images: torch.Tensor, with_subnets: bool) -> FusedOutput:
        self.shown.append(images)
        return FusedOutput(self.fusion(images), self.first(images), self.second(images))


class Sam(nn.Module):
    """A SAM branch that looks at pixels alone."""

    def __init__(self) -> None:
        super().__init__()
        self.network = Pixelwise()

    def predict(self, images: torch.Tensor, mask_logits: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(images)
        return logits


class Step:
    """One step of KnowSAM; each pixel is a cell of the grid."""

    def __init__(
        self,
        settings: dict[str, Any] | None = None,
        counts: tuple[int, int] = (2, 2),
        ignore_label: int | None = None,
    ) -> None:
        torch.manual_seed(3)
        foundation = {"architecture": "vit_tiny", "random_weights": True, "image_size": 32}
        values = {"mixing_grid": SIZE, **(settings or {}), "skd": {"foundation": foundation}}
        self.network = Fused()
        config = parse_config(KnowSAMConfig, values, "test")
        self.method = KnowSAM(config, make_setting(ignore_label=ignore_label), self.network)
        self.sam = self.method.sam = Sam()
        labeled, unlabeled = (torch.randn(count, 1, SIZE, SIZE) for count in counts)
        target = torch.randint(CLASSES, labeled.shape).to(torch.int16)
        if ignore_label is not None:
            target[:, :, ::2] = ignore_label
        names = tuple(str(index) for index in range(counts[0]))
        self.batch = SemiSegBatch(labeled, (target,), unlabeled, unlabeled, names, names)

    def run(self, progress: Progress = PROGRESS) -> StepLosses:
        return self.method.losses(self.batch, make_context(self.network, progress))


def by_pixel(network: nn.Module, images: torch.Tensor) -> FloatArray:
    """Probabilities by hand, ``B x pixels x classes``."""
    with torch.no_grad():
        exponentials = np.exp(network(images).double().numpy())
    return np.asarray((exponentials / exponentials.sum(1, keepdims=True)).transpose(0, 2, 3, 1)).reshape(
        len(images), -1, CLASSES
    )


def mixed_by_hand(step: Step) -> tuple[FloatArray, FloatArray]:
    """Images and labels, ``B x pixels``: five most uncertain pixels of each come from its partner."""
    batch = step.batch
    halves = [batch.labeled_images, batch.unlabeled_strong]
    labels = [
        batch.labeled_targets[0].reshape(len(halves[0]), -1).numpy(),
        by_pixel(step.sam.network, halves[1]).argmax(2),
    ]
    images, classes = [], []
    for own in (0, 1):
        other = 1 - own
        for index, p in enumerate(by_pixel(step.network.fusion, halves[own])):
            partner = index % len(halves[other])
            taken = np.argsort(-(-p * np.log(p)).sum(1))[:5]
            image, label = halves[own][index].flatten().numpy().copy(), labels[own][index].copy()
            image[taken] = halves[other][partner].flatten().numpy()[taken]
            label[taken] = labels[other][partner][taken]
            images.append(image)
            classes.append(label)
    return np.stack(images), np.stack(classes)


def values(losses: StepLosses) -> dict[str, float]:
    return {name: term.value.item() for name, term in losses.terms.items()}


@pytest.mark.parametrize("counts", [(2, 2), (3, 2), (1, 4)], ids=str)
def test_mixed_images_and_labels_by_hand(counts: tuple[int, int]) -> None:
    step = Step(counts=counts)
    step.run()
    images, labels = mixed_by_hand(step)
    first, mixed = step.network.shown
    assert len(first) == len(mixed) == sum(counts)
    np.testing.assert_allclose(mixed.flatten(1).numpy(), images, rtol=1e-6)
    sam = step.sam.network(step.batch.unlabeled_strong)
    regions = step.method._regions(step.network.fusion(first), step.batch.all_inside)
    _, ours = step.method._mix(step.batch, sam, regions)
    np.testing.assert_array_equal(ours.classes.flatten(1).numpy(), labels)
    assert ours.trusted.all()


@pytest.mark.parametrize("counts", [(2, 2), (3, 2)], ids=str)
def test_mixed_terms_by_hand(counts: tuple[int, int]) -> None:
    step = Step(counts=counts)
    found = values(step.run())
    mixed, labels = step.network.shown[1], mixed_by_hand(step)[1].flatten()
    a, b, fused = (
        by_pixel(network, mixed).reshape(-1, CLASSES)
        for network in (step.network.first, step.network.second, step.network.fusion)
    )
    everywhere = np.ones(len(labels), dtype=bool)
    unlabeled = slice(counts[0] * SIZE**2, None)
    hard = fused.argmax(1)[unlabeled]
    assert found["mixed_fused"] == pytest.approx(seg_loss_by_hand(fused, labels, everywhere), rel=1e-4)
    for name, own, other in (("subnet_a", a, b), ("subnet_b", b, a)):
        expected = {
            f"mixed_{name}": seg_loss_by_hand(own, labels, everywhere),
            f"mixed_pseudo_label_{name}": seg_loss_by_hand(own[unlabeled], hard, everywhere[unlabeled]),
            f"mixed_entropy_{name}": -(own * np.log(own)).sum(1).mean() / math.log(CLASSES),
            f"mixed_mutual_{name}": -(other * np.log(own)).sum(1).mean(),
        }
        for term, value in expected.items():
            assert found[term] == pytest.approx(value, rel=1e-4), term


@pytest.mark.parametrize(("term", "weight"), WEIGHTS)
def test_weights_of_mixed_terms(term: str, weight: float) -> None:
    terms = Step().run().terms
    assert terms[term].weight == pytest.approx(weight)
    assert terms[term.replace("subnet_a", "subnet_b")].weight == pytest.approx(weight)
    assert not terms[term].supervised


def test_total_is_the_weighted_sum() -> None:
    losses = Step().run()
    expected = sum(term.weight * term.value.item() for term in losses.terms.values())
    assert losses.total.item() == pytest.approx(expected, rel=1e-5)


def test_there_is_no_distillation_on_mixed_images() -> None:
    names = Step().run().terms.keys()
    assert {name for name in names if "distillation" in name} == {
        f"distillation_{subnet}" for subnet in SUBNETS
    }


@pytest.mark.parametrize(
    ("start", "step", "mixes"),
    [(0.24, 0, False), (0.24, 23, False), (0.24, 24, True), (0.24, 99, True), (0, 0, True), (1, 99, False)],
)
def test_when_mixing_begins(start: float, step: int, mixes: bool) -> None:
    training = Step({"mixing_start": start})
    terms = training.run(Progress(step, 100)).terms
    assert terms.keys() == TERMS_BEFORE_MIXING.keys() | (MIXED if mixes else set())
    assert len(training.network.shown) == 1 + mixes


@pytest.mark.parametrize(
    ("settings", "gone"),
    [
        ({"pseudo_label_term": False}, PSEUDO_LABELS),
        ({"fused_mixed_term": False}, {"mixed_fused"}),
        ({"pseudo_label_term": False, "fused_mixed_term": False}, PSEUDO_LABELS | {"mixed_fused"}),
    ],
    ids=["no pseudo-labels", "no fused", "neither"],  # a set has no order to name it by
)
def test_terms_that_the_paper_does_not_mention_have_switches(
    settings: dict[str, bool], gone: set[str]
) -> None:
    with_all, without = values(Step().run()), values(Step(settings).run())
    assert without == {name: value for name, value in with_all.items() if name not in gone}


def test_pixels_of_the_ignore_label_are_trusted_nowhere() -> None:
    step = Step({"mixing_cells": 16}, counts=(3, 2), ignore_label=IGNORE)  # whole images change places
    sam = step.sam.network(step.batch.unlabeled_strong)
    regions = step.method._regions(step.network.fusion(torch.zeros(5, 1, SIZE, SIZE)), step.batch.all_inside)
    images, labels = step.method._mix(step.batch, sam, regions)
    annotated = step.batch.labeled_targets[0][:, 0] != IGNORE
    assert torch.equal(images[:3], step.batch.unlabeled_strong[[0, 1, 0]])
    assert labels.trusted[:3].all()
    assert torch.equal(images[3:], step.batch.labeled_images[:2])
    assert torch.equal(labels.trusted[3:], annotated[:2])
    assert labels.classes.max() < CLASSES


def test_ignored_pixels_change_no_loss() -> None:
    step = Step(counts=(3, 2), ignore_label=IGNORE)
    before = step.run().total
    step.batch.labeled_images[:, :, ::2] = 0  # pixelwise networks: no other pixel notices
    sam = step.run().terms["supervised_sam"].value
    assert torch.isfinite(before)
    step.batch.labeled_images[:, :, ::2] = 5
    assert step.run().terms["supervised_sam"].value.item() == pytest.approx(sam.item())


def test_padding_is_not_uncertain() -> None:
    step = Step({"mixing_cells": 1, "mixing_grid": 2})
    inside = torch.ones_like(step.batch.all_inside)
    inside[..., SIZE // 2 :] = False
    doubtful = torch.zeros(len(inside), 3, SIZE, SIZE)
    doubtful[..., : SIZE // 2] = torch.tensor([2.0, 0, 0])[
        :, None, None
    ]  # less doubtful than what is outside
    assert not (step.method._regions(doubtful, inside) & ~inside).any()
    assert (step.method._regions(doubtful, torch.ones_like(inside)) & ~inside).any()


def test_sam_labels_padding_as_background() -> None:
    step = Step({"mixing_cells": 16})  # whole images change places
    batch = dataclasses.replace(step.batch, unlabeled_inside=torch.zeros_like(step.batch.inside))
    foreground = torch.tensor([0.0, 9.0, 0.0])[None, :, None, None].expand(len(batch.inside), 3, SIZE, SIZE)
    regions = torch.ones_like(batch.all_inside)
    _, labels = step.method._mix(batch, foreground, regions)
    assert (labels.classes[: len(batch.labeled_images)] == 0).all()
    _, inside = step.method._mix(step.batch, foreground, regions)
    assert (inside.classes[: len(batch.labeled_images)] == 1).all()
