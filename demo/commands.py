"""Running command lines where people can follow them: shown, timed, their output kept in a log."""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nnunetv2_semiseg.commands.plugin import plugin_path
from nnunetv2_semiseg.core.launcher import Launcher, say

FOLDERS = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")
"""nnU-Net's variables, and the names of the folders below the demo's output."""

SHOWN = re.compile(r"(Pseudo dice|Mean Validation Dice|Loss terms|Measures).*")
"""Parts of a command's output that are shown as they come; all of it is in the log."""


def demo_variables(output: Path) -> dict[str, str]:
    """The environment variables of all commands of the demo.

    Args:
        output: Folder below which everything is written.
    """
    variables = {name: str(output / name) for name in FOLDERS}
    variables["nnUNet_extTrainer"] = plugin_path("")
    variables["nnUNet_def_n_proc"] = "2"
    variables["nnUNet_compile"] = "f"
    # threads that wait for each other actively would slow a busy machine down many times
    variables |= {"OMP_THREAD_LIMIT": "2", "OMP_WAIT_POLICY": "PASSIVE", "MPLBACKEND": "Agg"}
    return variables


@dataclass
class Shell:
    """Runs commands of this Python environment.

    Attributes:
        logs: Existing folder for one log a command.
        variables: Environment variables beyond those of this process.
        seconds: How long each command took, by the command as shown.
    """

    logs: Path
    variables: Mapping[str, str]
    seconds: dict[str, float] = field(default_factory=dict)
    _launcher: Launcher = field(default_factory=Launcher)

    def show_variables(self) -> None:
        """Print the variables as a person would set them."""
        for name, value in self.variables.items():
            say(f"export {name}={shlex.quote(value)}")

    def run(self, *command: object, **variables: str) -> None:
        """Show a command, run it and wait for its end.

        Args:
            command: The program and its arguments.
            variables: Environment variables of this command alone.

        Raises:
            CommandFailedError: The command ended with another exit code than 0.
        """
        words = [str(word) for word in command]
        settings = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
        shown = " ".join([*settings, shlex.join(words)])
        say(f"\n$ {shown}")
        log = self.logs / f"{len(self.seconds) + 1:02d}_{Path(words[0]).name}.log"
        start = time.monotonic()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("nnUNet_")}
        environment = {**inherited, **self.variables, **variables}
        self._launcher.run(words, log, environment, _show, shown)
        self.seconds[shown] = time.monotonic() - start
        say(f"  done in {self.seconds[shown]:.0f} s, log: {log}")


def _show(line: str) -> None:
    match = SHOWN.search(line)
    if match:
        say(f"  {match[0]}")
