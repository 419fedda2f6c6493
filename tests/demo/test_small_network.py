"""Smaller versions of nnU-Net's planned networks can be built and keep the plans' form."""

from __future__ import annotations

import pytest
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from planned_unet import PLAIN, RESIDUAL, planned_unet

from demo.small_network import small_architecture

FEATURES = [32, 64, 128, 256, 512, 512]
UNETS = {PLAIN: "n_conv_per_stage", RESIDUAL: "n_blocks_per_stage"}


@pytest.mark.parametrize("name", UNETS)
@pytest.mark.parametrize("stages", [3, 9])
def test_built_by_nnunet(name: str, stages: int) -> None:
    layers = {UNETS[name]: [1] * 6, "n_conv_per_stage_decoder": [1] * 5}
    planned = planned_unet(FEATURES, name=name, **layers)
    small = small_architecture(planned, stages, features=4, max_features=10)
    expected = min(stages, 6)
    assert small["arch_kwargs"]["features_per_stage"] == [4, 8, 10, 10, 10, 10][:expected]
    assert planned["arch_kwargs"]["n_stages"] == 6
    imports = small["_kw_requires_import"]
    network = get_network_from_plans(
        small["network_class_name"], small["arch_kwargs"], imports, 1, 3, deep_supervision=False
    )
    assert network(torch.zeros(1, 1, 32 * 2, 64)).shape == (1, 3, 64, 64)
