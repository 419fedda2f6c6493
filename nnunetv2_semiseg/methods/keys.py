"""All hyper-parameters as lines of text: for a command, and for the reference in the documentation."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo

from nnunetv2_semiseg.core.config import TrainingConfig
from nnunetv2_semiseg.methods.discovery import discovered_methods


@dataclasses.dataclass(frozen=True)
class Key:
    """One hyper-parameter.

    Attributes:
        name: As in the plans below ``semiseg``, parts joined by dots.
        default: As JSON would have it.
        description: One line, may be empty.
    """

    name: str
    default: Any
    description: str


def all_keys() -> Iterator[Key]:
    """The keys of every training, then those of each method."""
    methods = sorted(discovered_methods().items())
    for key in keys_of(TrainingConfig):
        if key.name == "epochs":  # the one default that methods have of their own
            own = ", ".join(f"{name} {method.default_epochs}" for name, method in methods)
            key = dataclasses.replace(key, default=own)
        yield key
    for name, method in methods:
        yield from keys_of(method.config_class, f"{name}.")


def keys_of(kind: type[Any], prefix: str = "") -> Iterator[Key]:
    """The keys of one configuration dataclass and of those nested in it."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            yield from keys_of(typing.cast("type[Any]", hint), f"{prefix}{field.name}.")
            continue
        info: Any = field.default
        if not isinstance(info, FieldInfo):
            info = FieldInfo(default=info)
        yield Key(prefix + field.name, info.default, info.description or "")


def key_lines() -> list[str]:
    """One line a key: name, default, description, in columns."""
    keys = list(all_keys())
    names = max(len(key.name) for key in keys)
    defaults = max(len(str(key.default)) for key in keys)
    return [f"{key.name:<{names}}  {key.default!s:<{defaults}}  {key.description}".rstrip() for key in keys]
