"""Methods that take foundation weights, and the commands that name a file of weights to them."""

from __future__ import annotations

import dataclasses
import shlex
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunetv2_semiseg.methods.registry import discovered_methods
from nnunetv2_semiseg.networks.sam.config import SamConfig


@dataclass(frozen=True)
class FoundationUser:
    """A method that takes foundation weights.

    Attributes:
        method: Name of the method.
        key: Key of the method's foundation model, below ``semiseg``.
        config: Foundation model that the method takes by default.
    """

    method: str
    key: str
    config: SamConfig


def foundation_users() -> list[FoundationUser]:
    """All methods that are trained with a foundation model by default, in the order of their files.

    Examples:
        >>> [(user.method, user.key) for user in foundation_users()]
        [('KnowSAM', 'knowsam.skd.foundation'), ('SynFoC', 'synfoc.foundation')]
    """
    return [
        FoundationUser(method.name, key, kind())
        for name, method in discovered_methods().items()
        for key, kind in _foundations(method.config_class, name)
    ]


def _foundations(kind: type[Any], key: str) -> Iterator[tuple[str, type[SamConfig]]]:
    """Keys and types of a configuration's foundation models, those in optional parts left out."""
    hints = typing.get_type_hints(kind)
    fields = {field.name for field in dataclasses.fields(kind)}
    if "enabled" in fields:
        return
    for name in sorted(fields):
        hint = hints[name]
        if isinstance(hint, type) and issubclass(hint, SamConfig):
            yield f"{key}.{name}", hint
        elif dataclasses.is_dataclass(hint):
            yield from _foundations(typing.cast("type[Any]", hint), f"{key}.{name}")


def configure_lines(file: Path, architecture: str, normalization: str, has_heads: bool = True) -> list[str]:
    """A line for each method that can use a file, those with its normalization by default first.

    Args:
        file: File of weights.
        architecture: Value of the key ``architecture`` that the weights need.
        normalization: Value of the key ``normalization`` that the weights were trained with.
        has_heads: Whether the file holds the mask heads of the published files.

    Returns:
        Lines ``METHOD: command``; in the command only ``DATASET`` is left to fill in.
    """
    lines = []
    for user in sorted(foundation_users(), key=lambda user: user.config.normalization != normalization):
        if user.config.needs_mask_heads and not has_heads:
            continue
        other_architecture = architecture != user.config.architecture
        settings = [f"{user.key}.checkpoint={file}"]
        if other_architecture:
            settings.append(f"{user.key}.architecture={architecture}")
        if normalization != user.config.normalization:
            settings.append(f"{user.key}.normalization={normalization}")
        name = f"2d_{normalization}" + f"_{architecture}" * other_architecture
        command = ["nnUNetv2_semiseg_configure", "-d", "DATASET", "-c", "2d", "--name", name, *settings]
        lines.append(f"{user.method}: {shlex.join(command)}")
    return lines
