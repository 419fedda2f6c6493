"""Loss functions: values by hand, limits, gradients. The released code's numbers are in tests/methods."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch.nn import functional as F

from nnunetv2_semiseg.methods.losses.agreement import class_map_agreement
from nnunetv2_semiseg.methods.losses.consensus import consensus_loss, divergence_loss
from nnunetv2_semiseg.methods.losses.segmentation import masked_seg_loss, one_hot, seg_loss, soft_dice_loss


def perfect_logits(labels: torch.Tensor, classes: int) -> torch.Tensor:
    return one_hot(labels, classes, torch.float32) * 200 - 100


@pytest.fixture
def labels() -> torch.Tensor:
    return torch.randint(3, (2, 8, 8), generator=torch.Generator().manual_seed(0))


def test_one_hot_in_two_and_three_dimensions() -> None:
    for shape in ((2, 4, 5), (2, 3, 4, 5)):
        labels = torch.randint(4, shape)
        encoded = one_hot(labels, 4, torch.float32)
        assert encoded.shape == (2, 4, *shape[1:])
        assert torch.equal(encoded.argmax(1), labels)
        assert torch.equal(encoded.sum(1), torch.ones(shape))


def test_dice_by_hand() -> None:
    probabilities = torch.tensor([[[0.5, 1.0]]])
    target = torch.tensor([[[1.0, 0.0]]])
    expected = 1 - 2 * 0.5 / (0.25 + 1 + 1)
    assert soft_dice_loss(probabilities, target, torch.ones(1, 1, 2)).item() == pytest.approx(expected)
    masked = soft_dice_loss(probabilities, target, torch.tensor([[[1.0, 0.0]]]))
    assert masked.item() == pytest.approx(1 - 2 * 0.5 / (0.25 + 1))


def test_dice_counts_the_background_outside_the_mask_only_if_asked() -> None:
    probabilities = torch.tensor([[[0.9, 0.2], [0.1, 0.8]]])
    target = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]])
    mask = torch.tensor([[[1.0, 0.0]]])
    whole = soft_dice_loss(probabilities, target, mask)
    released = soft_dice_loss(probabilities, target, mask, mask_background=False)
    background = 1 - 2 * (0.9 + 0.2) / (0.81 + 0.04 + 2)
    assert whole.item() == pytest.approx(((1 - 1.8 / 1.81) + 1) / 2, abs=1e-6)
    assert released.item() == pytest.approx((background + 1) / 2, abs=1e-6)


def test_seg_loss_of_a_perfect_prediction_is_zero(labels: torch.Tensor) -> None:
    everywhere = torch.ones_like(labels, dtype=torch.bool)
    assert seg_loss(perfect_logits(labels, 3), labels, everywhere).item() == pytest.approx(0, abs=1e-5)
    assert masked_seg_loss(perfect_logits(labels, 3), labels, everywhere).item() == pytest.approx(0, abs=1e-5)


def test_unannotated_pixels_have_no_influence(labels: torch.Tensor) -> None:
    annotated = torch.zeros_like(labels, dtype=torch.bool)
    annotated[:, :4] = True
    logits = torch.randn(2, 3, 8, 8, requires_grad=True)
    loss = seg_loss(logits, labels, annotated)
    changed = torch.where(annotated, labels, (labels + 1) % 3)
    assert torch.equal(loss, seg_loss(logits, changed, annotated))
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[:, :, 4:].abs().sum() == 0
    assert logits.grad[:, :, :4].abs().sum() > 0
    cross_entropy = F.cross_entropy(logits[:, :, :4], labels[:, :4])
    dice = seg_loss(logits[:, :, :4], labels[:, :4], annotated[:, :4]) - cross_entropy
    assert torch.allclose(loss, cross_entropy + dice)


def test_nothing_annotated_is_finite(labels: torch.Tensor) -> None:
    logits = torch.randn(2, 3, 8, 8, requires_grad=True)
    loss = seg_loss(logits, labels, torch.zeros_like(labels, dtype=torch.bool))
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_few_trusted_pixels_weigh_little(labels: torch.Tensor) -> None:
    logits = torch.randn(2, 3, 8, 8)
    trusted = torch.zeros_like(labels, dtype=torch.bool)
    trusted[0, 0, 0] = True
    cross_entropy = F.cross_entropy(logits, labels, reduction="none")[0, 0, 0] / labels.numel()
    dice = soft_dice_loss(logits.softmax(1), one_hot(labels, 3, torch.float32), trusted[:, None].float())
    assert torch.allclose(masked_seg_loss(logits, labels, trusted), cross_entropy + dice)


def test_agreement_of_class_maps() -> None:
    first = torch.tensor([[[1, 1, 0, 0]], [[0, 0, 0, 0]], [[2, 0, 0, 0]]])
    second = torch.tensor([[[1, 0, 0, 0]], [[0, 0, 0, 0]], [[0, 0, 0, 2]]])
    one_class = (2 * 1 + 1) / (1.001 + 3)
    disjoint = 1 / (1.001 + 2)
    expected = [(one_class + 1) / 2, 1.0, (1 + disjoint) / 2]
    assert class_map_agreement(first, second, 3).tolist() == pytest.approx(expected)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_agreement_is_symmetric_and_bounded(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randint(4, (2, 2, 6, 6), generator=generator)
    value = class_map_agreement(first, second, 4)
    assert torch.equal(value, class_map_agreement(second, first, 4))
    assert ((value > 0) & (value <= 1)).all()


def test_consensus_and_divergence_by_hand() -> None:
    first, second = torch.tensor([[[0.5, 0.9]], [[0.5, 0.1]]]).permute(1, 0, 2), torch.full((1, 2, 2), 0.5)
    mask = torch.tensor([[[1.0, 0.0]]])
    entropy = -0.5 * math.log(0.5)
    assert consensus_loss(first, mask, second, mask).item() == pytest.approx(0.5 * (2 * entropy / 4) * 2)
    assert divergence_loss(first, second, 1 - mask).item() == pytest.approx(2 * 0.16 / 4)


def test_certain_probabilities_have_finite_entropy_gradients() -> None:
    certain = torch.tensor([[[1.0], [0.0]]], requires_grad=True)
    mask = torch.ones(1, 1, 1)
    consensus_loss(certain, mask, certain, mask).backward()
    assert certain.grad is not None
    assert torch.isfinite(certain.grad).all()


def test_half_precision_logits_do_not_overflow() -> None:
    labels = torch.zeros(2, 300, 300, dtype=torch.int64)
    everywhere = torch.ones_like(labels, dtype=torch.bool)
    logits = torch.zeros(2, 3, 300, 300, dtype=torch.float16)
    for loss in (seg_loss(logits, labels, everywhere), masked_seg_loss(logits, labels, everywhere)):
        assert loss.item() == pytest.approx(seg_loss(logits.float(), labels, everywhere).item())
        assert math.isfinite(loss.item())
