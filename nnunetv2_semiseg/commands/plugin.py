"""The command ``nnUNetv2_semiseg_plugin``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import nnunetv2_semiseg

VARIABLE = "nnUNet_extTrainer"


def plugin_path(current: str) -> str:
    """The value of nnU-Net's variable for further trainers with this package's folder in front.

    Args:
        current: Present value of the variable: folders with `os.pathsep` between them, or nothing.
    """
    folder = str(Path(nnunetv2_semiseg.__file__).parent / "plugin")
    others = [part for part in current.split(os.pathsep) if part.strip() and part != folder]
    return os.pathsep.join([folder, *others])


def main() -> None:
    """Print the value of nnU-Net's variable with which it finds the trainers."""
    parser = argparse.ArgumentParser(
        description=f"Prints the value for {VARIABLE}, nnU-Net's variable for folders with further trainers; "
        "folders that it has already stay in it.",
        epilog=f'example: export {VARIABLE}="$(nnUNetv2_semiseg_plugin)"',
    )
    parser.parse_args()
    print(plugin_path(os.environ.get(VARIABLE, "")))
