"""Smaller versions of nnU-Net's planned networks can be built and keep the plans' form."""

from __future__ import annotations

import pytest
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

from nnunetv2_semiseg.networks.planned import small_architecture

COMMON = {
    "n_stages": 6,
    "features_per_stage": [32, 64, 128, 256, 512, 512],
    "conv_op": "torch.nn.modules.conv.Conv2d",
    "kernel_sizes": [[3, 3]] * 6,
    "strides": [[1, 1]] + [[2, 2]] * 5,
    "n_conv_per_stage_decoder": [1] * 5,
    "conv_bias": True,
    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d",
    "norm_op_kwargs": {"eps": 1e-5, "affine": True},
    "dropout_op": None,
    "dropout_op_kwargs": None,
    "nonlin": "torch.nn.LeakyReLU",
    "nonlin_kwargs": {"inplace": True},
}
IMPORTS = ["conv_op", "norm_op", "dropout_op", "nonlin"]
UNETS = {"unet.PlainConvUNet": "n_conv_per_stage", "unet.ResidualEncoderUNet": "n_blocks_per_stage"}


@pytest.mark.parametrize("name", UNETS)
@pytest.mark.parametrize("stages", [3, 9])
def test_built_by_nnunet(name: str, stages: int) -> None:
    planned = {
        "network_class_name": f"dynamic_network_architectures.architectures.{name}",
        "arch_kwargs": {**COMMON, UNETS[name]: [1] * 6},
        "_kw_requires_import": IMPORTS,
    }
    small = small_architecture(planned, stages, features=4, max_features=10)
    expected = min(stages, 6)
    assert small["arch_kwargs"]["features_per_stage"] == [4, 8, 10, 10, 10, 10][:expected]
    assert planned["arch_kwargs"]["n_stages"] == 6
    network = get_network_from_plans(
        small["network_class_name"], small["arch_kwargs"], IMPORTS, 1, 3, deep_supervision=False
    )
    assert network(torch.zeros(1, 1, 32 * 2, 64)).shape == (1, 3, 64, 64)
