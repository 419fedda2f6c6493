"""Running command lines where people can follow them: shown, timed, their output kept in a log."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nnunetv2_semiseg.commands.plugin import plugin_path

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
class CommandFailedError(Exception):
    """A command ended with an error.

    Attributes:
        command: As it was run.
        code: Its exit code.
        log: File with all of its output.
        tail: The last lines of it.
    """

    command: str
    code: int
    log: Path
    tail: list[str]

    def __str__(self) -> str:
        """All that helps to find the cause."""
        return f"'{self.command}' ended with exit code {self.code}; its output is in {self.log}:\n" + "".join(
            self.tail
        )


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
            CommandFailedError: It ended with another exit code than 0.
        """
        words = [str(word) for word in command]
        settings = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
        shown = " ".join([*settings, shlex.join(words)])
        say(f"\n$ {shown}")
        log = self.logs / f"{len(self.seconds) + 1:02d}_{Path(words[0]).name}.log"
        start = time.monotonic()
        process = subprocess.Popen(
            words,
            env=self._environment(variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        tail = _follow(process, log)
        if process.wait() != 0:
            raise CommandFailedError(shown, process.returncode, log, tail)
        self.seconds[shown] = time.monotonic() - start
        say(f"  done in {self.seconds[shown]:.0f} s, log: {log}")

    def _environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("nnUNet_")}
        programs = os.path.dirname(sys.executable)
        inherited["PATH"] = os.pathsep.join([programs, inherited.get("PATH", "")])
        return {**inherited, **self.variables, **variables}


def say(text: str) -> None:
    """Print at once, also into a pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _follow(process: subprocess.Popen[str], log: Path) -> list[str]:
    """Write a process's output to a log until it ends; the last lines."""
    tail: deque[str] = deque(maxlen=20)
    with log.open("w") as file:
        for line in process.stdout or ():
            file.write(line)
            file.flush()
            tail.append(line)
            match = SHOWN.search(line)
            if match:
                say(f"  {match[0]}")
    return list(tail)
