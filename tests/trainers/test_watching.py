"""What a person sees of a training: the picture of unlabeled images and the line of progress."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from nnunetv2_semiseg.methods.step import StepLosses
from nnunetv2_semiseg.trainers.engine import step as step_module
from nnunetv2_semiseg.trainers.watching import watch
from nnunetv2_semiseg.trainers.watching.watch import PICTURE_FILE

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace

ITERATIONS = 2


def started(workspace: Workspace, **settings: Any) -> Any:
    trainer = workspace.make_trainer(workspace.configure("2d_watched", **settings))
    trainer.on_train_start()
    return trainer


def run_epoch(trainer: Any) -> None:
    """The steps of an epoch, without its validation."""
    trainer.on_train_epoch_start()
    trainer.on_train_epoch_end(
        [trainer.train_step(next(trainer.dataloader_train)) for _ in range(ITERATIONS)]
    )
    trainer.current_epoch += 1


def picture(trainer: Any) -> Path:
    return Path(trainer.output_folder, PICTURE_FILE)


def test_pictures_of_the_first_epoch_of_every_nth_and_of_the_last(workspace: Workspace) -> None:
    trainer = started(workspace, epochs=4, picture_every=2)
    pictured = []
    for _ in range(4):
        run_epoch(trainer)
        pictured.append(picture(trainer).exists())
        picture(trainer).unlink(missing_ok=True)
    assert pictured == [True, False, True, True]
    assert not list(Path(trainer.output_folder).glob("*.tmp"))


def test_the_picture_has_colors_and_is_of_the_last_step(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[str, ...]] = []
    make_rows = watch.make_rows

    def spy(batch: Any, panels: Any, in_color: bool) -> Any:
        shown.append(batch.unlabeled_cases)
        return make_rows(batch, panels, in_color)

    monkeypatch.setattr(watch, "make_rows", spy)
    trainer = started(workspace, unlabeled_batch_size=3)
    trainer.on_train_epoch_start()
    batches = [next(trainer.dataloader_train) for _ in range(ITERATIONS)]
    for batch in batches:
        trainer.train_step(batch)
    assert shown == [batches[-1].unlabeled_cases]
    with Image.open(picture(trainer)) as image:
        assert image.format == "PNG"
        assert min(image.size) > 300
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert (np.ptp(pixels, axis=2) > 50).any(), "classes are in color"


def test_no_pictures_by_choice(workspace: Workspace) -> None:
    trainer = started(workspace, picture_every=None)
    run_epoch(trainer)
    assert not picture(trainer).exists()


def test_other_ranks_are_silent(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    trainer = started(workspace)
    trainer.local_rank = 1
    trainer._watch = watch.TrainingWatch(trainer, 1)
    trainer.on_train_epoch_start()
    capsys.readouterr()
    for _ in range(ITERATIONS):
        trainer.train_step(next(trainer.dataloader_train))
    trainer._watch.end_epoch()
    assert not picture(trainer).exists()
    assert capsys.readouterr() == ("", "")


def test_a_picture_that_cannot_be_written_ends_no_training(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(watch, "save_figure", full)
    run_epoch(started(workspace))
    output = capsys.readouterr().out
    assert f"WARNING: {PICTURE_FILE} was not written: [Errno 28] No space left on device" in output
    assert "Loss terms" in output


def test_watching_changes_no_weights(workspace: Workspace) -> None:
    weights = []
    for every in (None, 1):
        trainer = started(workspace, picture_every=every)
        for _ in range(2):
            run_epoch(trainer)
        weights.append({**trainer.network.state_dict(), **trainer.method.trained_state()})
    plain, watched = weights
    assert plain.keys() == watched.keys()
    assert all(torch.equal(plain[name], watched[name]) for name in plain)


def test_panels_are_gone_before_the_backward_pass(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would keep tensors in memory while it needs most."""
    trainer = started(workspace)
    trainer.on_train_epoch_start()
    losses_of, step, kept, alive = trainer.method.losses, step_module.backward_and_step, [], []

    def losses(*arguments: Any) -> StepLosses:
        result: StepLosses = losses_of(*arguments)
        kept.append(weakref.ref(result.panels))
        return result

    def backward_and_step(*arguments: Any) -> None:
        alive.append(kept[-1]() is not None)
        step(*arguments)

    monkeypatch.setattr(trainer.method, "losses", losses)
    monkeypatch.setattr(step_module, "backward_and_step", backward_and_step)
    for _ in range(ITERATIONS):
        trainer.train_step(next(trainer.dataloader_train))
    assert alive == [False] * ITERATIONS


def test_a_log_file_gets_one_line_of_speed_an_epoch(
    workspace: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    trainer = started(workspace)
    run_epoch(trainer)
    out, error = capfd.readouterr()
    assert out.count("Speed: ") == 1
    assert "\r" not in out + error
    assert error == ""
