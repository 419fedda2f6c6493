"""Finding all methods and trainers: what lies in this folder is what there is."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType

from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

import nnunetv2_semiseg.methods as package
from nnunetv2_semiseg.methods.base import Method


def discovered_methods() -> dict[str, type[Method]]:
    """All methods by their key."""
    return {
        kind.key: kind
        for module in _modules()
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Method) and kind.__module__ == module.__name__
        if hasattr(kind, "key")
    }


def discovered_trainers() -> dict[str, type[nnUNetTrainer]]:
    """All trainers by class name: those of methods and those of further networks that a method exports."""
    return {
        name: kind
        for module in _modules()
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, nnUNetTrainer) and kind.__module__ == module.__name__
    }


@cache
def _modules() -> tuple[ModuleType, ...]:
    names = sorted(info.name for info in pkgutil.iter_modules(package.__path__))
    return tuple(importlib.import_module(f"{package.__name__}.{name}") for name in names)
