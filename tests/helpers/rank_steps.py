"""A few steps of trainers on given samples with given boxes, by one process or shared by several."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from phantom_workspace import Workspace
from torch import nn

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.core.distributed import sums
from nnunetv2_semiseg.core.distributed.ranks import mean_of_ranks, rank, world_size
from nnunetv2_semiseg.data.loading.task_sampling import TaskSampling
from nnunetv2_semiseg.methods import fixmatch, synfoc, versemi
from nnunetv2_semiseg.methods.losses import reduction, segmentation as dice
from nnunetv2_semiseg.methods.parts.mixing import draw_cubes, draw_cutmix_boxes
from nnunetv2_semiseg.networks.ema import keep_in_evaluation
from nnunetv2_semiseg.trainers.made import all_trainers

SAMPLES, SIZE, STEPS = 4, 32, 4
CONFIGURATION = "2d_ranks"
LOW = {"threshold": 0.4}
"""Below what a fresh network is sure of."""


def configure_steps(workspace: Workspace) -> None:
    """The configuration of `few_steps`."""
    workspace.configure(
        CONFIGURATION,
        epochs=1,
        iterations_per_epoch=STEPS,
        labeled_batch_size=SAMPLES,
        unlabeled_batch_size=SAMPLES,
        measure_gradient_every=1,
        synfoc=LOW,
        fixmatch=LOW,
        knowsam={"mixing_start": 0.5},
        # Adam would make a step of full size of a gradient that is nothing but rounding
        versemi={"network_optimizer": "nnunet", "supervised_tasks": "all"},
        uamt={"noise": 0.0, "passes": 1, "weight": 10.0},
    )


def make_trainer(workspace: Workspace, name: str, configuration: str = CONFIGURATION) -> Any:
    plans = {**workspace.read_plans(), "continue_training": False}
    return all_trainers()[name](plans, configuration, 0, workspace.dataset_json, torch.device("cpu"))


def few_steps(root: Path, names: list[str], gathered: bool = True) -> dict[str, dict[str, torch.Tensor]]:
    """Weights of all networks after some steps, and what is logged of these, by trainer.

    Args:
        root: Of the workspace.
        names: Class names of trainers.
        gathered: False takes each rank's own sums for those of all ranks, which is wrong.
    """
    with pytest.MonkeyPatch.context() as monkeypatch:
        draw_alike(monkeypatch)
        if not gathered:
            for module in (sums, dice, reduction):
                monkeypatch.setattr(module, "sums_over_ranks", lambda *values: values)
        return {name: _results_of_steps(make_trainer(Workspace(root), name)) for name in names}


def draw_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each rank draw its part of what one process would draw for all samples."""
    for module in (synfoc, fixmatch):
        monkeypatch.setattr(module, "draw_cutmix_boxes", _Shared(draw_cutmix_boxes))
    monkeypatch.setattr(versemi, "draw_cubes", _Shared(draw_cubes))
    neighbours = torch.arange(SAMPLES)
    monkeypatch.setattr(versemi, "draw_pairs", lambda count: (neighbours[:count:2], neighbours[1:count:2]))
    # "case3" stands for the second of two tasks
    monkeypatch.setattr(
        TaskSampling, "draw_tasks", lambda self, cases: torch.tensor([int(case[-1]) % 2 for case in cases])
    )
    # and is annotated for both, "case2" for the first one alone
    monkeypatch.setattr(
        TaskSampling,
        "tasks_of",
        lambda self, cases: torch.tensor([[0, 1 if int(case[-1]) % 2 else -1] for case in cases]),
    )


class _Shared:
    def __init__(self, draw: Callable[..., torch.Tensor]) -> None:
        self._draw, self._calls = draw, 0

    def __call__(self, count: int, *arguments: Any) -> torch.Tensor:
        with torch.random.fork_rng():
            torch.manual_seed(self._calls)
            drawn = self._draw(count * world_size(), *arguments)
        self._calls += 1
        return drawn[rank() * count :][:count]


def _results_of_steps(trainer: Any) -> dict[str, torch.Tensor]:
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    for part in trainer.network.modules():
        if isinstance(part, nn.BatchNorm2d):
            keep_in_evaluation(part)  # torch has batch norms over all ranks for GPUs alone
    logged: dict[str, float] = {}
    for step in range(STEPS):
        batch = own_part(make_batch(step))
        plain = {"data": batch.labeled_images, "target": list(batch.labeled_targets)}
        values = trainer.train_step(batch if hasattr(trainer, "method") else plain)
        logged |= {f"step {step}, {key}": float(value) for key, value in values.items()}
    networks = nn.ModuleList(trainer.networks_of_training())
    means = {key: torch.tensor(value) for key, value in mean_of_ranks(logged).items()}
    return {**copy.deepcopy(networks.state_dict()), **means}


def make_batch(seed: int) -> SemiSegBatch:
    """Samples of which the first ones have much foreground and few pixels inside, the last ones not."""
    generator = torch.Generator().manual_seed(seed)
    draw = partial(torch.randn, (SAMPLES, 1, SIZE, SIZE), generator=generator)
    level = torch.tensor([-1.0, -0.5, 1.0, 2.0])[:, None, None, None]
    target = ((draw() > level).int() + (draw() > level + 0.5).int()).to(torch.int16)
    weak = draw()
    names = tuple(f"case{index}" for index in range(SAMPLES))
    return SemiSegBatch(
        labeled_images=target + draw(),
        labeled_targets=(target, target[..., ::2, ::2].contiguous()),
        unlabeled_weak=weak,
        unlabeled_strong=weak + 0.3 * draw(),
        labeled_cases=names,
        unlabeled_cases=names,
        unlabeled_inside=draw() < -level,
    )


def own_part(batch: SemiSegBatch) -> SemiSegBatch:
    count = SAMPLES // world_size()
    mine = slice(rank() * count, (rank() + 1) * count)
    inside = batch.unlabeled_inside
    assert inside is not None
    return SemiSegBatch(
        batch.labeled_images[mine],
        tuple(target[mine] for target in batch.labeled_targets),
        batch.unlabeled_weak[mine],
        batch.unlabeled_strong[mine],
        batch.labeled_cases[mine],
        batch.unlabeled_cases[mine],
        inside[mine],
    )
