"""The command lines that name a file of weights to a method."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

DEFAULT_ARCHITECTURE = "vit_b"
"""Of every method."""


@dataclass(frozen=True)
class FoundationUser:
    """A method that takes foundation weights.

    Attributes:
        method: Its name.
        key: Where it names its foundation, below ``semiseg``.
        normalization: What it takes if it is told nothing.
        needs_heads: Whether it uses the mask heads of the published files.
    """

    method: str
    key: str
    normalization: str
    needs_heads: bool


USERS = (
    FoundationUser("SynFoC", "synfoc.foundation", "medsam", needs_heads=False),
    FoundationUser("KnowSAM", "knowsam.skd.foundation", "sam", needs_heads=True),
)


def configure_lines(file: Path, architecture: str, normalization: str, has_heads: bool = True) -> list[str]:
    """A line for each method that can use a file, the one with that normalization by default first.

    Args:
        file: The weights.
        architecture: Value of the key ``architecture`` that they need.
        normalization: Value of the key ``normalization`` that they were trained with.
        has_heads: Whether they hold the mask heads of the published files.

    Returns:
        ``METHOD: command``; in the command only ``DATASET`` is left to fill in.
    """
    name = f"2d_{normalization}" + f"_{architecture}" * (architecture != DEFAULT_ARCHITECTURE)
    lines = []
    for user in sorted(USERS, key=lambda user: user.normalization != normalization):
        if user.needs_heads and not has_heads:
            continue
        settings = [f"{user.key}.checkpoint={file}"]
        if architecture != DEFAULT_ARCHITECTURE:
            settings.append(f"{user.key}.architecture={architecture}")
        if normalization != user.normalization:
            settings.append(f"{user.key}.normalization={normalization}")
        command = ["nnUNetv2_semiseg_configure", "-d", "DATASET", "-c", "2d", "--name", name, *settings]
        lines.append(f"{user.method}: {shlex.join(command)}")
    return lines
