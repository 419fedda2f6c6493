"""The one class that knows nnU-Net's training hooks."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from torch import nn

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.core.config import SECTION
from nnunetv2_semiseg.core.distributed.ranks import gather_objects, mean_of_ranks, rank, rank_zero_first
from nnunetv2_semiseg.core.distributed.weights import with_common_statistics
from nnunetv2_semiseg.data.loading.labeled_check import check_labeled_matches_plans
from nnunetv2_semiseg.data.loading.loader import PairedLoader, pair_with_unlabeled
from nnunetv2_semiseg.data.unlabeled.preprocessing import UnlabeledData, preprocess_unlabeled
from nnunetv2_semiseg.evaluation.results.history import RATE
from nnunetv2_semiseg.methods.base import BatchSizes, Method, NetworkPlan, Setting
from nnunetv2_semiseg.methods.settings import resolve_config
from nnunetv2_semiseg.methods.step import StepLosses
from nnunetv2_semiseg.trainers.engine import checkpoint as checkpoints, log as training_log
from nnunetv2_semiseg.trainers.engine.checkpoint import keep_best_before
from nnunetv2_semiseg.trainers.engine.diagnostics import measured_gradient
from nnunetv2_semiseg.trainers.engine.optimization import refuse_endless_overflow
from nnunetv2_semiseg.trainers.engine.precision import (
    apply_precision,
    check_precision,
    training_autocast,
    uses_scaler,
)
from nnunetv2_semiseg.trainers.engine.random_state import random_state, restore_random_states, seed_everything
from nnunetv2_semiseg.trainers.engine.refusals import refuse_unsupported
from nnunetv2_semiseg.trainers.engine.step import MethodStep, planned_loss
from nnunetv2_semiseg.trainers.exported import (
    EXPORTED_CHECKPOINTS,
    copy_pictures,
    nnUNetTrainerExported,
    validate_exports,
    write_exports,
)
from nnunetv2_semiseg.trainers.ranks import nnUNetTrainerOnRanks
from nnunetv2_semiseg.trainers.watching.watch import TrainingWatch


class nnUNetTrainerSemiSeg(nnUNetTrainerOnRanks):
    """nnU-Net's trainer with unlabeled images; a subclass names the method.

    The deployed network, its loss on labeled images, their augmentation and the validation are nnU-Net's.
    """

    method_class: ClassVar[type[Method]]
    exported: ClassVar[tuple[type[nnUNetTrainerExported], ...]] = ()
    """Trainers of the networks that this training exports; subclasses of users export nothing."""
    method: Method
    """Built at the start of a training; validation alone does without it."""
    batch_sizes: BatchSizes
    """Samples of a step, on all ranks together."""
    batch_size: int
    """This rank's labeled samples of a step."""
    unlabeled_batch_size: int
    """This rank's unlabeled samples of a step."""

    def __init__(
        self,
        plans: dict[str, Any],
        configuration: str,
        fold: int | str,
        dataset_json: dict[str, Any],
        device: torch.device = torch.device("cuda"),  # noqa: B008  # nnU-Net's signature
    ) -> None:
        """Resolve the configuration and set nnU-Net's lengths by it; the arguments are nnU-Net's.

        Raises:
            UnsupportedError: The labels or the configuration are of a kind that the method can't do.
            UserError: The plans hold an unknown or impossible hyper-parameter.
        """
        self.resolved = resolve_config(plans, configuration, self.method_class)
        refuse_unsupported(self.method_class, self.resolved.method, plans, configuration, dataset_json)
        self.precision = self.resolved.training.precision
        check_precision(device, self.precision, plans, configuration)
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.set_lengths(self.resolved.training)
        if not uses_scaler(self.device, self.precision):
            self.grad_scaler = None
        self._companion: dict[str, Any] | None = None
        self._validated_checkpoint = EXPORTED_CHECKPOINTS[0]

    @classmethod
    def build_network_architecture(
        cls,
        plans_manager: Any,
        configuration_manager: Any,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = True,
    ) -> nn.Module:
        """Build the network that the method deploys; the arguments are nnU-Net's."""
        configuration = configuration_manager.configuration
        plan = NetworkPlan(configuration, num_input_channels, num_output_channels, enable_deep_supervision)
        return cls.method_class.build_network(plan)

    def initialize(self) -> None:
        """nnU-Net's initialisation, from the configured seed if there is one.

        Raises:
            UserFileError: The labeled cases have not been preprocessed.
            UserError: They have been preprocessed with other plans.
        """
        check_labeled_matches_plans(
            self.plans_manager.dataset_name, self.configuration_name, self.plans_manager
        )
        if self.resolved.training.seed is not None:
            seed_everything(self.resolved.training.seed)
        super().initialize()

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, Any]:
        """nnU-Net's optimizer and schedule, unless the method brings its own for the deployed network."""
        own = self.method_class.deployed_optimizer(self.resolved.method, self.network.parameters())
        if own is None:
            return super().configure_optimizers()
        exponent = 0.9 if self.method_class.decays(self.resolved.method) else 0
        return own, PolyLRScheduler(own, own.param_groups[0]["lr"], self.num_epochs, exponent=exponent)

    def _set_batch_size_and_oversample(self) -> None:
        """The labeled batch size takes the place of the plans'; the unlabeled one goes along."""
        super()._set_batch_size_and_oversample()
        # of all folds: a cross-validation trains with the same samples in each
        num_labeled = len({case for part in self.do_split() for case in part})
        training = self.resolved.training
        own = self.method_class.batch_sizes(self.resolved.method, self.batch_size, num_labeled)
        self.batch_sizes = BatchSizes(
            training.labeled_batch_size or own.labeled, training.unlabeled_batch_size or own.unlabeled
        )
        self.batch_size, self.unlabeled_batch_size = self.share_batch(**dataclasses.asdict(self.batch_sizes))

    def build_method(self) -> None:
        """Build the method around the network as it is now (pretrained or resumed weights included)."""
        setting = Setting(
            num_classes=self.label_manager.num_segmentation_heads,
            in_channels=self.num_input_channels,
            patch_size=tuple(self.configuration_manager.patch_size),
            new_network=self._new_network,
            ignore_label=self.label_manager.ignore_label,
        )
        self.method = self.method_class(self.resolved.method, setting, self.network).to(self.device)
        with_common_statistics(self.method, self.device)
        networks = [self.network, *self.method.children()]
        apply_precision(networks, self.method.frozen_modules(), self.device, self.precision)
        self.step = MethodStep(
            self.method,
            self.network,
            self.optimizer,
            partial(planned_loss, self.loss),
            self.num_epochs * self.num_iterations_per_epoch,
            partial(training_autocast, self.device, self.precision),
            self.grad_scaler,
        )

    def _new_network(self) -> nn.Module:
        return self.build_network_architecture(
            self.plans_manager,
            self.configuration_manager,
            self.num_input_channels,
            self.label_manager.num_segmentation_heads,
            self.enable_deep_supervision,
        )

    def networks_of_training(self) -> list[nn.Module]:
        """The deployed network and all of the method's."""
        return [self.network, self.method]

    def get_dataloaders(self) -> tuple[PairedLoader, Any]:
        """nnU-Net's loaders, the one for training paired with one for unlabeled images."""
        labeled, validation = super().get_dataloaders()
        training = self.resolved.training
        paired = pair_with_unlabeled(
            labeled,
            self._unlabeled,
            self.unlabeled_batch_size,
            training.views,
            self.label_manager,
            self.device,
            reproducible=training.seed is not None,
        )
        return paired, validation

    def on_train_start(self) -> None:
        """Build the method, preprocess unlabeled images where needed, and go on where a checkpoint ended."""
        if not self.was_initialized:
            self.initialize()
        # first of all, so that missing or changed weights don't show after an hour of preprocessing
        self.build_method()
        resumed, self._companion = self._companion, None
        if resumed is not None:
            checkpoints.restore_companion(resumed, self.step)
        with rank_zero_first():
            described = (self.plans_manager, self.configuration_manager, self.dataset_json)
            self._unlabeled: UnlabeledData = preprocess_unlabeled(
                self.plans_manager.dataset_name, *described, log=self.print_to_log_file
            )
        self._write_resolved_config()
        super().on_train_start()
        self._watch = TrainingWatch(self, self.resolved.training.picture_every)
        self.print_to_log_file(
            f"{self.method_class.key}: {self.batch_sizes.labeled} labeled and {self.batch_sizes.unlabeled} "
            f"unlabeled samples a step, {len(self._unlabeled.cases)} unlabeled cases"
        )
        for name, value in self.method.frozen_identity().items():
            self.print_to_log_file(f"{name}: {value}")
        if resumed is not None:
            restore_random_states(checkpoints.random_states_of(resumed), rank())

    def _write_resolved_config(self) -> None:
        """Put the resolved configuration into the plans that go into the model folder."""
        section = self.resolved.section(self.method_class.key)
        sizes = dataclasses.asdict(self.batch_sizes)
        section.update({f"{kind}_batch_size": samples for kind, samples in sizes.items()})
        self.plans_manager.plans["configurations"][self.configuration_name][SECTION] = section
        self.configuration_manager.configuration[SECTION] = section
        self.logger.update_config({SECTION: section})
        self.print_to_log_file(f"{SECTION}: {section}", also_print_to_console=False)

    def on_train_epoch_start(self) -> None:
        """Set the networks' modes; nnU-Net sets the deployed network's learning rate."""
        super().on_train_epoch_start()
        self.method.train()
        self._watch.start_epoch()

    def train_step(self, batch: SemiSegBatch) -> dict[str, torch.Tensor]:
        """One optimizer step of every optimizer.

        Args:
            batch: Batch of the paired loader.

        Returns:
            Total, terms and measures as detached scalars on the device; they are fetched once an epoch.
        """
        batch = batch.to(self.device)
        context = self.step.context
        values: dict[str, torch.Tensor] = {}

        def look(losses: StepLosses) -> None:
            values.update(training_log.step_values(losses.total, losses.values, losses.measures))
            self._watch.step(batch, values, losses.panels)

        self.step.take(batch, look)
        every = (self.resolved.training.measure_gradient_every or 0) * self.num_iterations_per_epoch
        return {**values, **measured_gradient(self.method, batch, context, every)}

    def on_train_epoch_end(self, train_outputs: list[dict[str, torch.Tensor]]) -> None:
        """Log the epoch's means of total, terms and measures, all learning rates and the memory's peak."""
        refuse_endless_overflow(self.grad_scaler)
        self._watch.end_epoch()
        means = mean_of_ranks(training_log.epoch_means(train_outputs))
        self.logger.log("train_losses", means.pop("loss"), self.current_epoch)
        means[RATE + "network"] = self.optimizer.param_groups[0]["lr"]
        for item in self.step.scheduled:
            means[RATE + item.name] = item.optimizer.param_groups[0]["lr"]
        training_log.log_epoch(self, means)

    def on_epoch_end(self) -> None:
        """nnU-Net's end of an epoch and the plot of terms, measures and learning rates."""
        super().on_epoch_end()
        if self.local_rank == 0:
            training_log.plot_progress(self.logger, self.output_folder)
            copy_pictures(self, ("progress.png", training_log.PLOT_FILE))

    def on_train_end(self) -> None:
        """nnU-Net's end of a training; shuts the loaders down."""
        super().on_train_end()
        self.dataloader_train.finish()
        self._validated_checkpoint = EXPORTED_CHECKPOINTS[0]

    def save_checkpoint(self, filename: str) -> None:
        """nnU-Net's checkpoint with the companion state, and the exported networks' beside it.

        Args:
            filename: Target; replaced in one move.
        """
        if self.disable_checkpointing:
            super().save_checkpoint(filename)
            return
        keep_best_before(self, filename)
        streams = gather_objects(random_state())
        if self.local_rank != 0:
            return
        # nnU-Net owns the content: let it write, and add our key
        checkpoint = checkpoints.written_by(super().save_checkpoint)
        checkpoint[checkpoints.COMPANION_KEY] = checkpoints.companion_state(self.step, streams)
        checkpoints.save_atomically(checkpoint, filename)
        if Path(filename).name in EXPORTED_CHECKPOINTS:
            write_exports(self, self.method, checkpoint, Path(filename).name)

    def load_checkpoint(self, filename_or_checkpoint: str) -> None:
        """Load nnU-Net's part, and keep the method's for `on_train_start`: validation needs no method.

        Args:
            filename_or_checkpoint: A file; nnU-Net's own method takes nothing else, whatever it declares.
        """
        super().load_checkpoint(filename_or_checkpoint)
        name = Path(filename_or_checkpoint).name
        self._validated_checkpoint = name if name in EXPORTED_CHECKPOINTS else EXPORTED_CHECKPOINTS[0]
        checkpoint = torch.load(filename_or_checkpoint, map_location="cpu", weights_only=False)
        self._companion = checkpoint.get(checkpoints.COMPANION_KEY, {})

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """nnU-Net's validation of the deployed network, then of every exported one.

        Args:
            save_probabilities: Also store the probabilities (``--npz``).
        """
        super().perform_actual_validation(save_probabilities)
        # with --disable_checkpointing there is no file to validate from
        in_memory = self.disable_checkpointing and hasattr(self, "method")
        method = self.method if in_memory else None
        validate_exports(self, method, self._validated_checkpoint, save_probabilities)
