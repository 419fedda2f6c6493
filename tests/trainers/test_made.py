"""Trainer classes that are made from methods."""

from __future__ import annotations

from nnunetv2_semiseg.methods.cps import CPS
from nnunetv2_semiseg.trainers.exported import exported_trainers
from nnunetv2_semiseg.trainers.made import trainer_of


def test_a_users_own_subclass_exports_nothing() -> None:
    """It would write into the model folders of the trainer that it comes from."""
    trainer = trainer_of(CPS)
    assert [kind.__name__ for kind in exported_trainers(trainer)] == ["nnUNetTrainerCPSSecond"]
    own = type("nnUNetTrainerCPSOfMine", (trainer,), {})
    assert exported_trainers(own) == ()
