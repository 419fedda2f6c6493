"""U-Nets as nnU-Net's planning writes them into a plans file, as small as a test wants them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MODULE = "dynamic_network_architectures.architectures.unet"
PLAIN, RESIDUAL = f"{MODULE}.PlainConvUNet", f"{MODULE}.ResidualEncoderUNet"


def planned_unet(
    features: Sequence[int],
    dimension: int = 2,
    name: str = PLAIN,
    strides: Sequence[Sequence[int]] | None = None,
    **layers: object,
) -> dict[str, Any]:
    """An entry ``architecture`` of a configuration.

    Args:
        features: Of each stage.
        dimension: 2 or 3.
        name: `PLAIN` or `RESIDUAL`.
        strides: Of each stage; None to halve every side from stage to stage.
        layers: Further arguments of the network: the numbers of convolutions or blocks, and whatever else.
    """
    stages = len(features)
    halving = [[1] * dimension, *[[2] * dimension for _ in range(stages - 1)]]
    return {
        "network_class_name": name,
        "arch_kwargs": {
            "n_stages": stages,
            "features_per_stage": list(features),
            "conv_op": f"torch.nn.modules.conv.Conv{dimension}d",
            "kernel_sizes": [[3] * dimension for _ in range(stages)],
            "strides": halving if strides is None else strides,
            **layers,
            "conv_bias": True,
            "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimension}d",
            "norm_op_kwargs": {"eps": 1e-5, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


def three_stages(name: str, dimension: int, **layers: object) -> dict[str, Any]:
    """A small one whose last stage keeps the first side, as plans of anisotropic images do."""
    strides = [[1] * dimension, [2] * dimension, [1] + [2] * (dimension - 1)]
    return planned_unet([4, 8, 12], dimension, name, strides, **layers, n_conv_per_stage_decoder=[2, 1])


def plain(dimension: int) -> dict[str, Any]:
    """`three_stages` of plain convolutions."""
    return three_stages(PLAIN, dimension, n_conv_per_stage=[2, 2, 4])


def residual(dimension: int) -> dict[str, Any]:
    """The same with residual blocks in the encoder: one block for two convolutions."""
    return three_stages(RESIDUAL, dimension, n_blocks_per_stage=[1, 1, 2])
