"""Counts of a batch: a case's own tasks, and what is predicted of others in it."""

from __future__ import annotations

import torch

from nnunetv2_semiseg.trainers.tasks import own_task_counts

TASKS = 2
TRUE = [[1, 1, 0, 0], [2, 2, 2, 0]]
PREDICTED = [[1, 2, 1, 2], [2, 0, 1, 2]]
BOTH = [[True, True], [True, True]]
OWN = [[True, False], [False, True]]


def counts(annotated: list[list[bool]]) -> list[list[float]]:
    logits = torch.nn.functional.one_hot(torch.tensor(PREDICTED), TASKS + 1).movedim(-1, 1).float()
    target = torch.tensor(TRUE, dtype=torch.int16)[:, None]
    return [values.tolist() for values in own_task_counts(logits, target, torch.tensor(annotated))]


def test_a_case_counts_on_its_own_tasks() -> None:
    # task 1 in the first case: right, taken for task 2, wrong; task 2 in the second: right, two missed, wrong
    assert counts(OWN) == [[1, 1], [1, 1], [1, 2]]


def test_unannotated_structures_are_neither_right_nor_wrong() -> None:
    true, false_positive, false_negative = counts(BOTH)
    assert true == [1, 1]
    # two voxels of task 2 in the first case, one of task 1 in the second
    assert false_positive == [2, 3]
    assert false_negative == [1, 2]


def test_nobody_is_annotated() -> None:
    assert counts([[False, False], [False, False]]) == [[0, 0]] * 3


def test_any_number_of_axes() -> None:
    logits, target = torch.randn(2, 1 + TASKS, 3, 4, 5), torch.randint(3, (2, 1, 3, 4, 5))
    true, false_positive, false_negative = own_task_counts(logits, target, torch.tensor(BOTH))
    assert torch.equal(
        true + false_negative, torch.stack([(target == label).sum() for label in (1, 2)]).double()
    )
    predicted = torch.stack([(logits.argmax(1) == label).sum() for label in (1, 2)])
    assert torch.equal(true + false_positive, predicted.double())
