"""nnU-Net's trainers of SynFoC: the one that trains, and the one that deploys its foundation student."""

from __future__ import annotations

from typing import Any

from torch import nn

from nnunetv2_semiseg.methods.settings import exported_config
from nnunetv2_semiseg.methods.synfoc import SynFoC, SynFoCConfig
from nnunetv2_semiseg.networks.sam.deployed import DeployedSemanticSam
from nnunetv2_semiseg.trainers.exported import nnUNetTrainerExported
from nnunetv2_semiseg.trainers.semiseg import nnUNetTrainerSemiSeg


class nnUNetTrainerSynFoC(nnUNetTrainerSemiSeg):
    """Trains SynFoC and deploys its conventional student."""

    method_class = SynFoC


class nnUNetTrainerSynFoCFoundation(nnUNetTrainerExported):
    """Deploys SynFoC's foundation student; needs no foundation checkpoint."""

    trained_with = "nnUNetTrainerSynFoC"

    @staticmethod
    def build_network_architecture(
        plans_manager: Any,
        configuration_manager: Any,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = True,
    ) -> nn.Module:
        """The foundation model of the resolved configuration in the model folder's plans."""
        config = exported_config(configuration_manager.configuration, SynFoC.key, SynFoCConfig)
        return DeployedSemanticSam(config.foundation, num_input_channels, num_output_channels)
