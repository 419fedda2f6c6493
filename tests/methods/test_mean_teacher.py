"""Mean Teacher and UA-MT: their loss by hand, and what their teacher does."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from stub_step import CLASSES, HALFWAY, RAMP, Pixelwise, make_batch, make_context, make_setting, probabilities

from nnunetv2_semiseg.methods.losses.consistency import consistency_loss
from nnunetv2_semiseg.methods.mean_teacher import MeanTeacher, MeanTeacherConfig
from nnunetv2_semiseg.methods.step import Progress
from nnunetv2_semiseg.methods.uamt import UAMT, UAMTConfig


def apart(method: MeanTeacher) -> MeanTeacher:
    """The teacher with weights of its own."""
    method.network_teacher.layer.weight.normal_(0, 2)
    return method


def squared_difference(p: NDArray[np.float64], q: NDArray[np.float64], mask: NDArray[np.bool_]) -> float:
    total, count = 0.0, 0
    for pixel in range(len(p)):
        for c in range(CLASSES):
            if mask[pixel]:
                total += (p[pixel, c] - q[pixel, c]) ** 2
                count += 1
    return total / max(count, 1)


def entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([-sum(value * math.log(value) for value in pixel) for pixel in p])


@pytest.mark.parametrize("dimension", [2, 3])
def test_mean_teacher_by_hand(dimension: int) -> None:
    torch.manual_seed(0)
    network, batch = Pixelwise(dimension), make_batch(dimension)
    method = apart(MeanTeacher(MeanTeacherConfig(), make_setting(dimension), network))
    losses = method.losses(batch, make_context(network, HALFWAY))
    student = probabilities(network, batch.unlabeled_strong)
    teacher = probabilities(method.network_teacher, batch.unlabeled_weak)
    expected = squared_difference(student, teacher, np.ones(len(student), dtype=bool))
    term = losses.terms["consistency"]
    assert term.value.item() == pytest.approx(expected, rel=1e-4)
    assert term.weight == pytest.approx(0.1 * RAMP)
    assert losses.measures["teacher_confidence"].item() == pytest.approx(teacher.max(1).mean(), rel=1e-4)


@pytest.mark.parametrize("dimension", [2, 3])
def test_uamt_by_hand(dimension: int) -> None:
    torch.manual_seed(1)
    network, batch = Pixelwise(dimension), make_batch(dimension)
    method = apart(UAMT(UAMTConfig(), make_setting(dimension), network))
    torch.manual_seed(2)
    losses = method.losses(batch, make_context(network, HALFWAY))
    torch.manual_seed(2)
    weak, passes = batch.unlabeled_weak, []
    for _ in range(8):
        noise = np.clip(0.1 * torch.randn(weak.shape).numpy(), -0.2, 0.2)
        passes.append(probabilities(method.network_teacher, weak + torch.from_numpy(noise)))
    certain = entropy(np.mean(passes, axis=0)) < (0.75 + 0.25 * RAMP) * math.log(CLASSES)
    assert 0 < certain.mean() < 1
    student = probabilities(network, batch.unlabeled_strong)
    expected = squared_difference(student, probabilities(method.network_teacher, weak), certain)
    term = losses.terms["consistency"]
    assert term.value.item() == pytest.approx(expected, rel=1e-4)
    assert term.weight == pytest.approx(0.1 * RAMP)
    assert losses.measures["certain_share"].item() == pytest.approx(certain.mean())


def test_the_bound_rises_to_the_largest_entropy() -> None:
    method = UAMT(UAMTConfig(), make_setting(), Pixelwise())
    assert method._bound(Progress(0, 10)) / math.log(3) == pytest.approx(0.75 + 0.25 * math.exp(-5))
    assert method._bound(Progress(10, 10)) == pytest.approx(math.log(3))


def test_nothing_certain_is_a_zero_with_finite_gradients() -> None:
    network = Pixelwise()
    method = UAMT(UAMTConfig(), make_setting(), network)
    with torch.no_grad():
        method.network_teacher.layer.weight.zero_()
        method.network_teacher.layer.bias.zero_()
    losses = method.losses(make_batch(), make_context(network, HALFWAY))
    assert losses.measures["certain_share"] == 0
    loss = losses.terms["consistency"].value
    assert loss == 0
    loss.backward()
    assert network.layer.weight.grad is not None
    assert torch.isfinite(network.layer.weight.grad).all()


def test_noise_is_clipped_and_each_pass_has_its_own() -> None:
    method = UAMT(UAMTConfig(passes=3), make_setting(), Pixelwise())
    seen: list[torch.Tensor] = []
    method.network_teacher.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    method._noisy_mean(torch.zeros(2, 1, 32, 32), torch.ones(2, 1, 32, 32, dtype=torch.bool))
    assert len(seen) == 3
    assert len({float(images.sum()) for images in seen}) == 3
    for images in seen:
        assert images.abs().max() == pytest.approx(0.2)
        assert images.std() == pytest.approx(0.1, rel=0.15)


def test_the_teacher_is_certain_of_background_in_padding() -> None:
    method = UAMT(UAMTConfig(), make_setting(), Pixelwise())
    images, inside = torch.randn(2, 1, 4, 4), torch.zeros(2, 1, 4, 4, dtype=torch.bool)
    inside[..., :2] = True
    mean = method._noisy_mean(images, inside)
    assert torch.equal(mean[..., 2:].amax((0, 2, 3)), torch.tensor([1.0, 0, 0]))
    assert torch.equal(mean[:, 0, :, 2:], torch.ones(2, 4, 2))
    assert mean[:, 0, :, :2].max() < 1


def test_masked_consistency_averages_over_certain_pixels_and_classes() -> None:
    student = torch.tensor([[[1.0, 0.2], [0.0, 0.8]]])
    teacher = torch.tensor([[[0.5, 0.2], [0.5, 0.8]]])
    assert consistency_loss(student, teacher).item() == pytest.approx(2 * 0.25 / 4)
    mask = torch.tensor([[[True, False]]])
    assert consistency_loss(student, teacher, mask).item() == pytest.approx(2 * 0.25 / 2)
    assert consistency_loss(student, teacher, ~mask).item() == 0


def test_half_precision_probabilities_are_compared_in_full() -> None:
    student = torch.full((1, 2, 300, 300), 0.5, dtype=torch.float16)
    teacher = student + torch.tensor(0.1, dtype=torch.float16)
    everywhere = torch.ones(1, 1, 300, 300, dtype=torch.bool)
    for mask in (None, everywhere):
        loss = consistency_loss(student, teacher, mask)
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(0.01, rel=1e-2)
