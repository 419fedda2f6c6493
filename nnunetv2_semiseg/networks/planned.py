"""The network that the plans name, and its partner of another family: same stages, same features.

Two networks of one architecture soon make the same mistakes; methods in which two networks teach each other
want them to differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from torch import nn

from nnunetv2_semiseg.core.errors import UserError

PLAIN, RESIDUAL = "PlainConvUNet", "ResidualEncoderUNet"

OWN_ARGUMENTS = {
    PLAIN: ("n_conv_per_stage", "nonlin_first"),
    RESIDUAL: ("n_blocks_per_stage", "block", "bottleneck_channels", "stem_channels"),
}
"""Arguments that only one of the families has; the first is the number of layers of each stage."""

CONVOLUTIONS_IN_BLOCK = {"BasicBlockD": 2, "BottleneckD": 3}
"""Convolutions in each kind of residual block."""

_MODULE = "dynamic_network_architectures.architectures.unet"


def build_planned(
    architecture: Mapping[str, Any], in_channels: int, num_classes: int, deep_supervision: bool = False
) -> nn.Module:
    """The network of an ``architecture`` entry, initialised as nnU-Net does it.

    Args:
        architecture: nnU-Net's entry of a configuration, or one of `partner_architecture`.
        in_channels: Channels of an image.
        num_classes: Output channels.
        deep_supervision: Whether the decoder gives its lower outputs as well.

    Returns:
        The network.

    Examples:
        >>> import torch
        >>> architecture = {
        ...     "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        ...     "arch_kwargs": {
        ...         "n_stages": 2,
        ...         "features_per_stage": [4, 8],
        ...         "conv_op": "torch.nn.modules.conv.Conv2d",
        ...         "kernel_sizes": 3,
        ...         "strides": [1, 2],
        ...         "n_conv_per_stage": 1,
        ...         "n_conv_per_stage_decoder": 1,
        ...     },
        ...     "_kw_requires_import": ["conv_op"],
        ... }
        >>> network = build_planned(architecture, in_channels=1, num_classes=3)
        >>> network(torch.rand(2, 1, 16, 16)).shape
        torch.Size([2, 3, 16, 16])
    """
    network: nn.Module = get_network_from_plans(
        architecture["network_class_name"],
        architecture["arch_kwargs"],
        architecture["_kw_requires_import"],
        in_channels,
        num_classes,
        deep_supervision=deep_supervision,
    )
    return network


def partner_architecture(architecture: Mapping[str, Any]) -> dict[str, Any]:
    """The ``architecture`` entry of the other family: plain becomes residual encoder U-Net and back.

    A stage has as many convolutions as before; an odd number is rounded up where a residual block has two.
    The residual encoder's stem comes on top, as in nnU-Net's own plans.

    Args:
        architecture: nnU-Net's entry of a configuration, 2D or 3D.

    Returns:
        A complete entry, for `build_planned` or for a plans file.

    Raises:
        UserError: The planned network is of neither family.
    """
    name = architecture["network_class_name"].rsplit(".", 1)[-1]
    if name not in OWN_ARGUMENTS:
        raise UserError(
            f"no partner is known for the planned network {architecture['network_class_name']}, "
            f"architecture.network_class_name in the plans: plan with {PLAIN} or {RESIDUAL}, nnU-Net's own "
            "networks"
        )
    partner = RESIDUAL if name == PLAIN else PLAIN
    given, layers_key = architecture["arch_kwargs"], OWN_ARGUMENTS[name][0]
    arguments = {key: value for key, value in given.items() if key not in OWN_ARGUMENTS[name]}
    arguments[OWN_ARGUMENTS[partner][0]] = _layers(given[layers_key], name, given.get("block"))
    imports = [key for key in architecture["_kw_requires_import"] if key in arguments]
    return {
        **architecture,
        "network_class_name": f"{_MODULE}.{partner}",
        "arch_kwargs": arguments,
        "_kw_requires_import": imports,
    }


def _layers(of_stages: int | list[int], name: str, block: str | None) -> int | list[int]:
    """Turn convolutions into residual blocks or back, in one number for all stages or in one for each."""

    def other(layers: int) -> int:
        if name == PLAIN:
            return -(-layers // CONVOLUTIONS_IN_BLOCK["BasicBlockD"])
        return layers * CONVOLUTIONS_IN_BLOCK[(block or "BasicBlockD").rsplit(".", 1)[-1]]

    return other(of_stages) if isinstance(of_stages, int) else [other(layers) for layers in of_stages]
