"""What the benchmarks of whole training steps share: a U-Net and batches of random patches."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import nn

from nnunetv2_semiseg.core.batch import SemiSegBatch

CLASSES = 3


def unet(in_channels: int, features: Sequence[int]) -> nn.Module:
    """A 2D U-Net as nnU-Net plans it.

    Args:
        in_channels: Channels of an image.
        features: Number of features of each stage.
    """
    return PlainConvUNet(
        input_channels=in_channels,
        n_stages=len(features),
        features_per_stage=features,
        conv_op=nn.Conv2d,
        kernel_sizes=3,
        strides=[1] + [2] * (len(features) - 1),
        n_conv_per_stage=2,
        num_classes=CLASSES,
        n_conv_per_stage_decoder=2,
        conv_bias=True,
        norm_op=nn.InstanceNorm2d,
        norm_op_kwargs={"affine": True},
        nonlin=nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
    )


def random_batch(arguments: argparse.Namespace, in_channels: int) -> SemiSegBatch:
    """Random patches and labels on the device, as many and as large as the arguments say."""
    count, size = arguments.batch, arguments.patch
    views = [torch.rand(count, in_channels, size, size) for _ in range(3)]
    labels = torch.randint(CLASSES, (count, 1, size, size), dtype=torch.int16)
    names = ("case",) * count
    batch = SemiSegBatch(views[0], (labels,), views[1], views[2], names, names)
    return batch.to(torch.device(arguments.device))
