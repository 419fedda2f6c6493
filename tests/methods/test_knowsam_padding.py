"""KnowSAM's terms where an unlabeled patch reaches beyond its image: soft terms leave that out."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from stub_step import CLASSES, SIZE, seg_loss_by_hand
from test_knowsam_mixing import SUBNETS, Step, by_pixel, values

FOREGROUND = 2
ONLY_INSIDE = {
    *(f"{name}_{subnet}" for name in ("distillation", "entropy", "mutual") for subnet in SUBNETS),
    *(f"mixed_{name}_{subnet}" for name in ("entropy", "mutual") for subnet in SUBNETS),
}


def padded_step(settings: dict[str, Any], padding: float = 0.0) -> Step:
    """The lower half of each unlabeled patch lies outside of its image and has the value ``padding``."""
    step = Step(settings)
    inside = torch.ones_like(step.batch.inside)
    inside[:, :, SIZE // 2 :] = False
    images = torch.where(inside, step.batch.unlabeled_strong, padding)
    step.batch = dataclasses.replace(
        step.batch, unlabeled_weak=images, unlabeled_strong=images, unlabeled_inside=inside
    )
    return step


@pytest.mark.parametrize("cells", [1, SIZE**2], ids=["a cell is exchanged", "all cells are"])
def test_padding_changes_no_soft_term(cells: int) -> None:
    """All networks are pixelwise: only a term that counts padding notices another value there."""
    first, second = (values(padded_step({"mixing_cells": cells}, value).run()) for value in (0.0, 3.0))
    assert first.keys() >= ONLY_INSIDE
    for name in ONLY_INSIDE:
        assert second[name] == pytest.approx(first[name], rel=1e-5), name


def test_the_fused_outputs_labels_are_background_in_padding() -> None:
    step = padded_step({"mixing_cells": 1})
    bias = step.network.fusion.layer.bias
    with torch.no_grad():
        bias[FOREGROUND] += 50  # everything is foreground to it
    found = values(step.run())
    mixed, count = step.network.shown[1], len(step.batch.unlabeled_strong)
    unmixed = mixed[-count:] == step.batch.unlabeled_strong
    padding = (unmixed & ~step.batch.inside).flatten().numpy()
    assert padding.any()
    labels = by_pixel(step.network.fusion, mixed[-count:]).argmax(2).flatten()
    assert set(labels) == {FOREGROUND}
    labels[padding] = 0
    everywhere = torch.ones(len(labels), dtype=torch.bool).numpy()
    for name, network in zip(SUBNETS, (step.network.first, step.network.second), strict=True):
        own = by_pixel(network, mixed[-count:]).reshape(-1, CLASSES)
        expected = seg_loss_by_hand(own, labels, everywhere)
        assert found[f"mixed_pseudo_label_{name}"] == pytest.approx(expected, rel=1e-4)
