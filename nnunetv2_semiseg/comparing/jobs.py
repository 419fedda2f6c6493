"""Commands of a comparison that are still to be run, and the folders of their results."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunetv2_semiseg.comparing.comparison import Comparison
from nnunetv2_semiseg.comparing.competitors import Competitor
from nnunetv2_semiseg.comparing.stored import is_predicted, is_trained
from nnunetv2_semiseg.methods.settings import setting_words

PROBABILITIES = (".npz", ".pkl")
"""Endings of the files that an ensemble needs beside a label map."""


@dataclass(frozen=True)
class Job:
    """One command.

    Attributes:
        name: Name of the command's log.
        words: The program and its arguments.
        result: Folder that appears whole or not at all, because the command writes to a folder beside it.
            None if the command itself takes care of that.
        epochs: Number of epochs of a training; 0 for other commands.
    """

    name: str
    words: tuple[str, ...]
    result: Path | None = None
    epochs: int = 0

    @property
    def line(self) -> str:
        """Line for a shell that can be repeated, with everything that happens to the folder of the result."""
        command = shlex.join(self.words)
        if self.result is None:
            return command
        partial, result = (shlex.quote(str(path)) for path in (partial_folder(self.result), self.result))
        first = f"rm -rf {partial} && " if partial_folder(self.result).exists() else ""
        return f"{first}{command} && rm -rf {result} && mv {partial} {result}"

    def begin(self) -> None:
        """Remove results that are out of date or unfinished."""
        if self.result is not None:
            for folder in (self.result, partial_folder(self.result)):
                shutil.rmtree(folder, ignore_errors=True)

    def end(self) -> None:
        """Give the finished result its name."""
        if self.result is not None:
            partial_folder(self.result).rename(self.result)


def partial_folder(result: Path) -> Path:
    """Folder that a result is written to until it is whole."""
    return result.with_name(f"{result.name}.partial")


def configuring_jobs(comparison: Comparison, plans: Mapping[str, Any]) -> list[Job]:
    """Commands that make the configurations which the plans lack, one for each seed."""
    which = ("-d", comparison.dataset, "-c", comparison.parent, "-p", comparison.plans_name)
    return [
        Job(
            f"configure_seed{seed}",
            (
                *("nnUNetv2_semiseg_configure", *which, "--name", name),
                *setting_words({**comparison.settings, "seed": seed}),
            ),
        )
        for seed, name in comparison.configurations.items()
        if name not in plans["configurations"]
    ]


def preprocessing_jobs(comparison: Comparison) -> list[Job]:
    """Command that preprocesses the unlabeled images for all trainings; none if no training needs them."""
    waiting = [
        competitor
        for competitor, seed in comparison.trainings
        if competitor.method is not None and _untrained_folds(comparison, competitor, seed)
    ]
    if not waiting:
        return []
    words = ("nnUNetv2_semiseg_preprocess", "-d", comparison.dataset, "-c", comparison.parent)
    return [Job("preprocess", (*words, "-p", comparison.plans_name))]


def training_jobs(comparison: Comparison, device: str) -> list[Job]:
    """Trainings that are not finished; each continues from its last checkpoint."""
    jobs = []
    for competitor, seed in comparison.trainings:
        trainer, configuration = competitor.trainer.__name__, comparison.configurations[seed]
        for fold in _untrained_folds(comparison, competitor, seed):
            words = ("nnUNetv2_train", comparison.dataset, configuration, fold, "-tr", trainer)
            jobs.append(
                Job(
                    f"train_{trainer}_seed{seed}_fold_{fold}",
                    (*words, "-p", comparison.plans_name, "-device", device, "--c"),
                    epochs=int(comparison.settings["epochs"]),
                )
            )
    return jobs


def prediction_jobs(comparison: Comparison, images: Mapping[str, tuple[Path, ...]], device: str) -> list[Job]:
    """Predictions of the test images that are missing or out of date."""
    jobs = []
    ending = str(comparison.dataset_json["file_ending"])
    endings = (ending, *PROBABILITIES) if comparison.ensemble else (ending,)
    files = [file for of_case in images.values() for file in of_case]
    for competitor, seed in comparison.trainings:
        for model, trainer in competitor.models.items():
            result = comparison.predictions(model, seed)
            sources = [*comparison.checkpoints(trainer, seed), *files]
            if is_predicted(result, images, endings, sources):
                continue
            which = ("-d", comparison.dataset, "-c", comparison.configurations[seed], "-f", *comparison.folds)
            words = (
                *("nnUNetv2_predict", "-i", str(comparison.raw / "imagesTs")),
                *("-o", str(partial_folder(result)), *which),
                *("-p", comparison.plans_name, "-tr", trainer, "-device", device),
                *(("--save_probabilities",) if comparison.ensemble else ()),
            )
            jobs.append(Job(f"predict_{result.name}", words, result))
    return jobs


def ensembling_jobs(comparison: Comparison, images: Mapping[str, tuple[Path, ...]]) -> list[Job]:
    """Ensembles of each training's networks that are missing or out of date."""
    jobs = []
    ending = str(comparison.dataset_json["file_ending"])
    for competitor, seed in comparison.trainings:
        for model in comparison.ensembles(competitor):
            result = comparison.predictions(model, seed)
            members = [comparison.predictions(member, seed) for member in competitor.models]
            sources = [folder / f"{case}.npz" for folder in members for case in images]
            if not is_predicted(result, images, (ending,), sources):
                words = ("nnUNetv2_ensemble", "-i", *map(str, members), "-o", str(partial_folder(result)))
                jobs.append(Job(f"ensemble_{result.name}", words, result))
    return jobs


def _untrained_folds(comparison: Comparison, competitor: Competitor, seed: int) -> list[str]:
    return [fold for fold in comparison.folds if not is_trained(comparison, competitor, seed, fold)]
