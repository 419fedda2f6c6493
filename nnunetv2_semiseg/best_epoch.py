"""Which epoch was the best, by nnU-Net's moving average of the pseudo Dice."""

from __future__ import annotations

from pathlib import Path

from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

LATEST, BEST = "checkpoint_latest.pth", "checkpoint_best.pth"


def keep_best_before(trainer: nnUNetTrainer, filename: str) -> None:
    """Note and store the best epoch as nnU-Net does, but before the latest one is stored.

    nnU-Net does it afterwards, so that a training that goes on from there would have forgotten that its last
    epoch was the best.

    Args:
        trainer: At the end of an epoch.
        filename: The checkpoint that it is about to store; only the latest one asks for anything.
    """
    if Path(filename).name != LATEST:
        return
    ema = trainer.logger.get_value("ema_fg_dice", step=-1)
    if trainer._best_ema is None or ema > trainer._best_ema:
        trainer._best_ema = ema
        trainer.print_to_log_file(f"New best EMA pseudo Dice: {ema:.4f}")
        trainer.save_checkpoint(str(Path(trainer.output_folder) / BEST))
