"""Settings with which every discovered method can be trained in seconds."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

FOUNDATION_KEYS = {"architecture", "random_weights", "image_size"}
"""What a configuration dataclass of a foundation model has, of whatever kind."""


def tiny_values(kind: type[Any], image_size: int) -> dict[str, Any]:
    """Values for a configuration dataclass: a tiny random foundation wherever it has one."""
    return with_foundation(
        kind, {"architecture": "vit_tiny", "random_weights": True, "image_size": image_size}
    )


def with_foundation(kind: type[Any], foundation: dict[str, Any]) -> dict[str, Any]:
    """Values for a configuration dataclass: these for every foundation that it has, at any depth."""
    values: dict[str, Any] = {}
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        if not dataclasses.is_dataclass(hint):
            continue
        if {inner.name for inner in dataclasses.fields(hint)} >= FOUNDATION_KEYS:
            inside = foundation
        else:
            inside = with_foundation(typing.cast("type[Any]", hint), foundation)
        if inside:
            values[field.name] = dict(inside)
    return values


def tiny_methods(image_size: int) -> dict[str, dict[str, Any]]:
    """The same for all methods, by key."""
    from nnunetv2_semiseg.methods.registry import discovered_methods

    values = {
        key: tiny_values(method.config_class, image_size) for key, method in discovered_methods().items()
    }
    return {key: value for key, value in values.items() if value}
