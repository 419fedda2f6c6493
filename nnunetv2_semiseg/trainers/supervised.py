"""Supervised only: the yardstick that a semi-supervised method is measured against."""

from __future__ import annotations

from typing import Any, cast

import torch

from nnunetv2_semiseg.core.config import TrainingConfig, merged_section, parse_config
from nnunetv2_semiseg.core.files import atomic_file
from nnunetv2_semiseg.methods.settings import check_section, training_values
from nnunetv2_semiseg.trainers.engine.log import log_epoch
from nnunetv2_semiseg.trainers.engine.optimization import backward_and_step
from nnunetv2_semiseg.trainers.engine.precision import (
    check_precision,
    give_float32,
    training_autocast,
    uses_scaler,
)
from nnunetv2_semiseg.trainers.engine.random_state import seed_everything
from nnunetv2_semiseg.trainers.ranks import nnUNetTrainerOnRanks


class nnUNetTrainerSupervised(nnUNetTrainerOnRanks):
    """nnU-Net on the labeled images alone, as long as the configuration says.

    nnUNetTrainer has its length and nnU-Net's batch size built in. For a comparison with equal numbers of
    iterations and labeled samples this class takes both from the plans, and the seed and the precision. It
    learns as nnU-Net does.
    """

    batch_size: int
    """This rank's samples of a step."""

    def __init__(
        self,
        plans: dict[str, Any],
        configuration: str,
        fold: int | str,
        dataset_json: dict[str, Any],
        device: torch.device = torch.device("cuda"),  # noqa: B008  # nnU-Net's signature
    ) -> None:
        """Set nnU-Net's lengths; the arguments are nnU-Net's.

        Raises:
            UnsupportedError: The precision is not for these patches on this device.
            UserError: The plans hold an unknown or impossible hyper-parameter.
        """
        check_section(plans, configuration)
        values = training_values(merged_section(plans, configuration))
        training = parse_config(TrainingConfig, values, f"configuration '{configuration}'")
        self.precision = training.precision
        check_precision(device, self.precision, plans, configuration)
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.set_lengths(training)
        self.seed, self.labeled_batch_size = training.seed, training.labeled_batch_size
        if not uses_scaler(self.device, self.precision):
            self.grad_scaler = None

    def initialize(self) -> None:
        """nnU-Net's initialisation, from the configured seed if there is one."""
        if self.seed is not None:
            seed_everything(self.seed)
        super().initialize()
        give_float32([self.network])

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """nnU-Net's step, in the configured precision.

        Args:
            batch: nnU-Net's, with ``data`` ``B x C x S`` and ``target``.

        Returns:
            The loss.
        """
        # nnU-Net's own step leaves the mean of the ranks' gradients to DistributedDataParallel
        if self.precision == "nnunet" and not self.is_ddp:
            return cast("dict[str, Any]", super().train_step(batch))
        images, target = batch["data"].to(self.device, non_blocking=True), batch["target"]
        if isinstance(target, list):
            target = [level.to(self.device, non_blocking=True) for level in target]
        else:
            target = target.to(self.device, non_blocking=True)
        self.optimizer.zero_grad(set_to_none=True)
        with training_autocast(self.device, self.precision):
            loss = self.loss(self.network(images), target)
        backward_and_step(loss, [self.optimizer], self.grad_scaler)
        return {"loss": loss.detach().cpu().numpy()}

    def _set_batch_size_and_oversample(self) -> None:
        super()._set_batch_size_and_oversample()
        (self.batch_size,) = self.share_batch(labeled=self.labeled_batch_size or self.batch_size)

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
