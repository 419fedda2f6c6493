"""Conditions that the trainers of a comparison must have in common, asked of the trainers themselves.

Everything that a training would refuse at its start is refused here, before the first training takes hours.
"""

from __future__ import annotations

import contextlib
import copy
import io
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunetv2_semiseg.comparing.competitors import Competitor
from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.trainers.semiseg import nnUNetTrainerSemiSeg

ALL = "all"
"""nnU-Net's name of the fold that trains on all labeled cases."""


@dataclass(frozen=True)
class Facts:
    """Conditions under which one trainer would train.

    Attributes:
        iterations: Number of optimizer steps.
        labeled_samples: Number of labeled samples in a step.
        patch_size: Size of a sample in pixels, along each axis.
        cases: Labeled training cases of each fold, sorted.
    """

    iterations: int
    labeled_samples: int
    patch_size: tuple[int, ...]
    cases: tuple[tuple[str, ...], ...]


MEANINGS = {
    "iterations": "iterations",
    "labeled_samples": "labeled samples a step",
    "patch_size": "pixels of a patch",
    "cases": "labeled cases",
}
"""Attributes of `Facts` in words."""


def facts_of(
    competitor: Competitor,
    plans: Mapping[str, Any],
    configuration: str,
    folds: Sequence[str],
    dataset_json: Mapping[str, Any],
    device: str,
) -> Facts:
    """Make a trainer as a training would, with all of its networks, and read its conditions.

    Args:
        competitor: The trainer.
        plans: Content of the plans file.
        configuration: Configuration of the trainings.
        folds: Folds that exist, ``all`` or numbers.
        dataset_json: Content of the preprocessed dataset's dataset.json.
        device: Kind of device of the trainings; the trainer is made on the CPU in any case.

    Raises:
        UserFileError: The trainer needs a file that does not exist.
        UnsupportedError: The trainer cannot train this dataset in this configuration.
        UserError: A setting or a file of weights is wrong.
    """
    own = {**copy.deepcopy(dict(plans)), "continue_training": False}
    with _nothing_is_written(), contextlib.redirect_stdout(io.StringIO()):
        try:
            fold = _number(folds[0])
            made = competitor.trainer(
                own, configuration, fold, copy.deepcopy(dict(dataset_json)), torch.device(device)
            )
            made.device = torch.device("cpu")
            made.initialize()
            if isinstance(made, nnUNetTrainerSemiSeg):
                made.build_method()
        except UserError as error:
            raise type(error)(f"{competitor.trainer.__name__}: {error}") from None
        return Facts(
            iterations=made.num_epochs * made.num_iterations_per_epoch,
            labeled_samples=made.batch_size,
            patch_size=tuple(made.configuration_manager.patch_size),
            cases=tuple(_cases(made, fold) for fold in folds),
        )


def check_equal(found: Mapping[str, Facts]) -> Facts:
    """The conditions that are the same for all trainers.

    Args:
        found: Conditions by name of the trainer, of which there is at least one.

    Raises:
        UserError: Two trainers differ.
    """
    (first, facts), *others = found.items()
    for name, other in others:
        for attribute, meaning in MEANINGS.items():
            mine, its = getattr(facts, attribute), getattr(other, attribute)
            if mine != its:
                unequal = f"{_describe(mine)} and {_describe(its)} {meaning}"
                raise UserError(
                    f"{first} and {name} would not be compared fairly: {unequal}; {name} or {first} does not "
                    "follow the configuration: leave it out"
                )
    return facts


def describe_patch(facts: Facts) -> str:
    """``256 x 256``."""
    return " x ".join(map(str, facts.patch_size))


def describe_cases(facts: Facts) -> str:
    """Numbers of labeled cases, one where all folds have as many."""
    numbers = list(map(len, facts.cases))
    return str(numbers[0]) if len(set(numbers)) == 1 else ", ".join(map(str, numbers))


def _describe(value: Any) -> str:
    """A condition in words; labeled cases are counted."""
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):
        return " + ".join(str(len(cases)) for cases in value)
    return " x ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _number(fold: str) -> int | str:
    return fold if fold == ALL else int(fold)


def _cases(trainer: nnUNetTrainer, fold: str) -> tuple[str, ...]:
    trainer.fold = _number(fold)
    return tuple(sorted(map(str, trainer.do_split()[0])))


@contextmanager
def _nothing_is_written() -> Iterator[None]:
    """Let a trainer neither make its folder nor log to a server, which it would do as soon as it is made."""
    changed = {"nnUNet_wandb_enabled": "0"}
    before = {name: os.environ.get(name) for name in ("nnUNet_results", *changed)}
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(changed, nnUNet_results=folder)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
