"""nnU-Net's trainers of VerSemi: the one that trains, and the one that deploys its moving average."""

from __future__ import annotations

from typing import Any

from torch import nn

from nnunetv2_semiseg.data.merging.task_limit import limit_of
from nnunetv2_semiseg.methods.versemi import VerSemi
from nnunetv2_semiseg.networks.task_network import build_task_network
from nnunetv2_semiseg.trainers.exported import nnUNetTrainerExported
from nnunetv2_semiseg.trainers.tasks import OwnTaskValidation, nnUNetTrainerTasks


class nnUNetTrainerVerSemi(nnUNetTrainerTasks):
    """Trains VerSemi on a merged dataset and deploys its student."""

    method_class = VerSemi

    @staticmethod
    def build_network_architecture(
        plans_manager: Any,
        configuration_manager: Any,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = True,
    ) -> nn.Module:
        """The planned network with a head for all tasks; there are no lower outputs.

        With the plans of a model that is limited to some tasks it has all weights and answers these alone.
        """
        configuration = configuration_manager.configuration
        trained, shown = limit_of(configuration) or (num_output_channels - 1, None)
        return build_task_network(configuration["architecture"], num_input_channels, trained, shown)


class nnUNetTrainerVerSemiEMA(OwnTaskValidation, nnUNetTrainerExported):
    """Deploys the moving average of VerSemi's student."""

    trained_with = "nnUNetTrainerVerSemi"

    build_network_architecture = staticmethod(nnUNetTrainerVerSemi.build_network_architecture)
