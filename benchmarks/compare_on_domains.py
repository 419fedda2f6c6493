r"""Compare a semi-supervised trainer with plain nnU-Net, domain by domain.

Trains each trainer with the same plans, patch, labeled samples a step and iterations on all labeled cases,
predicts the test images with it, with every network that it exports and with their ensemble, and prints
Dice by domain and class. The dataset is any that a converter has written and nnU-Net has planned and
preprocessed. Test labels are read once, at the end. Everything runs through nnU-Net's command line, and each
command is printed.

Example, on white blood cells, 20 labeled smears and no labels of single cells:
    python dataset_conversion/Dataset506_WBC.py -i wbc --labeled-domain domain2 --num-labeled 20 --size 128
    nnUNetv2_plan_and_preprocess -d 506 -c 2d
    python benchmarks/compare_on_domains.py -d 506 --iterations 600 --patch 128 --batch 8 --features 16 \
        --device cpu synfoc.foundation.architecture=vit_small synfoc.foundation.random_weights=true \
        synfoc.foundation.image_size=256
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from nnunetv2.paths import nnUNet_preprocessed, nnUNet_raw, nnUNet_results
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

from nnunetv2_semiseg.commands.configure import configured_plans, parse_settings
from nnunetv2_semiseg.commands.datasets import dataset_name, read_json
from nnunetv2_semiseg.commands.errors import clean_exit
from nnunetv2_semiseg.config import merge_nested
from nnunetv2_semiseg.evaluation.dice import per_domain_dice
from nnunetv2_semiseg.export import exported_trainers
from nnunetv2_semiseg.networks.planned import small_architecture
from nnunetv2_semiseg.training_log import LOSS, MEASURE

BASELINE = "nnUNetTrainerSupervised"
STEPS_PER_EPOCH = 50


@clean_exit
def main() -> None:
    """Train, predict, evaluate, print."""
    arguments = _parsed()
    dataset = dataset_name(arguments.dataset)
    write_configuration(dataset, arguments)
    models: list[str] = []
    seconds: dict[str, float] = {}
    for trainer in arguments.trainers:
        started = time.perf_counter()
        train = ["nnUNetv2_train", arguments.dataset, arguments.name, "all", "-tr", trainer]
        _run([*train, "-device", arguments.device, *(["--c"] if arguments.resume else [])])
        seconds[trainer] = time.perf_counter() - started
        family = [trainer, *(kind.__name__ for kind in _exports(trainer))]
        for model in family:
            predict(dataset, model, arguments)
        models += family
        if len(family) > 1:
            models.append(ensemble(dataset, family, arguments))
    report(dataset, models, seconds, arguments)


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
        configuration["patch_size"] = [arguments.patch] * len(parent["patch_size"])
        # as many stages as leave 8 pixels of the patch
        stages = max(2, (arguments.patch // 8).bit_length())
        configuration["architecture"] = small_architecture(parent["architecture"], stages, arguments.features)
    file.write_text(json.dumps(plans, indent=4))


def predict(dataset: str, model: str, arguments: argparse.Namespace) -> None:
    """Predict the test images with probabilities."""
    images = str(Path(nnUNet_raw) / dataset / "imagesTs")
    output = str(_predictions(dataset, model, arguments))
    which = ["-d", arguments.dataset, "-c", arguments.name, "-f", "all", "-tr", model]
    device = ["-device", arguments.device]
    _run(["nnUNetv2_predict", "-i", images, "-o", output, *which, *device, "--save_probabilities"])


def ensemble(dataset: str, models: Sequence[str], arguments: argparse.Namespace) -> str:
    """Average the models' probabilities; the name of the result."""
    name = " + ".join(models)
    folders = [str(_predictions(dataset, model, arguments)) for model in models]
    output = str(_predictions(dataset, name, arguments))
    _run(["nnUNetv2_ensemble", "-i", *folders, "-o", output])
    return name


