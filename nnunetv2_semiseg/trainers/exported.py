"""Further networks of a method as nnU-Net models of their own.

Such a network lives in a model folder with its own trainer class, ``CLASS__PLANS__CONFIGURATION``, beside
that of the trainer that trained it. nnU-Net predicts with it, ensembles it and zips it like any other model.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from batchgenerators.utilities.file_and_folder_operations import save_json
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from torch import nn

from nnunetv2_semiseg.core.errors import UnsupportedError
from nnunetv2_semiseg.core.files import replacing
from nnunetv2_semiseg.methods.base import Export, Method, NetworkPlan
from nnunetv2_semiseg.methods.settings import exported_config
from nnunetv2_semiseg.networks.ema import unwrapped
from nnunetv2_semiseg.trainers.engine.checkpoint import COMPANION_KEY, save_atomically
from nnunetv2_semiseg.trainers.engine.wandb import SummaryLogger, no_run_of_its_own
from nnunetv2_semiseg.trainers.ranks import nnUNetTrainerOnRanks

EXPORTED_CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_best.pth")
"""The checkpoints that are written for exported networks too."""

PLANS, DATASET, FINGERPRINT = "plans.json", "dataset.json", "dataset_fingerprint.json"
"""Files of a model folder beside those of its folds."""


class nnUNetTrainerExported(nnUNetTrainerOnRanks):
    """Base of the trainer classes of exported networks: they predict and validate, but don't train."""

    method_class: ClassVar[type[Method]]
    """Method whose training makes this network."""
    export: ClassVar[Export]
    """What the method says of this network."""
    trained_with: ClassVar[type[nnUNetTrainer]]
    """Trainer that trains and writes this network."""

    @classmethod
    def build_network_architecture(
        cls,
        plans_manager: Any,
        configuration_manager: Any,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = True,
    ) -> nn.Module:
        """Build the network by the resolved configuration in the model folder's plans."""
        configuration = configuration_manager.configuration
        plan = NetworkPlan(configuration, num_input_channels, num_output_channels, enable_deep_supervision)
        method = cls.method_class
        if cls.export.build is None:
            return method.build_network(plan)
        return cls.export.build(plan, exported_config(configuration, method.key, method.config_class))

    def _do_i_compile(self) -> bool:
        """Never: it is asked for a few cases, which compiling a foundation model takes longer than."""
        return False

    def on_train_start(self) -> None:
        """Refuse: this network is a result of another training.

        Raises:
            UnsupportedError: Always.
        """
        raise UnsupportedError(
            f"{type(self).__name__} cannot be trained on its own: it is written by training "
            f"{self.trained_with.__name__}; use -tr {self.trained_with.__name__}"
        )

    def load_checkpoint(self, filename_or_checkpoint: dict[str, Any] | str) -> None:
        """Load the network's weights; there is no training to go on with."""
        checkpoint = filename_or_checkpoint
        if not isinstance(checkpoint, dict):
            checkpoint = torch.load(checkpoint, map_location="cpu", weights_only=False)
        self._use_plans_of_the_model()
        if not self.was_initialized:
            self.initialize()
        self.load_weights(checkpoint["network_weights"])
        self.inference_allowed_mirroring_axes = checkpoint["inference_allowed_mirroring_axes"]

    def load_weights(self, state: dict[str, torch.Tensor]) -> None:
        """Put weights into the network; `initialize` must have been called."""
        unwrapped(self.network).load_state_dict(state)

    def _use_plans_of_the_model(self) -> None:
        """The plans in the model folder hold the resolved configuration that the network was built with."""
        plans_file = Path(self.output_folder_base) / "plans.json"
        if plans_file.is_file():
            self.plans_manager: Any = PlansManager(str(plans_file))
            self.configuration_manager = self.plans_manager.get_configuration(self.configuration_name)


def export_folder(trainer: nnUNetTrainer, trainer_name: str) -> Path:
    """The model folder of an exported network, beside the one of the trainer that trains it."""
    folder = Path(trainer.output_folder_base)
    return folder.with_name(folder.name.replace(type(trainer).__name__, trainer_name, 1))


def write_exports(
    trainer: nnUNetTrainer, method: Method, checkpoint: dict[str, Any], checkpoint_name: str
) -> None:
    """Write every exported network into its model folder.

    Args:
        trainer: The trainer that trains them, whose model folder has plans, dataset and fingerprint by now.
        method: The trained method.
        checkpoint: The training's own checkpoint, from which everything else is taken.
        checkpoint_name: File name, one of `EXPORTED_CHECKPOINTS`.
    """
    for exported in exported_trainers(type(trainer)):
        name = exported.__name__
        model = export_folder(trainer, name)
        fold = model / Path(trainer.output_folder).name
        fold.mkdir(parents=True, exist_ok=True)
        _write_model_files(trainer, model)
        weights = exported.export.state(method, unwrapped(trainer.network))
        content = {**without_training_state(checkpoint), "network_weights": weights}
        save_atomically({**content, "trainer_name": name}, fold / checkpoint_name)


