r"""Samples per second of the two-view loader and of nnU-Net's own loader, on as many processes.

Takes a preprocessed dataset with unlabeled images, builds the loaders as a training does, and draws batches
from one after the other: the processes of the one that is not drawn from stand still once its queue is full.
A sample of the two-view loader holds a weak and a strong view, one of nnU-Net's an image and its labels.

Example, after `many_unlabeled.py -o /tmp/many`:
    export nnUNet_raw=/tmp/many/nnUNet_raw nnUNet_preprocessed=/tmp/many/nnUNet_preprocessed
    export nnUNet_results=/tmp/many/nnUNet_results nnUNet_n_proc_DA=2
    python -m benchmarks.two_view_loader -d 500 -c 2d
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from nnunetv2.paths import nnUNet_preprocessed
from nnunetv2.utilities.default_n_proc_DA import get_allowed_n_proc_DA
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from benchmarks.measuring import print_machine
from nnunetv2_semiseg.commands.errors import clean_exit
from nnunetv2_semiseg.core.plans_file import read_planned, read_plans
from nnunetv2_semiseg.data.raw.folders import dataset_name
from nnunetv2_semiseg.data.unlabeled.preprocessing import preprocess_unlabeled
from nnunetv2_semiseg.methods.mean_teacher import MeanTeacher
from nnunetv2_semiseg.trainers.made import trainer_of

QUEUE = 12
"""Number of batches that may lie ready before the clock starts."""


def samples_per_second(loader: Iterator[dict[str, Any]], batches: int) -> float:
    """Rate of a loader over some batches, after those that lay ready."""
    for _ in range(QUEUE):
        next(loader)
    start, samples = time.perf_counter(), 0
    for _ in range(batches):
        samples += len(next(loader)["keys"])
    return samples / (time.perf_counter() - start)


@clean_exit
def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-d", dest="dataset", required=True, help="dataset: its number or DatasetNNN_Name")
    parser.add_argument("-c", dest="configuration", default="2d", help="default: %(default)s")
    parser.add_argument("--batches", type=int, default=40, help="timed in a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    arguments = parser.parse_args()
    arguments.device = "cpu"
    torch.set_num_threads(1)
    name = dataset_name(arguments.dataset)
    folder = Path(nnUNet_preprocessed) / name
    plans, dataset_json = read_plans(folder / "nnUNetPlans.json"), read_planned(folder / "dataset.json")
    plans["continue_training"] = False
    manager = PlansManager(plans)
    configuration = manager.get_configuration(arguments.configuration)
    device = torch.device("cpu")
    trainer = trainer_of(MeanTeacher)(plans, arguments.configuration, "all", dataset_json, device)
    trainer.initialize()
    trainer._unlabeled = preprocess_unlabeled(name, manager, configuration, dataset_json)
    paired, _ = trainer.get_dataloaders()
    loaders = {"nnU-Net's, labeled": paired.labeled, "two views, unlabeled": paired.unlabeled}
    best = dict.fromkeys(loaders, 0.0)
    for _ in range(arguments.rounds):
        for kind, loader in loaders.items():
            best[kind] = max(best[kind], samples_per_second(loader, arguments.batches))
    paired.finish()
    for kind, rate in best.items():
        print(f"{kind}: {rate:.1f} samples/s ({rate / best[next(iter(best))]:.2f}x)")
    print(f"patch {list(configuration.patch_size)}, {get_allowed_n_proc_DA()} processes for each loader")
    print_machine(arguments, ("nnunetv2", "batchgeneratorsv2"))


if __name__ == "__main__":
    main()
