"""KnowSAM's loss terms of a subnet: the released code's numbers, values by hand, limits, gradients."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from golden_files import GOLDEN

from nnunetv2_semiseg.methods.losses.distillation import distillation_loss
from nnunetv2_semiseg.methods.losses.entropy import entropy_loss
from nnunetv2_semiseg.methods.losses.mutual import mutual_loss

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
both_pairwise = pytest.mark.parametrize("loss", [distillation_loss, mutual_loss])


def golden(classes: str) -> dict[str, torch.Tensor]:
    with np.load(GOLDEN / f"knowsam_losses_{classes}_class.npz") as arrays:
        return {key: torch.from_numpy(np.asarray(arrays[key])) for key in arrays.files}


def assert_equal(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    np.testing.assert_allclose(ours.item(), theirs.item(), rtol=1e-4, atol=1e-5)


def test_golden_terms_of_two_classes() -> None:
    numbers = golden("two")
    sam, temperature = numbers["in_sam_logits"], float(numbers["in_temperature"])
    for own, other in ("ab", "ba"):
        logits, others = (numbers[f"in_subnet_{name}_logits"] for name in (own, other))
        assert_equal(distillation_loss(logits, sam, temperature), numbers[f"out_kd_{own}"])
        assert_equal(entropy_loss(logits), numbers[f"out_entropy_{own}"])
        assert_equal(mutual_loss(logits, others), numbers[f"out_mutual_{own}"])


def test_golden_terms_of_four_classes() -> None:
    numbers = golden("four")
    logits, sam = numbers["in_subnet_logits"], numbers["in_sam_logits"]
    assert_equal(distillation_loss(logits, sam, float(numbers["in_temperature"])), numbers["out_kd"])
    assert_equal(entropy_loss(logits), numbers["out_entropy"])
    assert_equal(mutual_loss(logits, sam), numbers["out_mutual"])


@pytest.mark.parametrize("classes", [2, 5])
def test_entropy_is_between_certain_and_undecided(classes: int) -> None:
    assert entropy_loss(torch.zeros(2, classes, 3, 4, 5)).item() == pytest.approx(1)
    certain = torch.zeros(2, classes, 3, 4)
    certain[:, 0] = 1000
    certain.requires_grad_(True)
    loss = entropy_loss(certain)
    assert loss.item() == pytest.approx(0)
    assert torch.isfinite(torch.autograd.grad(loss, certain)[0]).all()


def test_distillation_by_hand() -> None:
    student, teacher = torch.zeros(1, 2, 1), torch.tensor([[[math.log(3.0)], [0.0]]]) * 2
    expected = 4 * (0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5))
    assert distillation_loss(student, teacher, 2.0).item() == pytest.approx(expected)
    assert distillation_loss(teacher, teacher).item() == pytest.approx(0, abs=1e-6)


def test_mutual_by_hand() -> None:
    logits, other = torch.zeros(1, 2, 1), torch.tensor([[[math.log(3.0)], [0.0]]])
    assert mutual_loss(logits, other).item() == pytest.approx(math.log(2))
    expected = -0.5 * (math.log(0.75) + math.log(0.25))
    assert mutual_loss(other, logits).item() == pytest.approx(expected)


@both_pairwise
def test_only_the_learner_gets_a_gradient_and_moves_towards_the_other(loss: Loss) -> None:
    learner = torch.randn(2, 3, 4, 4, requires_grad=True)
    other = torch.randn(2, 3, 4, 4, requires_grad=True)
    value = loss(learner, other)
    value.backward()
    assert other.grad is None
    assert learner.grad is not None
    assert loss(learner.detach() - 0.1 * learner.grad, other) < value


@both_pairwise
def test_extreme_logits_are_finite(loss: Loss) -> None:
    learner = (torch.randn(1, 3, 8) * 1000).requires_grad_(True)
    value = loss(learner, torch.randn(1, 3, 8) * 1000)
    value.backward()
    assert learner.grad is not None
    assert torch.isfinite(value)
    assert torch.isfinite(learner.grad).all()


def test_half_precision_logits_are_computed_in_single() -> None:
    first, second = torch.randn(2, 2, 3, 300, 300).half()
    for loss in (distillation_loss, mutual_loss):
        assert loss(first, second).dtype == torch.float32
        assert torch.equal(loss(first, second), loss(first.float(), second.float()))
    assert torch.equal(entropy_loss(first), entropy_loss(first.float()))
