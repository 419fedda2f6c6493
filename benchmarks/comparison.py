"""What the comparisons have in common: one short configuration for all trainers, training and prediction."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from nnunetv2.paths import nnUNet_preprocessed, nnUNet_raw, nnUNet_results

from nnunetv2_semiseg.commands.datasets import read_json
from nnunetv2_semiseg.config import merge_nested
from nnunetv2_semiseg.networks.planned import small_architecture
from nnunetv2_semiseg.own_configurations import configured_plans, parse_settings
from nnunetv2_semiseg.training_log import LOSS, MEASURE

BASELINE = "nnUNetTrainerSupervised"
STEPS_PER_EPOCH = 50


class Cost(NamedTuple):
    """What a command took.

    Attributes:
        seconds: Wall time.
        memory: Largest resident set of its main process, GiB.
    """

    seconds: float
    memory: float


def write_configuration(dataset: str, arguments: argparse.Namespace) -> None:
    """Put a configuration with the chosen patch, network width, batch and length into the plans."""
    file = Path(nnUNet_preprocessed) / dataset / "nnUNetPlans.json"
    plans = read_json(file, dataset)
    per_epoch = min(STEPS_PER_EPOCH, arguments.iterations)
    if arguments.iterations % per_epoch:
        raise ValueError(f"--iterations {arguments.iterations} must be a multiple of {per_epoch}")
    settings: dict[str, Any] = {
        "epochs": arguments.iterations // per_epoch,
        "iterations_per_epoch": per_epoch,
        "validation_iterations_per_epoch": 2,
        "labeled_batch_size": arguments.batch,
        "unlabeled_batch_size": arguments.batch,
        "measure_gradient_every": 1,
        "save_every": 1,
        "seed": arguments.seed,
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
    file.write_text(json.dumps(plans, indent=4))


def train(dataset: str, trainer: str, arguments: argparse.Namespace) -> Cost:
    """Train on all labeled cases."""
    command = ["nnUNetv2_train", dataset, arguments.name, "all", "-tr", trainer, "-device", arguments.device]
    return run([*command, *(["--c"] if arguments.resume else [])])


def predict(dataset: str, model: str, arguments: argparse.Namespace) -> None:
    """Predict the test images with probabilities."""
    images = str(Path(nnUNet_raw) / dataset / "imagesTs")
    output = str(predictions_folder(dataset, model, arguments))
    which = ["-d", dataset, "-c", arguments.name, "-f", "all", "-tr", model]
    device = ["-device", arguments.device]
    run(["nnUNetv2_predict", "-i", images, "-o", output, *which, *device, "--save_probabilities"])


def training_history(dataset: str, trainer: str, arguments: argparse.Namespace) -> dict[str, list[float]]:
    """This package's measures and terms by epoch, from the training's checkpoint."""
    model = f"{trainer}__nnUNetPlans__{arguments.name}"
    file = Path(nnUNet_results) / dataset / model / "fold_all" / "checkpoint_final.pth"
    logged = torch.load(file, map_location="cpu", weights_only=False)["logging"]
    return {key: values for key, values in logged.items() if key.startswith((MEASURE, LOSS))}


def predictions_folder(dataset: str, model: str, arguments: argparse.Namespace) -> Path:
    """Where the predictions of a model lie."""
    return Path(nnUNet_results) / dataset / f"predictions_{arguments.name}" / model.replace(" + ", "_and_")


def run(command: Sequence[str]) -> Cost:
    """Print a command, run it, and stop where it fails."""
    line = subprocess.list2cmdline(command)
    print(f"$ {line}", flush=True)
    started = time.perf_counter()
    with subprocess.Popen(command) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise ValueError(f"'{line}' ended with {process.returncode}; its output above says why")
    return Cost(time.perf_counter() - started, usage.ru_maxrss / 2**20)


def comparison_parser(description: str | None, configuration: str, batch: int) -> argparse.ArgumentParser:
    """The options of every comparison.

    Args:
        description: Of the program.
        configuration: Default of ``-c``.
        batch: Default of ``--batch``.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("-d", dest="dataset", required=True, help="dataset: its number or DatasetNNN_Name")
    add("-c", dest="configuration", default=configuration, help="configuration; default %(default)s")
    name = f"{configuration}_compare"
    add("--name", default=name, help="of the configuration that is written; default %(default)s")
    add("--iterations", type=int, default=600, help="steps; default 600")
    add("--patch", type=int, nargs="+", help="edge or edges of the patch; default: the plans'")
    add("--features", type=int, default=32, help="of the first stage, with --patch; default 32")
    add("--batch", type=int, default=batch, help="labeled and unlabeled samples a step; default %(default)s")
    add("--seed", type=int, default=0, help="default 0")
    add("--device", default="cuda", help="cuda (default) or cpu")
    add("--resume", action="store_true", help="continue trainings that were stopped")
    add("settings", nargs="*", metavar="KEY=VALUE", help="further hyper-parameters")
    return parser
