"""Write a configuration with a smaller network into a plans file, so that a CPU can train it.

nnU-Net reads any configuration of a plans file; one that inherits from another keeps what it doesn't name.

Example:
    python -m demo.small_network -d 500 -c 2d --name 2d_small
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnunetv2.paths import nnUNet_preprocessed

from nnunetv2_semiseg.core.plans_file import read_plans
from nnunetv2_semiseg.data.raw.folders import dataset_name

STAGES = 4
FEATURES = 8

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
        features: Features of the first stage, doubled from stage to stage.
        max_features: Largest number of features of a stage.

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


def with_small_network(plans: dict[str, Any], parent: str, name: str) -> dict[str, Any]:
    """Plans with a configuration whose network has at most four stages and few features.

    Args:
        plans: Content of a plans file.
        parent: Configuration to inherit from.
        name: Configuration to write.

    Returns:
        New plans.
    """
    architecture = small_architecture(plans["configurations"][parent]["architecture"], STAGES, FEATURES)
    small = {"inherits_from": parent, "architecture": architecture}
    return {**plans, "configurations": {**plans["configurations"], name: small}}


def main() -> None:
    """Write the configuration that the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-d", dest="dataset", required=True, help="dataset: its number or DatasetNNN_Name")
    parser.add_argument("-c", dest="parent", default="2d", help="configuration to inherit from; default 2d")
    parser.add_argument("--name", default="2d_small", help="configuration to write; default 2d_small")
    arguments = parser.parse_args()
    dataset = dataset_name(arguments.dataset)
    file = Path(nnUNet_preprocessed) / dataset / "nnUNetPlans.json"
    plans = with_small_network(read_plans(file), arguments.parent, arguments.name)
    file.write_text(json.dumps(plans, indent=4))
    width = f"{STAGES} stages, {FEATURES} features in the first"
    sys.stdout.write(f"{file}: configuration '{arguments.name}' has a network of {width}\n")


if __name__ == "__main__":
    main()
