"""Running the commands of a comparison: one at a time on each device, with progress, each in a log."""

from __future__ import annotations

import os
import queue
import re
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from nnunetv2_semiseg.comparing.devices import Device
from nnunetv2_semiseg.comparing.jobs import Job
from nnunetv2_semiseg.core.launcher import CommandFailedError, Launcher, say

EPOCH = re.compile(r"\bEpoch (\d+)\s*$")
"""The line of nnU-Net's log that an epoch begins with."""

SECONDS_A_MINUTE = 60

_Event = str | int | None
"""A line to print, steps of the bar, or the end of a job."""


class _Bar(tqdm):  # type: ignore[type-arg]
    """Is drawn by the thread that made it alone.

    tqdm keeps its lock where drawing fails, as into a pipe that nobody reads any more: another thread, also
    tqdm's own monitor, would wait for it forever.
    """

    monitor_interval = 0


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
    total = sum(map(_steps, jobs))
    bar = _Bar(total=total, desc=title, unit="epoch" if total > len(jobs) else "command")
    worker = _Worker(devices, logs, variables)
    with bar, ThreadPoolExecutor(len(devices)) as pool:
        futures = [pool.submit(worker.run, job) for job in jobs]
        try:
            _show(worker.events, bar, len(jobs))
            return [error for error in (future.result() for future in futures) if error is not None]
        except BaseException:  # above all when the user stops it: no training goes on unseen
            pool.shutdown(wait=False, cancel_futures=True)
            worker.launcher.stop()
            raise


def _show(events: queue.SimpleQueue[_Event], bar: _Bar, jobs: int) -> None:
    """Draw what the threads tell until all jobs are over."""
    while jobs:
        event = events.get()
        if event is None:
            jobs -= 1
        elif isinstance(event, int):
            bar.update(event)
        else:
            say(event)


class _Worker:
    """What the threads have in common.

    Attributes:
        launcher: Runs their commands.
        events: What there is to be drawn.
    """

    def __init__(self, devices: Sequence[Device], logs: Path, variables: Mapping[str, str]) -> None:
        """All devices are free."""
        self.launcher = Launcher()
        self.events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._free: queue.SimpleQueue[Device] = queue.SimpleQueue()
        for device in devices:
            self._free.put(device)
        self._logs, self._variables = logs, variables

    def run(self, job: Job) -> CommandFailedError | None:
        """One job on the next free device; its failure, if it fails."""
        device = self._free.get()
        try:
            self._run_on(job, device)
        except CommandFailedError as error:
            self.events.put(f"  failed: {error}")
            return error
        finally:
            self._free.put(device)
            self.events.put(None)
        return None

    def _run_on(self, job: Job, device: Device) -> None:
        own = device.variables(os.environ)
        shown = " ".join([*(f"{name}={shlex.quote(value)}" for name, value in own.items()), job.line])
        log = self._logs / f"{job.name}.log"
        self.events.put(f"$ {shown}\n  output: {log}")
        with log.open("a") as file:
            file.write(f"$ {shown}\n")
        begun, progress = time.monotonic(), _Progress(_steps(job), self.events.put)
        job.begin()
        environment = {**os.environ, **self._variables, **own}
        self.launcher.run(job.words, log, environment, progress.look, shown)
        job.end()
        progress.finish()
        minutes = (time.monotonic() - begun) / SECONDS_A_MINUTE
        self.events.put(f"  done in {minutes:.1f} min: {job.name}")


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
