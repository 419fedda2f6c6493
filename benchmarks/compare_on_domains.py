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
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from comparison import (
    BASELINE,
    comparison_parser,
    predict,
    predictions_folder,
    run,
    train,
    training_history,
    write_configuration,
)
from nnunetv2.paths import nnUNet_raw
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

from nnunetv2_semiseg.commands.datasets import dataset_name, read_json
from nnunetv2_semiseg.commands.errors import clean_exit
from nnunetv2_semiseg.evaluation.dice import per_domain_dice
from nnunetv2_semiseg.export import exported_trainers


@clean_exit
def main() -> None:
    """Train, predict, evaluate, print."""
    arguments = _parsed()
    dataset = dataset_name(arguments.dataset)
    write_configuration(dataset, arguments)
    models: list[str] = []
    seconds: dict[str, float] = {}
    for trainer in arguments.trainers:
        seconds[trainer] = train(dataset, trainer, arguments).seconds
        family = [trainer, *(kind.__name__ for kind in _exports(trainer))]
        for model in family:
            predict(dataset, model, arguments)
        models += family
        if len(family) > 1:
            models.append(ensemble(dataset, family, arguments))
    report(dataset, models, seconds, arguments)


def ensemble(dataset: str, models: Sequence[str], arguments: argparse.Namespace) -> str:
    """Average the models' probabilities; the name of the result."""
    name = " + ".join(models)
    folders = [str(predictions_folder(dataset, model, arguments)) for model in models]
    output = str(predictions_folder(dataset, name, arguments))
    run(["nnUNetv2_ensemble", "-i", *folders, "-o", output])
    return name


def report(
    dataset: str, models: Sequence[str], seconds: dict[str, float], arguments: argparse.Namespace
) -> None:
    """Print a table of Dice by model, domain and class, and what the trainings logged; store both."""
    raw = Path(nnUNet_raw) / dataset
    dataset_json = read_json(raw / "dataset.json", dataset)
    names = {value: name for name, value in dataset_json["labels"].items()}
    results = {
        model: per_domain_dice(predictions_folder(dataset, model, arguments), raw / "labelsTs", dataset_json)
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
    file = predictions_folder(dataset, "report.json", arguments)
    file.write_text(json.dumps({"dice": stored, "seconds": seconds, "history": histories}, indent=1))
    print(f"\n{file}")


def _exports(trainer: str) -> list[type[Any]]:
    return list(exported_trainers(recursive_find_trainer_class_by_name(trainer)))


def _parsed() -> argparse.Namespace:
    """The command line; settings may follow --trainers, whose list has no end of its own."""
    arguments = _parser().parse_args()
    names = arguments.trainers
    arguments.settings += [name for name in names if "=" in name]
    arguments.trainers = [name for name in names if "=" not in name]
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser = comparison_parser(__doc__, configuration="2d", batch=8)
    parser.add_argument(
        "--trainers", nargs="+", default=[BASELINE, "nnUNetTrainerSynFoC"], help="default: %(default)s"
    )
    return parser


if __name__ == "__main__":
    main()
