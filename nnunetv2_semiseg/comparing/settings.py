"""Settings that all trainings of a comparison have in common: length, batch, and what the user sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunetv2_semiseg.comparing.comparison import Comparison
from nnunetv2_semiseg.comparing.competitors import Competitor
from nnunetv2_semiseg.core.config import SECTION, TrainingConfig, merge_nested, merged_section, parse_config
from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.methods.settings import configured_plans, setting_words, training_values

RESUMED_SHARE = 20
"""A killed training loses at most one of so many parts of its epochs, if nothing else is configured."""

SAVE_EVERY = 50
"""Largest number of epochs between checkpoints, which is nnU-Net's number."""


def common_settings(
    plans: dict[str, Any],
    parent: str,
    competitors: Sequence[Competitor],
    iterations: int | None,
    chosen: Mapping[str, Any],
) -> dict[str, Any]:
    """Length and batch, equal for all trainers, and the settings that the user gave.

    Args:
        plans: Content of the plans file.
        parent: Configuration that the trainers are compared in.
        competitors: The trainers.
        iterations: Number of optimizer steps; None: the configured number, or the trainers' own number if
            it is the same for all.
        chosen: Nested hyper-parameters that the user gave.

    Raises:
        UserError: The configuration does not exist, the seed or the length is given twice, the length is not
            a multiple of an epoch, or the trainers' own lengths differ.
    """
    section = merge_nested(merged_section(plans, parent), chosen)
    if "seed" in chosen:
        raise UserError("seed cannot be a setting of a comparison: --seeds says how many there are")
    if iterations is not None and "epochs" in chosen:
        raise UserError("--iterations and epochs both say how long the trainings are: give one of them")
    training = parse_config(TrainingConfig, training_values(section), f"configuration '{parent}'")
    per_epoch = training.iterations_per_epoch
    if iterations is not None:
        if "iterations_per_epoch" not in section:
            per_epoch = min(per_epoch, iterations)
        epochs = _epochs(iterations, per_epoch)
    else:
        epochs = training.epochs if "epochs" in section else _own_epochs(competitors, per_epoch)
    planned = int(PlansManager(plans).get_configuration(parent).batch_size)
    labeled = training.labeled_batch_size or planned
    common = {
        "epochs": epochs,
        "iterations_per_epoch": per_epoch,
        "labeled_batch_size": labeled,
        "unlabeled_batch_size": training.unlabeled_batch_size or labeled,
    }
    if "save_every" not in section:
        common["save_every"] = max(1, min(SAVE_EVERY, epochs // RESUMED_SHARE))
    return merge_nested(common, chosen)


def _epochs(iterations: int, per_epoch: int) -> int:
    if iterations % per_epoch:
        below = iterations // per_epoch * per_epoch
        nearest = " or ".join(str(number) for number in (below, below + per_epoch) if number)
        raise UserError(
            f"--iterations {iterations} is no multiple of the {per_epoch} iterations of an epoch: take "
            f"{nearest}, or another number of them by --settings iterations_per_epoch=NUMBER"
        )
    return iterations // per_epoch


def _own_epochs(competitors: Sequence[Competitor], per_epoch: int) -> int:
    """The trainers' default length in epochs, which must be the same for all."""
    usual = TrainingConfig().epochs
    own = {one.name: one.method.default_epochs if one.method else usual for one in competitors}
    if len(set(own.values())) > 1:
        lengths = ", ".join(f"{name} {epochs * per_epoch}" for name, epochs in own.items())
        raise UserError(
            f"the trainers' own numbers of iterations differ ({lengths}): give one for all by --iterations"
        )
    return next(iter(own.values()))


def with_configurations(plans: dict[str, Any], comparison: Comparison) -> dict[str, Any]:
    """Plans to which the configuration of each seed is added.

    Raises:
        UserError: Another configuration has this name, or a setting is wrong.
    """
    for seed, name in comparison.configurations.items():
        others = {key: value for key, value in plans["configurations"].items() if key != name}
        settings = {**comparison.settings, "seed": seed}
        made = configured_plans({**plans, "configurations": others}, comparison.parent, name, settings)
        existing, wanted = plans["configurations"].get(name), made["configurations"][name]
        if existing not in (None, wanted):
            raise UserError(
                f"configuration '{name}' exists and is another one ({_difference(existing, wanted)}): choose "
                "another --name, or remove it from the plans"
            )
        plans = {**plans, "configurations": {**plans["configurations"], name: wanted}}
    return plans


def _difference(existing: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The first setting in which two configurations differ, in words."""
    here, there = (set(setting_words(content)) for content in (existing, wanted))
    if here - there:
        return f"it has {min(here - there).removeprefix(f'{SECTION}.')}"
    return f"it lacks {min(there - here).removeprefix(f'{SECTION}.')}"
