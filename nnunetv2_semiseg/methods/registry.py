"""Finding all methods: what lies in this folder is what there is."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

import nnunetv2_semiseg.methods as package
from nnunetv2_semiseg.methods.base import Method


@cache
def discovered_methods() -> dict[str, type[Method]]:
    """All methods by their key, in the order of their files."""
    names = sorted(info.name for info in pkgutil.iter_modules(package.__path__) if not info.ispkg)
    modules = [importlib.import_module(f"{package.__name__}.{name}") for name in names]
    return {
        kind.key: kind
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Method) and kind.__module__ == module.__name__
        if hasattr(kind, "key")
    }
