"""What nnU-Net's logger kept of trainings, from the checkpoints of model folders.

``torch.load`` reads them without running any code that a file may hold. Of what is not torch's own, numpy's
numbers and arrays alone are made, as nnU-Net's history has them; any other object is refused.
"""

from __future__ import annotations

import math
import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nnunetv2_semiseg.core.errors import UserError, UserFileError

PREFIX = "semiseg/"
"""Beginning of the keys under which trainings of this package give values to nnU-Net's logger."""

LOSS, MEASURE, RATE = f"{PREFIX}loss/", f"{PREFIX}measure/", f"{PREFIX}lr/"
MEMORY = f"{PREFIX}memory/"
"""Beginnings of the keys of loss terms, measures, learning rates and memory."""

CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_latest.pth", "checkpoint_best.pth")
"""Checkpoints of a fold, the first of which is read; the others are of a training that has not ended."""

REFUSED_TYPE = re.compile(r"GLOBAL (\S+)|got <class '(\S+)'>")
"""What torch says of an object that it does not make."""

NUMBER_CODES = "?" + np.typecodes["AllInteger"] + np.typecodes["Float"]


def _numpy_globals() -> list[Any]:
    """What a checkpoint may name of numpy, under the names before numpy 2 and since."""
    functions: list[Any] = [np.float32(0).__reduce__()[0], np.zeros(1).__reduce__()[0]]
    paths = [
        (function, f"numpy.{module}.multiarray.{function.__name__}")
        for function in functions
        for module in ("core", "_core")
    ]
    return [*paths, np.ndarray, np.dtype, *{type(np.dtype(code)) for code in NUMBER_CODES}]


@dataclass(frozen=True)
class FoldHistory:
    """History of one fold of a model folder.

    Attributes:
        fold: Name of the fold's folder.
        values: A number of each epoch by nnU-Net's and this package's keys of the logger; NaN where there is
            none.
        trainer: Name of the trainer's class; empty where the checkpoint has none.
    """

    fold: str
    values: dict[str, list[float]]
    trainer: str = ""


def read_trainings(folder: Path) -> list[FoldHistory]:
    """The histories of all folds of a model folder, or of one fold's folder.

    Raises:
        UserFileError: There is no such folder, or no checkpoint in it.
        UserError: A checkpoint cannot be read, has an object that could run code, or has no history.
    """
    if not folder.is_dir():
        raise UserFileError(f"{folder} is not a folder: name a model folder, which has fold_0 or fold_all")
    folds = [folder] if _checkpoint(folder) else sorted(folder.glob("fold_*"))
    found = [(fold.name, file) for fold in folds if (file := _checkpoint(fold))]
    if not found:
        raise UserFileError(
            f"{folder} has no fold with {CHECKPOINTS[0]}: name a model folder, which has fold_0 or fold_all"
        )
    return [_history(name, file) for name, file in found]


def _checkpoint(fold: Path) -> Path | None:
    return next((fold / name for name in CHECKPOINTS if (fold / name).is_file()), None)


def _history(fold: str, file: Path) -> FoldHistory:
    content = _load(file)
    logged = content.get("logging") if isinstance(content, dict) else None
    if not isinstance(logged, dict):
        raise UserError(f"{file} is no checkpoint of nnU-Net with a history: leave out its model")
    values = {str(key): list(map(_number, logged[key])) for key in logged if isinstance(logged[key], list)}
    trainer = content.get("trainer_name")
    return FoldHistory(fold, values, trainer if isinstance(trainer, str) else "")


def _load(file: Path) -> Any:
    try:
        with torch.serialization.safe_globals(_numpy_globals()):
            # the weights stay in the file
            return torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # what a damaged file ends with cannot be listed
        refused = REFUSED_TYPE.search(str(error))
        if isinstance(error, pickle.UnpicklingError) and refused:
            raise UserError(
                f"{file} has an object of the type {refused[1] or refused[2]}, which could run code and "
                "which nnU-Net's trainers don't store: leave out its model"
            ) from None
        raise UserError(
            f"{file} cannot be read as a checkpoint ({type(error).__name__}), as after a kill or on a full "
            "disk: train its model again, or leave it out"
        ) from None


def _number(value: Any) -> float:
    """The value as a number; NaN for what is no single number, such as the Dice of each class."""
    return float(value) if isinstance(value, (int, float, np.number)) else math.nan
