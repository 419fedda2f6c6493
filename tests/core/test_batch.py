"""The batch that a method sees."""

from __future__ import annotations

import dataclasses

import torch

from nnunetv2_semiseg.core.batch import SemiSegBatch


def make(inside: torch.Tensor | None) -> SemiSegBatch:
    images = torch.zeros(2, 3, 4, 4)
    target = torch.zeros(1, 1, 4, 4, dtype=torch.int16)
    return SemiSegBatch(images[:1], (target,), images, images, ("a",), ("b", "c"), inside)


def test_all_is_inside_unless_a_batch_says_otherwise() -> None:
    batch = make(None)
    assert batch.inside.shape == (2, 1, 4, 4)
    assert batch.inside.all()
    assert batch.all_inside.shape == (3, 1, 4, 4)


def test_labeled_images_count_everywhere() -> None:
    inside = torch.zeros(2, 1, 4, 4, dtype=torch.bool)
    batch = make(inside).to(torch.device("cpu"))
    assert torch.equal(batch.inside, inside)
    assert batch.all_inside[0].all()
    assert not batch.all_inside[1:].any()


def test_every_tensor_goes_to_the_device() -> None:
    batch = dataclasses.replace(
        make(torch.ones(2, 1, 4, 4)), task_ids=torch.tensor([0]), annotated_tasks=torch.tensor([[0, -1]])
    )
    moved = batch.to(torch.device("meta"))
    for field in dataclasses.fields(moved):
        value = getattr(moved, field.name)
        tensors = value if field.name == "labeled_targets" else (value,)
        if not field.name.endswith("_cases"):
            assert all(tensor.device.type == "meta" for tensor in tensors), field.name
    assert moved.labeled_cases == batch.labeled_cases
