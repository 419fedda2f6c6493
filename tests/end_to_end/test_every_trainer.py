"""Every trainer on the real command line: killed, continued, predicted with.

A training that was killed anywhere and continued equals one that was never stopped. New methods are found and
tested without a change here.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from phantom_tasks import write_tasks

from nnunetv2_semiseg.evaluation.results.history import MEMORY
from nnunetv2_semiseg.trainers.engine import checkpoint as checkpoints
from nnunetv2_semiseg.trainers.exported import exported_trainers
from nnunetv2_semiseg.trainers.made import all_trainers
from nnunetv2_semiseg.trainers.semiseg import nnUNetTrainerSemiSeg
from nnunetv2_semiseg.trainers.watching.watch import PICTURE_FILE

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace

    Train = Callable[..., None]
    Predict = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.slow

MEASURED = ("epoch_start_timestamps", "epoch_end_timestamps", f"{MEMORY}process")
"""What differs from run to run."""

TRAINERS = {name: kind for name, kind in all_trainers().items() if issubclass(kind, nnUNetTrainerSemiSeg)}
FLAT = sorted(name for name, kind in TRAINERS.items() if 2 in kind.method_class.dimensions)
TAUGHT_BY_SAM = "nnUNetTrainerUAMT"
"""The baseline whose SAM branch is switched on here; Mean Teacher, which is much the same, goes without."""


def assert_same(first: Any, second: Any, where: str = "") -> None:
    """Equal to the last bit, all through nested containers."""
    assert type(first) is type(second), where
    if isinstance(first, torch.Tensor):
        assert torch.equal(first, second), where
    elif isinstance(first, np.ndarray):
        np.testing.assert_array_equal(first, second, err_msg=where)
    elif isinstance(first, Mapping):
        assert first.keys() == second.keys(), where
        for key in first:
            assert_same(first[key], second[key], f"{where}.{key}")
    elif isinstance(first, list | tuple):
        assert len(first) == len(second), where
        for index, (one, other) in enumerate(zip(first, second, strict=True)):
            assert_same(one, other, f"{where}[{index}]")
    elif isinstance(first, float | np.floating) and np.isnan(first):
        assert np.isnan(second), where
    else:
        assert first == second, where


def assert_same_training(first: dict[str, Any], second: dict[str, Any]) -> None:
    """All that training computes; the time and memory that it took differ."""
    for content in (first, second):
        for key in MEASURED:
            content["logging"].pop(key)
    content = ("network_weights", "optimizer_state", "logging", "_best_ema", "current_epoch")
    for key in (*content, checkpoints.COMPANION_KEY):
        assert_same(first[key], second[key], key)


def prepare(workspace: Workspace, trainer: str) -> None:
    """Tasks for methods of merged datasets, and a SAM branch for one baseline."""
    write_tasks(workspace)
    if trainer == TAUGHT_BY_SAM:
        plans = workspace.read_plans()
        section = plans["configurations"]["2d_tiny"]["semiseg"]
        section[TRAINERS[trainer].method_class.key]["skd"]["enabled"] = True
        workspace.write_plans(plans)


def kill_after_first_checkpoint(workspace: Workspace, trainer: str) -> None:
    """Start a training and end it at a random moment once there is something to go on from."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed of the delay: {seed}")
    process = workspace.start("nnUNetv2_train", 500, "2d_tiny", 0, "-tr", trainer, "-device", "cpu")
    fold = workspace.model(trainer) / "fold_0"
    deadline = time.monotonic() + 300
    while not (fold / "checkpoint_latest.pth").is_file():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "no checkpoint within five minutes"
        time.sleep(0.01)
    time.sleep(random.Random(seed).uniform(0, 1))
    workspace.kill(process)


@pytest.mark.parametrize("trainer", FLAT)
def test_killed_and_continued_equals_never_stopped(
    workspace: Workspace,
    copy_planned: Callable[[Path], Workspace],
    train: Train,
    predict: Predict,
    trainer: str,
) -> None:
    names = [trainer, *(kind.__name__ for kind in exported_trainers(TRAINERS[trainer]))]
    prepare(workspace, trainer)
    train("2d_tiny", 0, trainer=trainer)
    expected = [workspace.checkpoint(workspace.model(name)) for name in names]

    interrupted = copy_planned(workspace.root.with_name("interrupted"))
    prepare(interrupted, trainer)
    kill_after_first_checkpoint(interrupted, trainer)
    for variable, value in interrupted.environment().items():
        os.environ[variable] = value  # the workspace fixture puts the old values back
    train("2d_tiny", 0, "--c", trainer=trainer)
    found = [interrupted.checkpoint(interrupted.model(name)) for name in names]
    assert_same_training(expected[0], found[0])
    if trainer == TAUGHT_BY_SAM:
        assert_sam_is_stored(found[0][checkpoints.COMPANION_KEY])
    for one, other in zip(expected[1:], found[1:], strict=True):
        assert_same(one["network_weights"], other["network_weights"])
    assert not list(interrupted.results.rglob("checkpoint_latest.pth"))
    assert (interrupted.model(trainer) / "fold_0" / PICTURE_FILE).is_file()
    assert_each_predicts(interrupted, predict, names)


def assert_sam_is_stored(companion: dict[str, Any]) -> None:
    """What is trained of it, with its optimizer, and none of the frozen weights."""
    stored = {name.split(".")[1] for name in companion["state"] if name.startswith("sam.")}
    assert stored == {"adapters", "prompts"}
    assert companion["optimizers"]["sam"]["state"]


def assert_each_predicts(workspace: Workspace, predict: Predict, names: list[str]) -> None:
    """Every network gives probabilities of one test image, each its own."""
    images = workspace.root / "one_image"
    images.mkdir()
    shutil.copy(sorted((workspace.raw / "imagesTs").iterdir())[0], images)
    predicted = []
    for name in names:
        ((_, probabilities),) = predict(images, name).items()
        assert np.isfinite(probabilities).all()
        np.testing.assert_allclose(probabilities.sum(0), 1, atol=1e-2)
        predicted.append(probabilities)
    for index, probabilities in enumerate(predicted):
        for other in predicted[:index]:
            assert not np.allclose(probabilities, other, atol=1e-3)
