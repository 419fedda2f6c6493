"""The best epoch is known before the latest checkpoint is stored."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nnunetv2_semiseg.trainers.engine.checkpoint import keep_best_before


def make_trainer(best: float | None, now: float) -> tuple[Any, list[str]]:
    saved: list[str] = []
    trainer = SimpleNamespace(
        _best_ema=best,
        output_folder="folder",
        logger=SimpleNamespace(get_value=lambda name, step: np.float32(now)),
        print_to_log_file=lambda *text: None,
        save_checkpoint=saved.append,
    )
    return trainer, saved


@pytest.mark.parametrize("best", [None, 0.25])
def test_a_better_epoch_is_noted_and_stored_before_the_latest_one(best: float | None) -> None:
    trainer, saved = make_trainer(best, 0.5)
    keep_best_before(trainer, "folder/checkpoint_latest.pth")
    assert trainer._best_ema == 0.5
    assert saved == ["folder/checkpoint_best.pth"]


def test_the_first_of_two_equal_epochs_stays_the_best() -> None:
    trainer, saved = make_trainer(0.5, 0.5)
    keep_best_before(trainer, "folder/checkpoint_latest.pth")
    assert saved == []


def test_a_worse_epoch_and_other_checkpoints_change_nothing() -> None:
    trainer, saved = make_trainer(0.5, 0.25)
    keep_best_before(trainer, "folder/checkpoint_latest.pth")
    better, saved_too = make_trainer(0.5, 0.75)
    keep_best_before(better, "folder/checkpoint_best.pth")
    keep_best_before(better, "folder/checkpoint_final.pth")
    assert (trainer._best_ema, better._best_ema) == (0.5, 0.5)
    assert saved == saved_too == []
