"""nnU-Net's trainer as one of several processes, each with its own GPU and its own part of the batch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import nn

from nnunetv2_semiseg.core.config import TrainingConfig
from nnunetv2_semiseg.core.distributed.ranks import rank, rank_zero_first, wait_for_all, world_size
from nnunetv2_semiseg.core.distributed.sharing import foreground_share, shares
from nnunetv2_semiseg.core.distributed.weights import take_weights_of_rank_zero, with_common_statistics
from nnunetv2_semiseg.core.memory import give_freed_memory_back, keep_freed_memory
from nnunetv2_semiseg.core.plans_file import only_writer
from nnunetv2_semiseg.networks.ema import unwrapped
from nnunetv2_semiseg.networks.outputs import set_deep_supervision
from nnunetv2_semiseg.trainers.engine.random_state import part_streams
from nnunetv2_semiseg.trainers.engine.wandb import no_run_of_its_own


class nnUNetTrainerOnRanks(nnUNetTrainer):
    """Base of all our trainers; changes nothing where there is one process.

    No network is wrapped: `optimization.backward_and_step` averages the gradients of all trained networks. So
    checkpoints are the same ones however many GPUs wrote them.
    """

    network: Any
    is_ddp: bool
    """Whether there are several processes."""
    oversample_foreground_percent: float
    output_folder_base: Any

    def __init__(
        self,
        plans: dict[str, Any],
        configuration: str,
        fold: int | str,
        dataset_json: dict[str, Any],
        device: torch.device = torch.device("cuda"),  # noqa: B008  # nnU-Net's signature
    ) -> None:
        """Take nnU-Net's arguments; rank 0 alone reports to Weights & Biases and the like."""
        with nullcontext() if rank() == 0 else no_run_of_its_own():
            super().__init__(plans, configuration, fold, dataset_json, device)
        self.device = self.device_of_rank(device)
        if self.device.type != "cuda":
            self.grad_scaler = None

    def set_lengths(self, training: TrainingConfig) -> None:
        """Take epochs, iterations and the interval between checkpoints from the configuration."""
        self.num_epochs = training.epochs
        self.num_iterations_per_epoch = training.iterations_per_epoch
        self.num_val_iterations_per_epoch = training.validation_iterations_per_epoch
        self.save_every = training.save_every

    def device_of_rank(self, asked: torch.device) -> torch.device:
        """nnU-Net gives each rank the GPU of its number, even where the training is to run on a CPU."""
        return self.device if asked.type == "cuda" else asked

    def initialize(self) -> None:
        """nnU-Net's initialisation, without DistributedDataParallel."""
        with self._as_one_process():
            super().initialize()
        self.network = with_common_statistics(self.network, self.device)

    def do_split(self) -> tuple[list[str], list[str]]:
        """nnU-Net's split; of folds that start together one writes ``splits_final.json``, of ranks rank 0.

        All ranks must call it.
        """
        file = Path(self.preprocessed_dataset_folder_base) / "splits_final.json"
        with (
            rank_zero_first(),
            nullcontext() if self.fold == "all" or _is_whole(file) else only_writer(file),
        ):
            split: tuple[list[str], list[str]] = super().do_split()
        return split

    @contextmanager
    def _as_one_process(self) -> Iterator[None]:
        """Where nnU-Net asks whether the network is, or is to be, inside of DistributedDataParallel."""
        before, self.is_ddp = self.is_ddp, False
        try:
            yield
        finally:
            self.is_ddp = before

    def _build_loss(self) -> nn.Module:
        """nnU-Net's loss; where its Dice is that of the whole batch, it takes the sums of all ranks."""
        loss: nn.Module = super()._build_loss()
        for part in loss.modules():
            if hasattr(part, "ddp"):
                part.ddp = world_size() > 1  # type: ignore[assignment]
        return loss

    def share_batch(self, **samples: int) -> tuple[int, ...]:
        """This rank's part of a step's samples, of which the labeled ones come first.

        Raises:
            UserError: They can't be divided evenly.
        """
        own = shares(samples)
        if world_size() > 1 and not self.probabilistic_oversampling:
            labeled = next(iter(samples.values()))
            self.oversample_foreground_percent = foreground_share(labeled, self.oversample_foreground_percent)
        return own

    def set_deep_supervision_enabled(self, enabled: bool) -> None:
        """Switch the lower outputs of every part of the network, which may have none at all."""
        set_deep_supervision(unwrapped(self.network), enabled)

    def networks_of_training(self) -> list[nn.Module]:
        """What must be the same on all ranks before the first step."""
        return [self.network]

    def on_train_start(self) -> None:
        """Start from the same weights and, on each rank, from other random numbers."""
        if not self.was_initialized:
            self.initialize()
        take_weights_of_rank_zero(self.networks_of_training())
        part_streams(rank())
        with self._discarded_model_files():
            super().on_train_start()
        if self.device.type == "cpu":
            keep_freed_memory()  # this process alone: those that load samples have begun

    @contextmanager
    def _discarded_model_files(self) -> Iterator[None]:
        """nnU-Net lets every rank write the same plans.json at the same time: keep that of rank 0 alone."""
        if rank() == 0:
            yield
            return
        folder = self.output_folder_base
        with TemporaryDirectory() as self.output_folder_base:
            try:
                yield
            finally:
                self.output_folder_base = folder

    def on_train_end(self) -> None:
        """nnU-Net's end of a training; no rank goes on before the last checkpoint is written."""
        super().on_train_end()
        if self.device.type == "cpu":
            give_freed_memory_back()
        wait_for_all()

    def save_checkpoint(self, filename: Any) -> None:
        """nnU-Net's checkpoint, which rank 0 writes; ``filename`` may be an open file."""
        with self._as_one_process():
            super().save_checkpoint(filename)

    def load_checkpoint(self, filename_or_checkpoint: Any) -> None:
        """Load a checkpoint on every rank, however many wrote it."""
        if not self.was_initialized:
            self.initialize()
        with self._as_one_process():
            super().load_checkpoint(filename_or_checkpoint)

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """nnU-Net's validation, whose cases the ranks share; no rank goes on before rank 0 has measured.

        Args:
            save_probabilities: Also store the probabilities (``--npz``).
        """
        super().perform_actual_validation(save_probabilities)
        wait_for_all()

    def print_to_log_file(self, *args: Any, also_print_to_console: bool = True, **options: Any) -> None:
        """nnU-Net's log, which rank 0 writes and prints; the others say nothing."""
        if self.local_rank == 0:
            super().print_to_log_file(*args, also_print_to_console=also_print_to_console, **options)


def _is_whole(file: Path) -> bool:
    """Whether there is such a file and nobody is in the middle of writing it."""
    try:
        json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return False
    return True
