"""nnU-Net's trainers of VerSemi: the one that trains, and the one that deploys its moving average."""

from __future__ import annotations

from typing import Any

from torch import nn

from nnunetv2_semiseg.export import nnUNetTrainerExported
from nnunetv2_semiseg.methods.versemi import VerSemi
from nnunetv2_semiseg.networks.task_network import build_task_network
from nnunetv2_semiseg.task_trainer import nnUNetTrainerTasks


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
        """The planned network with a head for all tasks; there are no lower outputs."""
        architecture = configuration_manager.configuration["architecture"]
        return build_task_network(architecture, num_input_channels, num_output_channels - 1)


class nnUNetTrainerVerSemiEMA(nnUNetTrainerExported):
    """Deploys the moving average of VerSemi's student."""

    trained_with = "nnUNetTrainerVerSemi"

    build_network_architecture = staticmethod(nnUNetTrainerVerSemi.build_network_architecture)
