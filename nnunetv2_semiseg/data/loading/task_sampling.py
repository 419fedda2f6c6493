"""Sampling of training cases so that all tasks are trained equally often, however many cases each has.

A task is drawn uniformly from all T, then a case uniformly from the ``n_t`` annotated for it. nnU-Net's
loader draws cases and knows no tasks, so the order is reversed: first the case, then one of its tasks::

    p(i) = sum over the tasks t of case i of 1 / (T n_t)
    p(t | i) = 1 / (T n_t) / p(i)

Each task's share is 1 / T if all tasks have a case. Where all cases of a source are annotated for the same
tasks, a case's task is drawn uniformly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from batchgenerators.dataloading.nondet_multi_threaded_augmenter import NonDetMultiThreadedAugmenter
from torch.nn.utils.rnn import pad_sequence

from nnunetv2_semiseg.core.errors import UserError

Probabilities = np.ndarray[Any, np.dtype[np.float64]]


class TaskSampling:
    """How often each case is drawn, and which task a drawn case stands for."""

    def __init__(self, case_tasks: Mapping[str, Sequence[int]], num_tasks: int) -> None:
        """Count the cases of each task.

        Args:
            case_tasks: The task ids, from 0, of every labeled case of the training, and of no other case.
            num_tasks: Number of tasks, T.

        Raises:
            UserError: A case has no task, or an unknown one, or a task has no case.
        """
        annotated = torch.zeros(len(case_tasks), num_tasks, dtype=torch.float64)
        for row, (case, tasks) in zip(annotated, case_tasks.items(), strict=True):
            if not tasks or not set(tasks) <= set(range(num_tasks)):
                raise UserError(
                    f"the training case {case} has the tasks {list(tasks)}: each case needs one or more "
                    f"of the task ids 0 to {num_tasks - 1}"
                )
            row[list(tasks)] = 1
        cases_of_task = annotated.sum(0)
        if not cases_of_task.all():
            missing = ", ".join(str(int(task)) for task in (cases_of_task == 0).nonzero())
            raise UserError(
                f"no training case is annotated for task {missing}: choose a split that has each task among "
                "its training cases, or leave the task out"
            )
        self._joint = annotated / (num_tasks * cases_of_task)
        self._tasks = pad_sequence(
            [row.nonzero()[:, 0] for row in annotated], batch_first=True, padding_value=-1
        )
        self._rows = {case: row for row, case in enumerate(case_tasks)}

    def case_probabilities(self, cases: Sequence[str]) -> Probabilities:
        """How often each case is to be drawn.

        Args:
            cases: All cases of the training, in the loader's order.

        Returns:
            A probability for each case; their sum is 1.
        """
        probabilities: Probabilities = self._joint[self._rows_of(cases)].sum(1).numpy()
        return probabilities

    def draw_tasks(self, cases: Sequence[str]) -> torch.Tensor:
        """One task for each drawn case, from torch's global CPU stream.

        Args:
            cases: Names of the cases in a batch, L of them.

        Returns:
            Task ids, ``L``, int64.
        """
        return torch.multinomial(self._joint[self._rows_of(cases)], 1)[:, 0]

    def tasks_of(self, cases: Sequence[str]) -> torch.Tensor:
        """All tasks of each drawn case.

        Args:
            cases: Names of the cases in a batch, L of them.

        Returns:
            Task ids in order, ``L x K``, int64; K is the most that any case has, and -1 stands behind those
            of a case that has fewer.
        """
        return self._tasks[self._rows_of(cases)]

    def _rows_of(self, cases: Sequence[str]) -> list[int]:
        return [self._rows[case] for case in cases]


def sample_evenly(labeled: Any, sampling: TaskSampling) -> None:
    """Let nnU-Net's loader of labeled images draw its cases so that the tasks have equal shares.

    nnU-Net leaves the loader's ``sampling_probabilities`` at None. Background processes hold a copy of the
    loader and are started again.

    Args:
        labeled: The training loader of nnU-Net's ``get_dataloaders``.
        sampling: Made for that loader's cases.
    """
    parallel = isinstance(labeled, NonDetMultiThreadedAugmenter)
    source = labeled.generator if parallel else labeled.data_loader
    source.sampling_probabilities = sampling.case_probabilities(source.indices)
    if parallel:
        labeled._finish()
        next(labeled)
