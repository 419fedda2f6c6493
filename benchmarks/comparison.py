"""What the comparisons have in common: their options, and one short configuration for all trainers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nnunetv2.paths import nnUNet_preprocessed

from demo.small_network import small_architecture
from nnunetv2_semiseg.core.config import merge_nested
from nnunetv2_semiseg.core.plans_file import read_plans, write_plans
from nnunetv2_semiseg.methods.settings import configured_plans, parse_settings

BASELINE = "nnUNetTrainerSupervised"
STEPS_PER_EPOCH = 50


def plans_file(dataset: str) -> Path:
    """Path of the dataset's default plans."""
    return Path(nnUNet_preprocessed) / dataset / "nnUNetPlans.json"


def write_configuration(dataset: str, arguments: argparse.Namespace) -> None:
    """Put a configuration with the chosen patch, network width and batch into the plans."""
    file = plans_file(dataset)
    plans = read_plans(file)
    settings: dict[str, Any] = {
        "iterations_per_epoch": min(STEPS_PER_EPOCH, arguments.iterations),
        "validation_iterations_per_epoch": 2,
        "labeled_batch_size": arguments.batch,
        "unlabeled_batch_size": arguments.batch,
        "measure_gradient_every": 1,
        "save_every": 1,
    }
    plans["configurations"].pop(arguments.name, None)
    settings = merge_nested(settings, parse_settings(arguments.settings))
    plans = configured_plans(plans, arguments.configuration, arguments.name, settings)
    configuration = plans["configurations"][arguments.name]
    if arguments.patch:
        parent = plans["configurations"][arguments.configuration]
        patch, dimension = arguments.patch, len(parent["patch_size"])
        configuration["patch_size"] = patch * dimension if len(patch) == 1 else patch
        if len(configuration["patch_size"]) != dimension:
            raise ValueError(f"--patch {patch}: {arguments.configuration} has {dimension} dimensions")
        # as many stages as leave 8 pixels of the patch
        stages = max(2, (max(patch) // 8).bit_length())
        configuration["architecture"] = small_architecture(parent["architecture"], stages, arguments.features)
    write_plans(file, plans)


def comparison_parser(description: str | None, configuration: str, batch: int) -> argparse.ArgumentParser:
    """The options of every comparison.

    Args:
        description: Description of the program.
        configuration: Default of ``-c``.
        batch: Default of ``--batch``.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("-d", dest="dataset", required=True, help="dataset: its number or DatasetNNN_Name")
    add("-c", dest="configuration", default=configuration, help="configuration; default %(default)s")
    name = f"{configuration}_small"
    add("--name", default=name, help="of the configuration that is written; default %(default)s")
    add("--iterations", type=int, default=600, help="steps; default 600")
    add("--patch", type=int, nargs="+", help="edge or edges of the patch; default: the plans'")
    add("--features", type=int, default=32, help="of the first stage, with --patch; default 32")
    add("--batch", type=int, default=batch, help="labeled and unlabeled samples a step; default %(default)s")
    add("--seeds", type=int, default=1, help="trainings of each trainer; default 1")
    add("--device", default="cuda", help="cuda (default) or cpu")
    add("settings", nargs="*", metavar="KEY=VALUE", help="further hyper-parameters")
    return parser
