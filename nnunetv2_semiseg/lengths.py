"""How long a training is: nnU-Net's numbers, taken from the configuration."""

from __future__ import annotations

from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunetv2_semiseg.core.config import TrainingConfig


def set_lengths(trainer: nnUNetTrainer, training: TrainingConfig) -> None:
    """Give a trainer the configured epochs, iterations and intervals between checkpoints."""
    trainer.num_epochs = training.epochs
    trainer.num_iterations_per_epoch = training.iterations_per_epoch
    trainer.num_val_iterations_per_epoch = training.validation_iterations_per_epoch
    trainer.save_every = training.save_every
