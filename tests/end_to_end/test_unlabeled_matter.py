"""Unlabeled images change what is trained: the one thing that this package is for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from nnunetv2_semiseg.methods.step import Progress, StepContext
from nnunetv2_semiseg.trainers.engine.step import planned_loss

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace

STEPS = 3


def trained(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A trainer after a few seeded steps in a workspace."""
    for name, value in workspace.environment().items():
        monkeypatch.setenv(name, value)
    trainer = workspace.make_trainer()
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    for _ in range(STEPS):
        trainer.train_step(next(trainer.dataloader_train))
    return trainer


def same_weights(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("changed", [False, True])
def test_trainings_that_differ_in_unlabeled_images_alone(
    workspace: Workspace,
    copy_planned: Callable[[Path], Workspace],
    monkeypatch: pytest.MonkeyPatch,
    changed: bool,
) -> None:
    other = copy_planned(workspace.root.with_name("other"))
    if changed:
        for file in (other.raw / "imagesUn").iterdir():
            image = np.asarray(Image.open(file))
            Image.fromarray(np.ascontiguousarray(image[::-1] // 2)).save(file)
    first, second = (trained(place, monkeypatch) for place in (workspace, other))
    assert same_weights(first.network, second.network) is not changed
    trained_parts = [trainer.method.foundation.trained for trainer in (first, second)]
    assert same_weights(*trained_parts) is not changed


def test_every_unsupervised_term_has_a_gradient(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = trained(workspace, monkeypatch)
    students = {"deployed": trainer.network, "foundation": trainer.method.foundation}
    batch = next(trainer.dataloader_train)
    # past the steps in which the two students agree on nothing yet
    context = StepContext(trainer.network, partial(planned_loss, trainer.loss), Progress(STEPS, STEPS))
    terms = trainer.method.losses(batch, context).terms
    names = [name for name, term in terms.items() if not term.supervised]
    assert sorted(names) == ["consensus", "divergence", "unsupervised", "unsupervised_foundation"]
    for name in names:
        term = trainer.method.losses(batch, context).terms[name]
        assert term.weight == 1
        for student in students.values():
            student.zero_grad(set_to_none=True)
        term.value.backward()
        for key, student in students.items():
            total = sum(float(p.grad.abs().sum()) for p in student.parameters() if p.grad is not None)
            assert (total > 0) == (key in term.trains), f"{name}, {key}"
