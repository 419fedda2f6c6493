"""Means over the pixels that lie inside of the images, and the losses that take them."""

from __future__ import annotations

import pytest
import torch

from nnunetv2_semiseg.methods.losses.cross_supervision import cross_supervision_loss
from nnunetv2_semiseg.methods.losses.distillation import distillation_loss
from nnunetv2_semiseg.methods.losses.entropy import entropy_loss
from nnunetv2_semiseg.methods.losses.mutual import mutual_loss
from nnunetv2_semiseg.methods.losses.reduction import mean_inside

HALF = torch.zeros(2, 1, 4, 6, dtype=torch.bool)
HALF[..., :3] = True


def logits(seed: int) -> torch.Tensor:
    return 3 * torch.randn(2, 3, 4, 6, generator=torch.Generator().manual_seed(seed))


def test_mean_inside() -> None:
    values = torch.arange(4.0).reshape(1, 2, 2)
    inside = torch.tensor([[[[False, True], [False, True]]]])
    assert mean_inside(values) == 1.5
    assert mean_inside(values, inside) == 2
    assert mean_inside(values, torch.zeros_like(inside)) == 0


@pytest.mark.parametrize("loss", [distillation_loss, mutual_loss])
def test_pairs_count_only_inside(loss) -> None:
    first, second = logits(0), logits(1)
    arguments = {"inside": HALF}
    expected = loss(first[..., :3], second[..., :3])
    assert torch.allclose(loss(first, second, **arguments), expected)
    assert torch.allclose(loss(first, second, inside=torch.ones_like(HALF)), loss(first, second))


def test_entropy_counts_only_inside() -> None:
    assert torch.allclose(entropy_loss(logits(0), HALF), entropy_loss(logits(0)[..., :3]))


def test_the_other_network_sees_background_outside() -> None:
    learner, other = logits(0), logits(1)
    told = other.clone()
    told[:, 0, :, 3:] = 100
    assert torch.allclose(cross_supervision_loss(learner, other, HALF), cross_supervision_loss(learner, told))
