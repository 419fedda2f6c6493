"""Smaller versions of the network that nnU-Net plans, for trials and small machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PER_STAGE = ("kernel_sizes", "strides", "n_conv_per_stage", "n_blocks_per_stage")
"""Entries of the network's arguments that have one item a stage."""


def small_architecture(
    architecture: Mapping[str, Any], max_stages: int, features: int, max_features: int = 512
) -> dict[str, Any]:
    """The ``architecture`` entry of a configuration with fewer stages and features.

    A configuration's entry replaces its parent's whole, so this one is complete.

    Args:
        architecture: nnU-Net's entry, of a plain or a residual encoder U-Net.
        max_stages: Stages at most; never more than planned.
        features: Of the first stage; doubled from stage to stage.
        max_features: Of any stage.

    Returns:
        A new entry.
    """
    arguments = dict(architecture["arch_kwargs"])
    stages = min(max_stages, arguments["n_stages"])
    arguments["n_stages"] = stages
    arguments["features_per_stage"] = [min(features * 2**stage, max_features) for stage in range(stages)]
    for key in PER_STAGE:
        if key in arguments:
            arguments[key] = arguments[key][:stages]
    arguments["n_conv_per_stage_decoder"] = arguments["n_conv_per_stage_decoder"][: stages - 1]
    return {**architecture, "arch_kwargs": arguments}
