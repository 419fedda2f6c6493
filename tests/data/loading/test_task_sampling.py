"""Equal shares of all tasks, whatever the sizes of their data sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from batchgenerators.dataloading.data_loader import DataLoader
from batchgenerators.dataloading.nondet_multi_threaded_augmenter import NonDetMultiThreadedAugmenter
from batchgenerators.dataloading.single_threaded_augmenter import SingleThreadedAugmenter
from hypothesis import given, settings, strategies as st

from nnunetv2_semiseg.data.loading.task_sampling import TaskSampling, sample_evenly


@st.composite
def mappings(draw: Any) -> tuple[dict[str, list[int]], int]:
    """Any tasks of any cases, each task with a case or more."""
    num_tasks = draw(st.integers(1, 6))
    some_tasks = st.lists(st.integers(0, num_tasks - 1), min_size=1, unique=True)
    of_cases = draw(st.lists(some_tasks, max_size=30))
    of_cases += [[task] for task in range(num_tasks) if not any(task in tasks for tasks in of_cases)]
    return {f"case_{number}": tasks for number, tasks in enumerate(of_cases)}, num_tasks


def task_shares(sampling: TaskSampling, case_tasks: dict[str, list[int]], num_tasks: int) -> np.ndarray:
    """The expected shares, from what the sampling gives for the cases and draws for the tasks."""
    probabilities = sampling.case_probabilities(list(case_tasks))
    draws = 2000
    shares = np.zeros(num_tasks)
    for case, probability in zip(case_tasks, probabilities, strict=True):
        tasks = sampling.draw_tasks([case] * draws)
        assert set(tasks.tolist()) <= set(case_tasks[case])
        shares += probability * np.bincount(tasks.numpy(), minlength=num_tasks) / draws
    return shares


@settings(deadline=None, max_examples=30)
@given(mappings(), st.integers(0, 2**31))
def test_all_tasks_have_equal_shares(mapping: tuple[dict[str, list[int]], int], seed: int) -> None:
    torch.manual_seed(seed)
    case_tasks, num_tasks = mapping
    sampling = TaskSampling(case_tasks, num_tasks)
    probabilities = sampling.case_probabilities(list(case_tasks))
    assert (probabilities > 0).all()
    assert probabilities.sum() == pytest.approx(1, abs=1e-12)
    assert task_shares(sampling, case_tasks, num_tasks) == pytest.approx(1 / num_tasks, abs=0.06)


@settings(deadline=None, max_examples=30)
@given(mappings())
def test_all_tasks_of_drawn_cases(mapping: tuple[dict[str, list[int]], int]) -> None:
    case_tasks, num_tasks = mapping
    drawn = [*reversed(case_tasks), next(iter(case_tasks))]
    found = TaskSampling(case_tasks, num_tasks).tasks_of(drawn)
    assert found.shape == (len(drawn), max(map(len, case_tasks.values())))
    for case, row in zip(drawn, found.tolist(), strict=True):
        tasks = sorted(case_tasks[case])
        assert row == tasks + [-1] * (len(row) - len(tasks))


def test_unequal_data_sets_by_hand() -> None:
    """One data set of 3 cases with one task, one of 1 case with two tasks."""
    sampling = TaskSampling({"a": [0], "b": [0], "c": [0], "d": [1, 2]}, 3)
    expected = [1 / 9, 1 / 9, 1 / 9, 2 / 3]
    assert sampling.case_probabilities(["a", "b", "c", "d"]) == pytest.approx(expected)
    assert sampling.case_probabilities(["d", "a", "c", "b"]) == pytest.approx([2 / 3, 1 / 9, 1 / 9, 1 / 9])


def test_tasks_are_drawn_for_each_case_of_a_batch() -> None:
    sampling = TaskSampling({"a": [0], "b": [1, 2]}, 3)
    torch.manual_seed(0)
    tasks = sampling.draw_tasks(["b", "a"] * 50)
    assert tasks.dtype == torch.int64
    assert (tasks[1::2] == 0).all()
    assert set(tasks[::2].tolist()) == {1, 2}
    torch.manual_seed(0)
    assert torch.equal(tasks, sampling.draw_tasks(["b", "a"] * 50))


@pytest.mark.parametrize("tasks", [[], [2], [-1]])
def test_a_case_without_a_known_task_is_named(tasks: list[int]) -> None:
    with pytest.raises(ValueError, match="the training case b has the tasks"):
        TaskSampling({"a": [0, 1], "b": tasks}, 2)


def test_a_task_without_cases_is_named() -> None:
    with pytest.raises(ValueError, match="no training case is annotated for task 0, 2"):
        TaskSampling({"a": [1]}, 3)


class Cases(DataLoader):
    """Draws cases as nnU-Net's loader does."""

    def __init__(self, cases: list[str]) -> None:
        super().__init__(cases, 50, 1, None, True, False, True, None)
        self.indices = cases

    def generate_train_batch(self) -> dict[str, Any]:
        return {"keys": self.get_indices()}


@pytest.mark.parametrize("parallel", [False, True])
def test_nnunets_loader_draws_accordingly(parallel: bool) -> None:
    cases = ["a", "b", "c", "d"]
    loader = Cases(cases)
    labeled: Any = SingleThreadedAugmenter(loader, None)
    if parallel:
        labeled = NonDetMultiThreadedAugmenter(loader, None, 1, 1, seeds=[0], wait_time=0.002)
    next(labeled)
    np.random.seed(0)
    sample_evenly(labeled, TaskSampling({"d": [1], "a": [0], "b": [0], "c": [0]}, 2))
    try:
        drawn = np.concatenate([next(labeled)["keys"] for _ in range(20)])
    finally:
        if parallel:
            labeled._finish()
    assert np.mean(drawn == "d") == pytest.approx(0.5, abs=0.06)
