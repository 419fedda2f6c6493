"""Whole trainings by nnU-Net's own function for several GPUs, on this machine's CPU."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from nnunetv2.run import run_training
from phantom_workspace import DATASET_ID, Workspace
from threads import use_threads
from torch import distributed as dist, nn

from nnunetv2_semiseg.core.distributed.ranks import rank, world_size

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC


class Stopped(Exception):
    """A training is ended on purpose."""


def train_here(trainer: str, *, resume: bool = False, stop_before: int | None = None) -> Any:
    """``nnUNetv2_train 500 2d_tiny 0 -num_gpus 2``, from where a process has been started for each GPU.

    Args:
        trainer: Class name.
        resume: ``--c``.
        stop_before: Epoch that is not begun; its training ends like one that was killed.

    Returns:
        The trainer, after its validation where the training came to an end.
    """
    trainers = []
    make = run_training.get_trainer_from_args

    def make_on_cpu(*arguments: Any) -> Any:
        made = make(*arguments, device=torch.device("cpu"))
        if stop_before is not None:
            made.on_epoch_start = partial(_start_epoch, made, stop_before, made.on_epoch_start)
        trainers.append(made)
        return made

    with pytest.MonkeyPatch.context() as monkeypatch:
        use_threads(monkeypatch)
        monkeypatch.setattr(run_training, "setup_ddp", lambda rank, world_size: None)
        monkeypatch.setattr(run_training, "cleanup_ddp", lambda: None)
        monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
        monkeypatch.setattr(run_training, "get_trainer_from_args", make_on_cpu)
        place = (str(DATASET_ID), "2d_tiny", 0, trainer, "nnUNetPlans")
        try:
            run_training.run_ddp(rank(), *place, False, resume, False, None, False, False, world_size())
        except Stopped:
            dist.barrier()
    return trainers[0]


def _start_epoch(trainer: Any, stop_before: int, start: Callable[[], None]) -> None:
    if trainer.current_epoch == stop_before:
        raise Stopped
    start()


def weights_of(trainer: Any) -> dict[str, torch.Tensor]:
    """All weights, those of teachers and further networks included.

    Without running statistics of batch norms, which ranks share on GPUs alone.
    """
    networks = nn.ModuleList(trainer.networks_of_training())
    return {
        name: tensor.clone()
        for name, tensor in networks.state_dict().items()
        if "running_" not in name and "num_batches" not in name
    }


@contextmanager
def written_below(folder: Path) -> Iterator[list[str]]:
    """Files that this process opens for writing, moves or removes, while it lasts."""
    found: list[str] = []
    active = [True]

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if not active[0] or event not in ("open", "os.rename", "os.remove"):
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & WRITES):
            return
        path = str(arguments[0])
        if path.startswith(str(folder)):
            found.append(str(Path(path).relative_to(folder)))

    sys.addaudithook(look)
    try:
        yield found
    finally:
        active[0] = False


def train_all(root: Path, names: list[str]) -> dict[str, Any]:
    """Weights after each training, and what this rank wrote."""
    results = {}
    for name in names:
        with written_below(root) as files:
            trainer = train_here(name)
        means = {key: values for key, values in _logged(trainer).items() if key.startswith("semiseg/")}
        results[name] = {
            "weights": weights_of(trainer),
            "written": files,
            "sizes": trainer.batch_size,
            "logged": means,
        }
    return results


def _logged(trainer: Any) -> dict[str, Any]:
    return dict(trainer.logger.local_logger.my_fantastic_logging)


def train_and_resume(roots: dict[str, Path], name: str) -> dict[str, Any]:
    """Weights of a training that was stopped and continued, and of one that was not."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        results = {}
        for kind, root in roots.items():
            for variable, value in Workspace(root).environment().items():
                monkeypatch.setenv(variable, value)
            if kind != "never stopped":
                train_here(name, stop_before=1)
            if kind != "left to one process":
                results[kind] = weights_of(train_here(name, resume=kind == "continued"))
    return results
