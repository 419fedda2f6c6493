"""What a training on labeled images alone takes over from this package."""

from __future__ import annotations

from typing import Any

from nnunetv2_semiseg.core.files import atomic_file
from nnunetv2_semiseg.rank_trainer import nnUNetTrainerOnRanks
from nnunetv2_semiseg.training_log import log_epoch


class SafeTrainer(nnUNetTrainerOnRanks):
    """nnU-Net's trainer whose checkpoints are never half-written, and which logs its memory's peak."""

    def on_train_epoch_end(self, train_outputs: list[dict[str, Any]]) -> None:
        """nnU-Net's, and the memory's peak in the log."""
        super().on_train_epoch_end(train_outputs)
        log_epoch(self, {})

    def save_checkpoint(self, filename: str) -> None:
        """nnU-Net's checkpoint.

        Args:
            filename: Target; replaced in one move.
        """
        if self.local_rank != 0 or self.disable_checkpointing:
            super().save_checkpoint(filename)
            return
        with atomic_file(filename) as file:
            super().save_checkpoint(file)
