"""Weights & Biases, as nnU-Net 2.8 has it, gets all that this package logs."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from nnunetv2.training.logging import nnunet_logger
from stopping import stopped_after
from stub_wandb import Run, Wandb

from nnunetv2_semiseg.trainers.engine import log as training_log
from nnunetv2_semiseg.trainers.engine.wandb import SWITCH, no_run_of_its_own

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace

    Train = Callable[..., None]


@pytest.fixture
def wandb(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Wandb:
    stub = Wandb()
    monkeypatch.setattr(nnunet_logger, "wandb", stub)
    monkeypatch.setenv(SWITCH, "1")
    return stub


def logged_epochs(run: Run, key: str) -> list[int]:
    return [step for step, name, _ in run.history if name == key]


@pytest.mark.slow
def test_a_run_has_every_term_measure_and_rate_and_both_networks_dice(
    workspace: Workspace, train: Train, wandb: Wandb
) -> None:
    train("2d_tiny", 0)
    (run,) = wandb.runs
    logged = workspace.checkpoint(workspace.model())["logging"]
    ours = {key for key in logged if key.startswith(training_log.PREFIX)}
    assert {key.split("/")[1] for key in ours} == {"loss", "measure", "lr", "memory"}
    for key in ours | {"train_losses", "mean_fg_dice"}:
        assert [value for _, name, value in run.history if name == key] == pytest.approx(logged[key]), key
        assert logged_epochs(run, key) == [0, 1], key
    assert run.config["semiseg"]["synfoc"]["threshold"] == 0.95
    assert 0 <= run.summary["final_val/foreground_dice"] <= 1
    assert 0 <= run.summary[f"{workspace.foundation_name}/final_val/foreground_dice"] <= 1
    assert os.environ[SWITCH] == "1"


@pytest.mark.slow
def test_a_resumed_training_goes_on_in_its_run(workspace: Workspace, train: Train, wandb: Wandb) -> None:
    """Stopped after three epochs, of which two were stored: the third is trained again, and logged once."""
    configuration = workspace.configure("2d_stopped", epochs=4, save_every=2)
    stopped_after(3, lambda: train(configuration, 0))
    wandb.end_process()
    train(configuration, 0, "--c")
    first, second = wandb.runs
    assert first.name == second.name
    for group, name in ((training_log.LOSS, "supervised"), (training_log.MEASURE, "alpha")):
        assert logged_epochs(first, group + name) == [0, 1, 2]
        assert logged_epochs(second, group + name) == [0, 1, 2, 3]


def test_the_switch_is_as_before_even_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    with no_run_of_its_own():
        assert os.environ[SWITCH] == "0"
    assert SWITCH not in os.environ
    monkeypatch.setenv(SWITCH, "true")
    with pytest.raises(ValueError, match="broken"), no_run_of_its_own():
        raise ValueError("broken")
    assert os.environ[SWITCH] == "true"
