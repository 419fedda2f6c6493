"""Trainings that end in the middle."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nnunetv2_semiseg.trainers.semiseg import nnUNetTrainerSemiSeg


class Stopped(Exception):
    """Ends a training in the middle, as a kill would."""


def stop_after(monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
    """Let the next training end without a word when this epoch is over and stored."""
    finish = nnUNetTrainerSemiSeg.on_epoch_end

    def on_epoch_end(trainer: nnUNetTrainerSemiSeg) -> None:
        finish(trainer)
        if trainer.current_epoch == epoch:
            raise Stopped

    monkeypatch.setattr(nnUNetTrainerSemiSeg, "on_epoch_end", on_epoch_end)


def stopped_after(epoch: int, run: Callable[[], None]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        stop_after(monkeypatch, epoch)
        with pytest.raises(Stopped):
            run()
