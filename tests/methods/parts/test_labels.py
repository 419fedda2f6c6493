"""Trusted labels: where they come from and how they are mixed."""

from __future__ import annotations

import torch

from nnunetv2_semiseg.methods.parts.labels import (
    TrustedLabels,
    outside_is_background,
    paste_labels,
    pseudo_labels,
    true_labels,
)


def test_ignored_pixels_are_class_zero_without_trust() -> None:
    target = torch.tensor([[[[0, 1], [2, 3]]]], dtype=torch.int16)
    classes, trusted = true_labels(target, 3)
    assert classes.dtype == torch.int64
    assert classes.tolist() == [[[0, 1], [2, 0]]]
    assert trusted.tolist() == [[[True, True], [True, False]]]
    classes, trusted = true_labels(target, None)
    assert classes.tolist() == target[:, 0].tolist()
    assert trusted.all()


def test_pseudo_labels_are_trusted_above_the_threshold_alone() -> None:
    probabilities = torch.tensor([[[0.5, 0.04, 0.25], [0.5, 0.96, 0.75]]])
    classes, trusted = pseudo_labels(probabilities, 0.75)
    assert classes.tolist() == [[0, 1, 1]]
    assert trusted.tolist() == [[False, True, False]]


def test_pasting_takes_class_and_trust_of_each_samples_partner() -> None:
    labeled = TrustedLabels(torch.full((1, 2, 2, 2), 2), torch.ones(1, 2, 2, 2, dtype=torch.bool))
    unlabeled = TrustedLabels(torch.zeros(3, 2, 2, 2).long(), torch.zeros(3, 2, 2, 2, dtype=torch.bool))
    region = torch.zeros(3, 1, 2, 2, 2, dtype=torch.bool)
    region[:, :, 0] = True
    mixed = paste_labels(labeled, unlabeled, region)
    assert torch.equal(mixed.trusted, region[:, 0])
    assert torch.equal(mixed.classes, region[:, 0] * 2)


def test_what_lies_outside_is_background_for_certain() -> None:
    probabilities = torch.tensor([[[0.1, 0.2], [0.9, 0.8]]])
    inside = torch.tensor([[[True, False]]])
    assert torch.equal(outside_is_background(probabilities, inside), torch.tensor([[[0.1, 1.0], [0.9, 0.0]]]))
