"""Running commands whose output goes to files."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

LAST_LINES = 20
"""Lines of a command's output that are kept in memory."""

PATIENCE = 10.0
"""Seconds that a command gets to end by itself once it was told to."""


@dataclass
class CommandFailedError(Exception):
    """A command ended with an error.

    Attributes:
        command: The command as it was shown to the user.
        code: Exit code of the command; a negative one is the signal that ended it.
        log: File with all of the command's output.
        tail: Last lines of that output.
    """

    command: str
    code: int
    log: Path
    tail: list[str]

    def __str__(self) -> str:
        """One sentence: what failed, how it ended, where its output is."""
        said = [line.strip() for line in self.tail if line.strip()]
        end = f", the last line of it: {said[-1]}" if said else ""
        return f"'{self.command}' {_ended(self.code)}; its output is in {self.log}{end}"


class Launcher:
    """Runs commands of this Python environment, several at once if they are started in threads."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False
        self._lock = threading.Lock()

    def run(
        self,
        words: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        on_line: Callable[[str], None] = lambda line: None,
        shown: str | None = None,
    ) -> None:
        """Run a command to its end.

        Args:
            words: The program, which is looked for beside this Python first, and its arguments.
            log: File that the output is added to.
            environment: All environment variables.
            on_line: Called with each line of the output.
            shown: The command in messages; None: ``words``.

        Raises:
            CommandFailedError: The command ended with another exit code than 0.
        """
        tail: deque[str] = deque(maxlen=LAST_LINES)
        with log.open("a") as file:
            process = self._start(words, environment)
            try:
                for line in process.stdout or ():
                    file.write(line)
                    file.flush()
                    tail.append(line)
                    on_line(line)
                process.wait()
            finally:  # whatever happens here, as on a full disk, no command goes on unwatched
                _signal_group(process, signal.SIGKILL)
                process.wait()
                with self._lock:
                    self._running.discard(process)
        if process.returncode != 0:
            raise CommandFailedError(shown or " ".join(words), process.returncode, log, list(tail))

    def stop(self) -> None:
        """End all commands with whatever they started, and start no more."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            _signal_group(process, signal.SIGTERM)
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
            # what the command started may outlive it
            _signal_group(process, signal.SIGKILL)

    def _start(self, words: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
        with self._lock:
            if self._stopped:
                raise InterruptedError("no more commands are started")
            process = subprocess.Popen(
                list(words),
                env=with_own_programs(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            self._running.add(process)
            return process


def say(text: str) -> None:
    """Print at once, also into a pipe, and beside progress bars."""
    tqdm.write(text)
    sys.stdout.flush()


def with_own_programs(environment: Mapping[str, str]) -> dict[str, str]:
    """Environment variables with which the programs beside this Python are found first."""
    programs = os.path.dirname(sys.executable)
    return {**environment, "PATH": os.pathsep.join([programs, environment.get("PATH", "")])}


def _signal_group(process: subprocess.Popen[str], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name if -code in signal.valid_signals() else str(-code)
    reason = ", most likely because memory ran out" if name == "SIGKILL" else ""
    return f"was ended by the signal {name}{reason}"
