"""What nnU-Net's logger kept of trainings, from the checkpoints of model folders.

A checkpoint is a zip file, in it a pickle with all but the numbers of tensors. ``torch.load`` with
``weights_only`` refuses nnU-Net's checkpoints, as their history has numpy scalars; without it a file could
run any code. Here the pickle alone is read, and of what it names only numpy's scalars are made; all other
classes and functions become empty objects. So nothing of a file is run, and no weights are read.
"""

from __future__ import annotations

import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from nnunetv2_semiseg.core.errors import UserError, UserFileError

PREFIX = "semiseg/"
"""Beginning of the keys under which trainings of this package give values to nnU-Net's logger."""

LOSS, MEASURE, RATE = f"{PREFIX}loss/", f"{PREFIX}measure/", f"{PREFIX}lr/"
MEMORY = f"{PREFIX}memory/"
"""Beginnings of the keys of loss terms, measures, learning rates and memory."""

CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_latest.pth", "checkpoint_best.pth")
"""The first that a fold has counts; the others are of a training that has not ended."""


def _encoded(characters: str, encoding: str) -> bytes:
    """Bytes as `torch.save` writes them: characters of latin1, whatever ``encoding`` says."""
    return characters.encode("latin1")


_SCALAR = np.float32(0).__reduce__()[0]
_TRUSTED: Mapping[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encoded,
    # the name before numpy 2 and the one since
    ("numpy.core.multiarray", "scalar"): _SCALAR,
    ("numpy._core.multiarray", "scalar"): _SCALAR,
}


@dataclass(frozen=True)
class FoldHistory:
    """Of one fold of a model folder.

    Attributes:
        fold: Name of its folder.
        values: By nnU-Net's and this package's keys of the logger, a number of each epoch; NaN where there
            is none.
        trainer: Name of the trainer's class; empty where the checkpoint has none.
    """

    fold: str
    values: dict[str, list[float]]
    trainer: str = ""


def read_trainings(folder: Path) -> list[FoldHistory]:
    """The histories of all folds of a model folder, or of one fold's folder.

    Raises:
        UserFileError: There is no such folder, or no checkpoint in it.
        UserError: A checkpoint cannot be read or has no history.
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
    try:
        with zipfile.ZipFile(file) as archive:
            name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            with archive.open(name) as content:
                checkpoint = _Unpickler(content).load()
        logged = checkpoint["logging"]
        values = {str(key): [_number(value) for value in of_key] for key, of_key in logged.items()}
        trainer = checkpoint.get("trainer_name")
        return FoldHistory(fold, values, trainer if isinstance(trainer, str) else "")
    except Exception as error:  # what a damaged pickle ends with cannot be listed
        raise UserError(
            f"{file} is no checkpoint of nnU-Net with a history ({type(error).__name__}): leave out its model"
        ) from None


def _number(value: Any) -> float:
    """NaN for what is no single number, such as the Dice of each class."""
    return float(value) if isinstance(value, (int, float, np.number)) else math.nan


class _Nothing:
    """Stands for every object that is of no interest; it takes all that a pickle does with it."""

    def __new__(cls, *_: Any, **__: Any) -> _Nothing:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        """Keep nothing."""

    def __setstate__(self, state: Any) -> None:
        """Keep nothing."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Keep nothing."""

    def append(self, value: Any) -> None:
        """Keep nothing."""

    def extend(self, values: Any) -> None:
        """Keep nothing."""


class _Unpickler(pickle.Unpickler):
    """Makes plain values and numpy's scalars, and `_Nothing` of all else."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)

    def find_class(self, module: str, name: str) -> Any:
        """What a name in the pickle stands for."""
        return _TRUSTED.get((module, name), _Nothing)

    def persistent_load(self, pid: Any) -> None:
        """The numbers of a tensor, which lie in another file."""
