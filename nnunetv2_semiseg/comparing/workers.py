"""Running the commands of a comparison: one at a time on each device, with progress, each in a log."""

from __future__ import annotations

import os
import queue
import re
import shlex
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tqdm import tqdm

from nnunetv2_semiseg.comparing.devices import Device
from nnunetv2_semiseg.comparing.jobs import Job
from nnunetv2_semiseg.running import CommandFailedError, Launcher, say

EPOCH = re.compile(r"\bEpoch (\d+)\s*$")
"""The line of nnU-Net's log that an epoch begins with."""

SECONDS_A_MINUTE = 60


def run_jobs(
    jobs: Sequence[Job], devices: Sequence[Device], logs: Path, variables: Mapping[str, str], title: str
) -> list[CommandFailedError]:
    """Run commands; where one fails, the others go on.

    Args:
        jobs: In the order in which they are begun.
        devices: On each, one command at a time runs.
        logs: Existing folder for a log of each.
        variables: Environment variables beyond those of this process.
        title: Of the progress bar.

    Returns:
        The failures, in the order of the jobs.
    """
    launcher = Launcher()
    free: queue.SimpleQueue[Device] = queue.SimpleQueue()
    for device in devices:
        free.put(device)
    total = sum(map(_steps, jobs))
    bar: tqdm[Any]
    with tqdm(total=total, desc=title, unit="epoch" if total > len(jobs) else "command") as bar:
        worker = _Worker(launcher, free, logs, variables, bar)
        pool = ThreadPoolExecutor(max(1, len(devices)))
        try:
            return [error for error in pool.map(worker.run, jobs) if error is not None]
        except BaseException:  # above all when the user stops it: no training goes on unseen
            pool.shutdown(wait=False, cancel_futures=True)
            launcher.stop()
            raise
        finally:
            pool.shutdown()


class _Worker:
    """What the threads have in common."""

    def __init__(
        self,
        launcher: Launcher,
        free: queue.SimpleQueue[Device],
        logs: Path,
        variables: Mapping[str, str],
        bar: tqdm[Any],
    ) -> None:
        """Take the devices that are free and the bar to move."""
        self._launcher, self._free, self._logs = launcher, free, logs
        self._variables, self._bar, self._lock = variables, bar, threading.Lock()

    def run(self, job: Job) -> CommandFailedError | None:
        """One job on the next free device; its failure, if it fails."""
        device = self._free.get()
        try:
            self._run_on(job, device)
        except CommandFailedError as error:
            if not self._launcher.stopped:
                say(f"  failed: {error}")
            return error
        finally:
            self._free.put(device)
        return None

    def _run_on(self, job: Job, device: Device) -> None:
        own = device.variables(os.environ)
        shown = " ".join([*(f"{name}={shlex.quote(value)}" for name, value in own.items()), job.line])
        log = self._logs / f"{job.name}.log"
        say(f"$ {shown}\n  output: {log}")
        with log.open("a") as file:
            file.write(f"$ {shown}\n")
        begun, progress = time.monotonic(), _Progress(_steps(job), self._move)
        job.begin()
        environment = {**os.environ, **self._variables, **own}
        self._launcher.run(job.words, log, environment, progress.look, shown)
        job.end()
        progress.finish()
        say(f"  done in {(time.monotonic() - begun) / SECONDS_A_MINUTE:.1f} min: {job.name}")

    def _move(self, steps: int) -> None:
        with self._lock:
            self._bar.update(steps)


class _Progress:
    """Moves the bar by the epochs that a training's output tells, and at its end by the rest."""

    def __init__(self, steps: int, move: Callable[[int], object]) -> None:
        self._steps, self._seen, self._move = steps, 0, move

    def look(self, line: str) -> None:
        """At a line of the output."""
        match = EPOCH.search(line)
        if match:
            self._move_to(int(match[1]))

    def finish(self) -> None:
        """The command is at its end."""
        self._move_to(self._steps)

    def _move_to(self, step: int) -> None:
        if self._seen < step <= self._steps:
            self._move(step - self._seen)
            self._seen = step


def _steps(job: Job) -> int:
    return max(1, job.epochs)
