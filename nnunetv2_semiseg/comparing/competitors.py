"""The trainers of a comparison by the names that users give, and the networks that they train."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

from nnunetv2_semiseg.core.errors import UnsupportedError, UserError
from nnunetv2_semiseg.trainers.exported import exported_trainers, nnUNetTrainerExported
from nnunetv2_semiseg.trainers.made import PREFIX, all_trainers
from nnunetv2_semiseg.trainers.semiseg import nnUNetTrainerSemiSeg

PLAIN, SUPERVISED = "nnUNetTrainer", "nnUNetTrainerSupervised"
"""nnU-Net's own trainer, whose length is fixed, and the trainer that does the same for a length of choice."""

SHOWN = {SUPERVISED: "nnU-Net"}
"""Names in reports; other trainers are called what follows `PREFIX`."""


@dataclass(frozen=True)
class Competitor:
    """One trainer of a comparison.

    Attributes:
        name: Name of the trainer's deployed network in reports.
        trainer: Class of the trainer.
        further: Class names of the trainers of the further networks that are exported, by the networks'
            names in reports.
    """

    name: str
    trainer: type[nnUNetTrainer]
    further: Mapping[str, str]

    @property
    def models(self) -> dict[str, str]:
        """Class names for ``-tr`` by the networks' names in reports, the deployed network first."""
        return {self.name: self.trainer.__name__, **self.further}

    @property
    def method(self) -> type[Any] | None:
        """The semi-supervised method; None if the trainer learns from labeled images alone."""
        return self.trainer.method_class if issubclass(self.trainer, nnUNetTrainerSemiSeg) else None


def find_competitors(names: Sequence[str]) -> tuple[Competitor, ...]:
    """Find trainers by the names of their classes.

    Args:
        names: Names of classes; nnUNetTrainer stands for `SUPERVISED`.

    Raises:
        UnsupportedError: A class is that of an exported network, which is not trained on its own.
        UserError: There is no such trainer, or two names are of the same trainer.
    """
    named: dict[type[nnUNetTrainer], str] = {}
    for name in names:
        kind = _trainer_class(SUPERVISED if name == PLAIN else name)
        if kind in named:
            raise UserError(f"{name} and {named[kind]} are the same training: name it once")
        named[kind] = name
    return tuple(map(_competitor, named))


def _competitor(kind: type[nnUNetTrainer]) -> Competitor:
    name = shown_name(kind.__name__)
    further = [exported.__name__ for exported in exported_trainers(kind)]
    return Competitor(name, kind, {_further_name(kind.__name__, one): one for one in further})


def shown_name(trainer: str) -> str:
    """What reports call a trainer's network."""
    return SHOWN.get(trainer, trainer.removeprefix(PREFIX) or trainer)


def _further_name(trainer: str, exported: str) -> str:
    """``SynFoC Foundation`` of nnUNetTrainerSynFoC and nnUNetTrainerSynFoCFoundation."""
    if not exported.startswith(trainer):
        return shown_name(exported)
    return f"{shown_name(trainer)} {exported.removeprefix(trainer)}"


def _trainer_class(name: str) -> type[nnUNetTrainer]:
    ours = all_trainers()
    if name not in ours:
        return _foreign_trainer(name)
    kind = ours[name]
    if issubclass(kind, nnUNetTrainerExported):
        raise UnsupportedError(
            f"{name} is not trained on its own: name {kind.trained_with.__name__}, whose networks are all "
            "compared"
        )
    return kind


def _foreign_trainer(name: str) -> type[nnUNetTrainer]:
    """A trainer of nnU-Net or of the user's own, which nnUNet_extTrainer leads to."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            found: type[nnUNetTrainer] = recursive_find_trainer_class_by_name(name)
    except RuntimeError:
        known = [PLAIN, *(key for key, kind in all_trainers().items() if _trains(kind))]
        raise UserError(
            f"there is no trainer {name}: take one of {', '.join(known)}, or one of your own in a folder of "
            "nnUNet_extTrainer"
        ) from None
    return found


def _trains(kind: type[nnUNetTrainer]) -> bool:
    return not issubclass(kind, nnUNetTrainerExported)
