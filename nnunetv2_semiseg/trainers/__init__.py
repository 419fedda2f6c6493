"""Trainers for nnU-Net: every class that subclasses nnU-Net's trainer, and what their trainings consist of.

``from nnunetv2_semiseg.trainers import nnUNetTrainerFixMatch`` gives a method's trainer.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if not name.startswith("nnUNetTrainer"):
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from nnunetv2_semiseg.trainers import made, semiseg  # only for who asks: all methods come with it

    return getattr(semiseg if hasattr(semiseg, name) else made, name)