def _write_model_files(trainer: nnUNetTrainer, model: Path) -> None:
    """Write what nnU-Net writes; a copy could be of a file that another fold is writing at this moment."""
    contents = {PLANS: trainer.plans_manager.plans, DATASET: trainer.dataset_json}
    for name, content in contents.items():
        with replacing(model / name, _own_suffix()) as temporary:
            save_json(content, str(temporary), sort_keys=False)
    _copy_atomically(Path(trainer.preprocessed_dataset_folder_base) / FINGERPRINT, model / FINGERPRINT)


def without_training_state(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint to predict from: without what only going on with the training needs."""
    content = {key: value for key, value in checkpoint.items() if key != COMPANION_KEY}
    return {**content, "optimizer_state": None, "grad_scaler_state": None}


def copy_pictures(trainer: nnUNetTrainer, names: tuple[str, ...]) -> None:
    """Show the training's progress beside the exported networks too; nnU-Net's zip export wants it."""
    for exported in exported_trainers(type(trainer)):
        fold = export_folder(trainer, exported.__name__) / Path(trainer.output_folder).name
        for name in names:
            source = Path(trainer.output_folder) / name
            if fold.is_dir() and source.is_file():
                _copy_atomically(source, fold / name)


def _copy_atomically(source: Path, target: Path) -> None:
    with replacing(target, _own_suffix()) as temporary:
        shutil.copyfile(source, temporary)


def _own_suffix() -> str:
    """Suffix of this process alone: folds that train side by side write the same files of a model folder."""
    return f".{os.getpid()}.tmp"


def exported_trainers(trainer_class: type[nnUNetTrainer]) -> tuple[type[nnUNetTrainerExported], ...]:
    """Trainer classes of the networks that training with ``trainer_class`` exports.

    A user's own subclass of a trainer exports nothing: it must not write into the model folder of another.
    """
    found: tuple[type[nnUNetTrainerExported], ...] = vars(trainer_class).get("exported", ())
    return found


def validate_exports(
    trainer: nnUNetTrainer, method: Method | None, checkpoint_name: str, save_probabilities: bool
) -> None:
    """nnU-Net's validation of every exported network.

    Args:
        trainer: The trainer that trains them.
        method: The trained method, whose networks are validated as they are; None: the networks are read
            from their model folders.
        checkpoint_name: File name of the checkpoint in a model folder.
        save_probabilities: Also store the probabilities.
    """
    for exported in exported_trainers(type(trainer)):
        weights = None if method is None else exported.export.state(method, unwrapped(trainer.network))
        ready = _validation_trainer(trainer, exported, weights, checkpoint_name)
        if ready is not None:
            ready.perform_actual_validation(save_probabilities)


def _validation_trainer(
    trainer: nnUNetTrainer,
    exported: type[nnUNetTrainerExported],
    weights: dict[str, torch.Tensor] | None,
    checkpoint_name: str,
) -> nnUNetTrainerExported | None:
    """A trainer of an exported network that is ready for `perform_actual_validation`.

    Args:
        trainer: The trainer that trains it.
        exported: The network's own trainer class.
        weights: Weights of the network, or None to take them from the checkpoint in its model folder.
        checkpoint_name: File name of that checkpoint.

    Returns:
        The trainer; None, after a line in the log, where there is no checkpoint.
    """
    file = export_folder(trainer, exported.__name__) / Path(trainer.output_folder).name / checkpoint_name
    if weights is None and not file.is_file():
        trainer.print_to_log_file(
            f"WARNING: {exported.__name__} is not validated, because {file} does not exist; "
            "train again, or continue the training with --c"
        )
        return None
    plans = {**trainer.plans_manager.plans, "continue_training": False}
    arguments = (plans, trainer.configuration_name, trainer.fold, trainer.dataset_json, trainer.device)
    with no_run_of_its_own():
        result = exported(*arguments)
    result.logger.loggers = [SummaryLogger(trainer.logger.loggers, exported.__name__)]
    if weights is None:
        result.load_checkpoint(str(file))
    else:
        result.initialize()
        result.load_weights(weights)
        result.inference_allowed_mirroring_axes = trainer.inference_allowed_mirroring_axes
    return result
