"""nnU-Net's trainers of KnowSAM: the one that trains, and those that deploy its further networks."""

from __future__ import annotations

from typing import Any

from torch import nn

from nnunetv2_semiseg.methods.knowsam import KnowSAM, KnowSAMConfig
from nnunetv2_semiseg.methods.settings import exported_config
from nnunetv2_semiseg.networks.fused import build_fused_network
from nnunetv2_semiseg.networks.partner import build_planned, partner_architecture
from nnunetv2_semiseg.networks.sam.deployed import DeployedPromptedSam
from nnunetv2_semiseg.trainers.exported import nnUNetTrainerExported
from nnunetv2_semiseg.trainers.semiseg import nnUNetTrainerSemiSeg


class nnUNetTrainerKnowSAM(nnUNetTrainerSemiSeg):
    """Trains KnowSAM and deploys the fused output of both subnets."""

    method_class = KnowSAM

    @staticmethod
    def build_network_architecture(
        plans_manager: Any,
        configuration_manager: Any,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = True,
    ) -> nn.Module:
        """The planned network, its partner of another family, and their fusion."""
        architecture = configuration_manager.configuration["architecture"]
        return build_fused_network(
            architecture, num_input_channels, num_output_channels, enable_deep_supervision
        )


class nnUNetTrainerKnowSAMSubnetA(nnUNetTrainerExported):
    """Deploys subnet A, which is the planned network."""

    trained_with = "nnUNetTrainerKnowSAM"


class nnUNetTrainerKnowSAMSubnetB(nnUNetTrainerExported):
    """Deploys subnet B, the planned network's partner of another family."""

    trained_with = "nnUNetTrainerKnowSAM"

    @staticmethod
    def build_network_architecture(
        plans_manager: Any,
        configuration_manager: Any,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = True,
    ) -> nn.Module:
        """The planned network's partner."""
        partner = partner_architecture(configuration_manager.configuration["architecture"])
        return build_planned(partner, num_input_channels, num_output_channels, enable_deep_supervision)


class nnUNetTrainerKnowSAMFoundation(nnUNetTrainerExported):
    """Deploys the SAM branch with the networks that prompt it; needs no SAM checkpoint."""

    trained_with = "nnUNetTrainerKnowSAM"

    @staticmethod
    def build_network_architecture(
        plans_manager: Any,
        configuration_manager: Any,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = True,
    ) -> nn.Module:
        """SAM of the resolved configuration in the model folder's plans, prompted by the fused output."""
        configuration = configuration_manager.configuration
        config = exported_config(configuration, KnowSAM.key, KnowSAMConfig)
        prompting = build_fused_network(
            configuration["architecture"], num_input_channels, num_output_channels, deep_supervision=False
        )
        return DeployedPromptedSam(config.skd.foundation, prompting, num_input_channels, num_output_channels)
