"""Any number of labeled and of unlabeled samples, from one of each on, as a small GPU may need it."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from method_cases import every_method
from tiny_training import TOTAL_STEPS, Case, make_batch

from nnunetv2_semiseg.core.batch import SemiSegBatch

LABELED = ("labeled_images", "task_ids", "labeled_cases")
UNLABELED = ("unlabeled_weak", "unlabeled_strong", "unlabeled_cases")


def sized_batch(dimension: int, labeled: int, unlabeled: int) -> SemiSegBatch:
    """The first samples of two batches."""
    first, second = (make_batch(dimension, seed) for seed in (0, 1))
    values = {
        name: _joined(getattr(first, name), getattr(second, name))[:count]
        for names, count in ((LABELED, labeled), (UNLABELED, unlabeled))
        for name in names
    }
    targets = tuple(
        torch.cat(levels)[:labeled]
        for levels in zip(first.labeled_targets, second.labeled_targets, strict=True)
    )
    return dataclasses.replace(first, labeled_targets=targets, **values)


def _joined(first: object, second: object) -> object:
    return torch.cat([first, second]) if isinstance(first, torch.Tensor) else (*first, *second)


@every_method
@pytest.mark.parametrize(("labeled", "unlabeled"), [(1, 1), (1, 3), (3, 1)])
@pytest.mark.parametrize("step", [0, TOTAL_STEPS - 2], ids=["first step", "later step"])
def test_a_step_of_few_or_unequal_samples(case: Case, labeled: int, unlabeled: int, step: int) -> None:
    training = case.make_training()
    training.steps_done = step
    before = [parameter.detach().clone() for parameter in training.network.parameters()]
    training.take(sized_batch(case.dimension, labeled, unlabeled))
    after = list(training.network.parameters())
    assert all(torch.isfinite(parameter).all() for parameter in after)
    assert not all(torch.equal(old, new) for old, new in zip(before, after, strict=True))
