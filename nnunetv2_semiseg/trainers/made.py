"""nnU-Net's trainer classes, made from the methods: one for each method and for each network it exports.

nnU-Net finds a trainer by its class name. `nnUNetTrainer<name>` trains the method of that name, and
`nnUNetTrainer<name><suffix>` deploys one of its exports. The classes are attributes of this module, as if
they were written here, so that each keeps one identity and can be pickled.
"""

from __future__ import annotations

from typing import Any

from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunetv2_semiseg.methods.base import Export, Method
from nnunetv2_semiseg.methods.registry import discovered_methods
from nnunetv2_semiseg.trainers.exported import nnUNetTrainerExported
from nnunetv2_semiseg.trainers.semiseg import nnUNetTrainerSemiSeg
from nnunetv2_semiseg.trainers.supervised import nnUNetTrainerSupervised
from nnunetv2_semiseg.trainers.tasks import OwnTaskValidation, nnUNetTrainerTasks

PREFIX = "nnUNetTrainer"


def _class(name: str, bases: tuple[type, ...], docstring: str, **attributes: Any) -> type[Any]:
    return type(name, bases, {"__module__": __name__, "__doc__": docstring, **attributes})


def _make_trainer(method: type[Method]) -> type[nnUNetTrainerSemiSeg]:
    base = nnUNetTrainerTasks if method.needs_tasks else nnUNetTrainerSemiSeg
    where = " on a merged dataset" if method.needs_tasks else ""
    docstring = f"Trains {method.name}{where} and deploys {method.deploys}."
    trainer: type[nnUNetTrainerSemiSeg] = _class(
        PREFIX + method.name, (base,), docstring, method_class=method
    )
    trainer.exported = tuple(_make_exported(method, export, trainer) for export in method.exports)
    return trainer


def _make_exported(
    method: type[Method], export: Export, trainer: type[nnUNetTrainerSemiSeg]
) -> type[nnUNetTrainerExported]:
    bases = (OwnTaskValidation, nnUNetTrainerExported) if method.needs_tasks else (nnUNetTrainerExported,)
    return _class(
        PREFIX + method.name + export.suffix,
        bases,
        export.description,
        method_class=method,
        export=export,
        trained_with=trainer,
    )


_TRAINERS = {method: _make_trainer(method) for method in discovered_methods().values()}


def trainer_of(method: type[Method]) -> type[nnUNetTrainerSemiSeg]:
    """The trainer that trains a method.

    Examples:
        >>> from nnunetv2_semiseg.methods.cps import CPS
        >>> trainer_of(CPS).__name__, [kind.__name__ for kind in trainer_of(CPS).exported]
        ('nnUNetTrainerCPS', ['nnUNetTrainerCPSSecond'])
    """
    return _TRAINERS[method]


def all_trainers() -> dict[str, type[nnUNetTrainer]]:
    """All trainers of this package by class name, those that train and those that deploy further networks."""
    made = [kind for trainer in _TRAINERS.values() for kind in (trainer, *trainer.exported)]
    return {kind.__name__: kind for kind in (*made, nnUNetTrainerSupervised)}


globals().update(all_trainers())
