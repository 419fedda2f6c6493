"""Checkpoints: nnU-Net's file with one more key, never half-written.

nnU-Net's checkpoint has no place for teachers, further optimizers or random streams; they travel under
`COMPANION_KEY`, which nnU-Net ignores.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.core.files import atomic_file
from nnunetv2_semiseg.trainers.engine.step import MethodStep

COMPANION_KEY = "semiseg"
COMPANION_VERSION = 1


def written_by(save: Callable[[IO[bytes]], None]) -> dict[str, Any]:
    """The content of the checkpoint that a function writes, without any file.

    Args:
        save: Writes one with `torch.save`.
    """
    buffer = io.BytesIO()
    save(buffer)
    buffer.seek(0)
    content: dict[str, Any] = torch.load(buffer, map_location="cpu", weights_only=False)
    return content


def save_atomically(checkpoint: dict[str, Any], path: str | Path) -> None:
    """Write a checkpoint as `atomic_file` does.

    Args:
        checkpoint: What `torch.save` takes.
        path: Target; an existing file is replaced at the end.
    """
    with atomic_file(path) as file:
        torch.save(checkpoint, file)


def companion_state(step: MethodStep, streams: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All that a training needs to go on as if nothing had happened, beyond nnU-Net's own checkpoint.

    Args:
        step: The training's step, of whose method the trained state is stored and the frozen weights are
            identified.
        streams: Where the random streams of each rank stand.
    """
    return {
        "version": COMPANION_VERSION,
        "method": step.method.key,
        "state": step.method.trained_state(),
        "frozen": step.method.frozen_identity(),
        "optimizers": {item.name: item.optimizer.state_dict() for item in step.scheduled},
        "step": step.steps_done,
        "random": streams[0],
        "random_of_other_ranks": list(streams[1:]),
    }


def random_states_of(companion: dict[str, Any]) -> list[dict[str, Any]]:
    """The ``streams`` that `companion_state` was given."""
    return [companion["random"], *companion.get("random_of_other_ranks", [])]


def restore_companion(companion: dict[str, Any], step: MethodStep) -> None:
    """Put a method, its optimizers and the number of steps back to where a checkpoint was written.

    Args:
        companion: What `companion_state` gave, as loaded; empty where the checkpoint has none.
        step: The step of a training whose method is freshly built.

    Raises:
        UserError: The checkpoint is of another method, another version or other frozen weights.
    """
    if companion.get("version") != COMPANION_VERSION:
        raise UserError(
            "the checkpoint to continue from has no state of this package (or of another version of it): "
            "start anew without --c"
        )
    method = step.method
    if companion["method"] != method.key:
        raise UserError(f"the checkpoint is of the method {companion['method']}, not of {method.key}")
    for name, identity in method.frozen_identity().items():
        if companion["frozen"].get(name) != identity:
            raise UserError(
                f"{name} has changed since this training began (was {companion['frozen'].get(name)}, is "
                f"{identity}): continue with what it began with, or start anew without --c"
            )
    method.load_trained_state(companion["state"])
    for item in step.scheduled:
        item.optimizer.load_state_dict(companion["optimizers"][item.name])
    step.steps_done = int(companion["step"])


LATEST, BEST = "checkpoint_latest.pth", "checkpoint_best.pth"


def keep_best_before(trainer: nnUNetTrainer, filename: str) -> None:
    """Note and store the best epoch as nnU-Net does, but before the latest one is stored.

    nnU-Net does it afterwards, so that a training that goes on from there would have forgotten that its last
    epoch was the best.

    Args:
        trainer: Trainer at the end of an epoch.
        filename: The checkpoint that it is about to store; only the latest one asks for anything.
    """
    if Path(filename).name != LATEST:
        return
    ema = trainer.logger.get_value("ema_fg_dice", step=-1)
    if trainer._best_ema is None or ema > trainer._best_ema:
        trainer._best_ema = ema
        trainer.print_to_log_file(f"New best EMA pseudo Dice: {ema:.4f}")
        trainer.save_checkpoint(str(Path(trainer.output_folder) / BEST))
