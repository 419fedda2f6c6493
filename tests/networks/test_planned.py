from __future__ import annotations

import copy

import pytest
import torch
from planned_unet import PLAIN, RESIDUAL, plain, residual, three_stages
from torch import nn

from nnunetv2_semiseg.networks.planned import build_planned, partner_architecture


def encoder_convolutions(network: nn.Module) -> list[int]:
    """Of each stage, without the projections in the skips of residual blocks."""
    return [
        sum(
            isinstance(module, nn.Conv2d | nn.Conv3d)
            for name, module in stage.named_modules(remove_duplicate=True)
            if ".skip." not in name
        )
        for stage in network.encoder.stages
    ]


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize(("given", "other"), [(plain, residual), (residual, plain)])
def test_planned_is_the_other_familys_plan(given, other, dimension):
    original = given(dimension)
    before = copy.deepcopy(original)
    assert partner_architecture(original) == other(dimension)
    assert original == before
    assert partner_architecture(partner_architecture(original)) == original


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("given", [plain, residual])
def test_planned_has_the_same_stages_features_and_convolutions(given, dimension):
    own = build_planned(given(dimension), 2, 3)
    partner = build_planned(partner_architecture(given(dimension)), 2, 3)
    assert type(own) is not type(partner)
    assert encoder_convolutions(own) == encoder_convolutions(partner) == [2, 2, 4]
    assert own.encoder.output_channels == partner.encoder.output_channels == [4, 8, 12]
    images = torch.randn(1, 2, *[16] * dimension)
    assert own(images).shape == partner(images).shape == (1, 3, *[16] * dimension)


def test_deep_supervision_has_the_same_levels():
    shapes = [
        [
            tuple(level.shape)
            for level in build_planned(entry, 1, 2, deep_supervision=True)(torch.randn(1, 1, 16, 16))
        ]
        for entry in (plain(2), partner_architecture(plain(2)))
    ]
    assert shapes[0] == shapes[1] == [(1, 2, 16, 16), (1, 2, 8, 8)]


def test_odd_numbers_of_convolutions_are_rounded_up():
    partner = partner_architecture(three_stages(PLAIN, 2, n_conv_per_stage=[1, 2, 3]))
    assert partner["arch_kwargs"]["n_blocks_per_stage"] == [1, 1, 2]


def test_one_number_for_all_stages():
    partner = partner_architecture(three_stages(PLAIN, 2, n_conv_per_stage=2))
    assert partner["arch_kwargs"]["n_blocks_per_stage"] == 1


def test_arguments_of_one_family_only_are_left_out():
    own = three_stages(
        RESIDUAL,
        2,
        n_blocks_per_stage=[1, 1, 1],
        block="dynamic_network_architectures.building_blocks.residual.BottleneckD",
        bottleneck_channels=[2, 4, 6],
        stem_channels=4,
    )
    own["_kw_requires_import"].append("block")
    partner = partner_architecture(own)
    # a bottleneck block has three convolutions
    assert partner == three_stages(PLAIN, 2, n_conv_per_stage=[3, 3, 3])
    build_planned(own, 1, 2)
    build_planned(partner, 1, 2)
    nonlin_first = three_stages(PLAIN, 2, n_conv_per_stage=[2, 2, 4], nonlin_first=True)
    assert partner_architecture(nonlin_first) == residual(2)


def test_name_from_elsewhere_is_recognised():
    moved = {**plain(2), "network_class_name": "old.place.PlainConvUNet"}
    assert partner_architecture(moved) == residual(2)


def test_unknown_network_is_named():
    with pytest.raises(ValueError, match=r"no partner is known for the planned network my\.own\.MedNeXt"):
        partner_architecture({**plain(2), "network_class_name": "my.own.MedNeXt"})
