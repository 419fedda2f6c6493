"""The folder of downloaded weights."""

from __future__ import annotations

import os
from pathlib import Path

import pooch

VARIABLE = "nnUNet_semiseg_weights"
"""Environment variable that moves the folder."""


def weights_folder() -> Path:
    """Where downloads go: what `VARIABLE` names, else a folder in the user's cache."""
    named = os.environ.get(VARIABLE, "").strip()
    folder = Path(named) if named else Path(pooch.os_cache("nnunetv2_semiseg")) / "weights"
    return folder.expanduser().absolute()
