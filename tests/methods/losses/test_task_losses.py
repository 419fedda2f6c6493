"""VerSemi's losses: the released code's numbers for every term, masks, soft targets, gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden_files import GOLDEN

from nnunetv2_semiseg.methods.losses.task_losses import (
    aggregated_probability,
    foreground_dice_loss,
    foreground_probability,
    task_seg_loss,
)

VERSEMI = GOLDEN / "versemi_losses.npz"
HALF = torch.zeros(2, 1, 4, 6, dtype=torch.bool)
HALF[..., :3] = True


@pytest.fixture(scope="module")
def golden() -> dict[str, torch.Tensor]:
    with np.load(VERSEMI) as arrays:
        return {key: torch.from_numpy(np.asarray(arrays[key])) for key in arrays.files}


def pairs(seed: int, *more: int) -> torch.Tensor:
    return 3 * torch.randn(2, *more, 2, 4, 6, generator=torch.Generator().manual_seed(seed))


def labels(seed: int) -> torch.Tensor:
    return torch.randint(0, 2, (2, 4, 6), generator=torch.Generator().manual_seed(seed))


def test_golden_terms_of_the_unlabeled_stage(golden) -> None:
    synthetic = foreground_probability(golden["in_synthetic_logits"])
    of_tasks = aggregated_probability(golden["in_task_logits"].transpose(0, 1))
    torch.testing.assert_close(of_tasks, golden["out_aggregated_probability"])
    terms = {
        "supervised": task_seg_loss(golden["in_supervised_logits"], golden["in_label"]),
        "synthetic_supervised": foreground_dice_loss(
            foreground_probability(golden["in_synthetic_supervised_logits"]), golden["in_synthetic_label"]
        ),
        "synthetic_consistency": foreground_dice_loss(synthetic, of_tasks),
        "labeled_region": foreground_dice_loss(
            synthetic, golden["in_label"], inside=golden["in_cutmix_keep_unlabeled"] == 0
        ),
    }
    for name, value in terms.items():
        torch.testing.assert_close(value, golden[f"out_{name}"], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(sum(terms.values()), golden["out_total"], rtol=1e-5, atol=1e-6)


def test_foreground_probability_is_the_softmax() -> None:
    torch.testing.assert_close(foreground_probability(pairs(0)), pairs(0).softmax(1)[:, 1])
    torch.testing.assert_close(foreground_probability(pairs(0, 3), 2), pairs(0, 3).softmax(2)[:, :, 1])


def test_both_sides_of_the_consistency_get_a_gradient() -> None:
    synthetic, of_tasks = pairs(0).requires_grad_(True), pairs(1, 3).requires_grad_(True)
    foreground_dice_loss(foreground_probability(synthetic), aggregated_probability(of_tasks)).backward()
    assert synthetic.grad is not None
    assert (synthetic.grad != 0).all()
    assert of_tasks.grad is not None
    reached = (of_tasks.grad != 0).all(2)
    assert torch.equal(
        reached, torch.nn.functional.one_hot(of_tasks.diff(dim=2)[:, :, 0].argmax(1), 3).bool().movedim(-1, 1)
    )


@pytest.mark.parametrize(
    "loss", [task_seg_loss, lambda z, y, inside=None: foreground_dice_loss(z[:, 1], y, inside)]
)
def test_only_pixels_inside_count(loss) -> None:
    logits, target = pairs(0), labels(0)
    expected = loss(logits[..., :3], target[..., :3])
    torch.testing.assert_close(loss(logits, target, HALF), expected)
    torch.testing.assert_close(loss(logits, target, torch.ones_like(HALF)), loss(logits, target))


def test_background_does_not_count_in_the_dice() -> None:
    probability, target = torch.zeros(1, 4, 4), torch.zeros(1, 4, 4)
    probability[0, 0, 0] = target[0, 0, 0] = 1
    probability[0, 3, 3] = 1
    assert foreground_dice_loss(probability, target).item() == pytest.approx(1 / 3, abs=1e-4)
    assert foreground_dice_loss(target, target).item() == pytest.approx(0, abs=1e-6)
    assert foreground_dice_loss(torch.zeros(1, 4, 4), torch.zeros(1, 4, 4)).item() == 0


@pytest.mark.parametrize("kind", [torch.bool, torch.int16, torch.float32])
def test_labels_of_any_type(kind: torch.dtype) -> None:
    assert torch.equal(task_seg_loss(pairs(0), labels(0).to(kind)), task_seg_loss(pairs(0), labels(0)))


def test_nothing_inside_is_finite() -> None:
    logits = pairs(0).requires_grad_(True)
    loss = task_seg_loss(logits, labels(0), torch.zeros_like(HALF))
    loss.backward()
    assert loss.item() == 0
    assert torch.isfinite(logits.grad).all()


def test_half_precision_is_computed_in_float32() -> None:
    logits = pairs(0).half()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = task_seg_loss(logits, labels(0))
        soft = foreground_dice_loss(foreground_probability(logits), aggregated_probability(logits[:, None]))
    assert loss.dtype == soft.dtype == torch.float32
    assert torch.equal(loss, task_seg_loss(logits.float(), labels(0)))


def test_an_empty_task_costs_as_much_as_its_epsilon_says() -> None:
    """Where nothing is labeled, ε alone stands in the numerator: half of the loss at Σ p² = ε."""
    probability = torch.full((1, 2, 5), 1e-3)  # squares that add up to 1e-5
    loss = foreground_dice_loss(probability, torch.zeros(1, 2, 5))
    torch.testing.assert_close(loss, torch.tensor(0.5), rtol=0, atol=1e-4)