def report(
    dataset: str, models: Sequence[str], seconds: dict[str, float], arguments: argparse.Namespace
) -> None:
    """Print a table of Dice by model, domain and class, and what the trainings logged; store both."""
    raw = Path(nnUNet_raw) / dataset
    dataset_json = read_json(raw / "dataset.json", dataset)
    names = {value: name for name, value in dataset_json["labels"].items()}
    results = {
        model: per_domain_dice(_predictions(dataset, model, arguments), raw / "labelsTs", dataset_json)
        for model in models
    }
    domains = list(next(iter(results.values())))
    classes = list(results[models[0]][domains[0]].dice)
    print(f"\nDice by domain ({', '.join(names[label] for label in classes)}), test images of {dataset}\n")
    print(f"| model | {' | '.join(domains)} |\n|---|{'---|' * len(domains)}")
    for model, by_domain in results.items():
        cells = [
            " / ".join(f"{by_domain[domain].dice[label]:.3f}" for label in classes) for domain in domains
        ]
        print(f"| {model} | {' | '.join(cells)} |")
    histories = {trainer: training_history(dataset, trainer, arguments) for trainer in seconds}
    for trainer, history in histories.items():
        print(f"\n{trainer}: {seconds[trainer] / 60:.1f} minutes with validation; by epoch:")
        for key, values in history.items():
            print(f"  {key}: {' '.join(f'{value:.3g}' for value in values)}")
    stored = {
        model: {name: asdict(value) for name, value in by_domain.items()}
        for model, by_domain in results.items()
    }
    file = _predictions(dataset, "report.json", arguments)
    file.write_text(json.dumps({"dice": stored, "seconds": seconds, "history": histories}, indent=1))
    print(f"\n{file}")


def training_history(dataset: str, trainer: str, arguments: argparse.Namespace) -> dict[str, list[float]]:
    """This package's measures and terms by epoch, from the training's checkpoint."""
    model = f"{trainer}__nnUNetPlans__{arguments.name}"
    file = Path(nnUNet_results) / dataset / model / "fold_all" / "checkpoint_final.pth"
    logged = torch.load(file, map_location="cpu", weights_only=False)["logging"]
    return {key: values for key, values in logged.items() if key.startswith((MEASURE, LOSS))}


def _exports(trainer: str) -> list[type[Any]]:
    return list(exported_trainers(recursive_find_trainer_class_by_name(trainer)))


def _predictions(dataset: str, model: str, arguments: argparse.Namespace) -> Path:
    return Path(nnUNet_results) / dataset / f"predictions_{arguments.name}" / model.replace(" + ", "_and_")


def _run(command: Sequence[str]) -> None:
    print(f"$ {subprocess.list2cmdline(command)}", flush=True)
    subprocess.run(command, check=True)


def _parsed() -> argparse.Namespace:
    """The command line; settings may follow --trainers, whose list has no end of its own."""
    arguments = _parser().parse_args()
    names = arguments.trainers
    arguments.settings += [name for name in names if "=" in name]
    arguments.trainers = [name for name in names if "=" not in name]
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-d", dest="dataset", required=True, help="dataset: its number or DatasetNNN_Name")
    parser.add_argument("-c", dest="configuration", default="2d", help="configuration; default 2d")
    parser.add_argument("--name", default="2d_compare", help="of the configuration that is written")
    parser.add_argument(
        "--trainers", nargs="+", default=[BASELINE, "nnUNetTrainerSynFoC"], help="default: %(default)s"
    )
    parser.add_argument("--iterations", type=int, default=600, help="steps; default 600")
    parser.add_argument("--patch", type=int, help="edge of the patch in pixels; default: the plans'")
    parser.add_argument(
        "--features", type=int, default=32, help="of the first stage, with --patch; default 32"
    )
    parser.add_argument(
        "--batch", type=int, default=8, help="labeled and unlabeled samples a step; default 8"
    )
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    parser.add_argument("--device", default="cuda", help="cuda (default) or cpu")
    parser.add_argument("--resume", action="store_true", help="continue trainings that were stopped")
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="further hyper-parameters")
    return parser


if __name__ == "__main__":
    main()
