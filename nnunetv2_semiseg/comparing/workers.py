"""Running the commands of a comparison: one at a time on each device, with progress and logs."""

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
"""Line of nnU-Net's log with which an epoch begins."""

SECONDS_PER_MINUTE = 60

_Event = str | int | None
"""Line to print, number of steps of the bar, or None at the end of a job."""


class _Bar(tqdm):  # type: ignore[type-arg]
    """Progress bar that is drawn only by the thread that made it.

    tqdm keeps its lock if drawing fails, as into a pipe that nobody reads any more. Another thread, even
    tqdm's own monitor, would then wait for the lock forever.
    """

    monitor_interval = 0


def run_jobs(
    jobs: Sequence[Job], devices: Sequence[Device], logs: Path, variables: Mapping[str, str], title: str
) -> list[CommandFailedError]:
    """Run commands; if one fails, the others go on.

    Args:
        jobs: Commands in the order in which they are started.
        devices: Devices that the commands run on, one command at a time each.
        logs: Existing folder for the log of each command.
        variables: Environment variables beyond those of this process.
        title: Title of the progress bar.

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
    """Draw the events of the threads until all jobs are finished."""
    while jobs:
        event = events.get()
        if event is None:
            jobs -= 1
        elif isinstance(event, int):
            bar.update(event)
        else:
            say(event)


class _Worker:
    """State that the threads share.

    Attributes:
        launcher: Launcher of their commands.
        events: Events to draw.
    """

    def __init__(self, devices: Sequence[Device], logs: Path, variables: Mapping[str, str]) -> None:
        """Start with all devices free."""
        self.launcher = Launcher()
        self.events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._free: queue.SimpleQueue[Device] = queue.SimpleQueue()
        for device in devices:
            self._free.put(device)
        self._logs, self._variables = logs, variables

    def run(self, job: Job) -> CommandFailedError | None:
        """Run a job on the next free device, and return its failure if it fails."""
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
        self.launcher.run(job.words, log, environment, progress.read_line, shown)
        job.end()
        progress.finish()
        minutes = (time.monotonic() - begun) / SECONDS_PER_MINUTE
        self.events.put(f"  done in {minutes:.1f} min: {job.name}")


class _Progress:
    """Moves the bar by the epochs in a training's output, and at the end by the rest."""

    def __init__(self, steps: int, move: Callable[[int], object]) -> None:
        self._steps, self._seen, self._move = steps, 0, move

    def read_line(self, line: str) -> None:
        """Move the bar if a line of the output begins an epoch."""
        match = EPOCH.search(line)
        if match:
            self._move_to(int(match[1]))

    def finish(self) -> None:
        """Move the bar to the end of the command."""
        self._move_to(self._steps)

    def _move_to(self, step: int) -> None:
        if self._seen < step <= self._steps:
            self._move(step - self._seen)
            self._seen = step


def _steps(job: Job) -> int:
    return max(1, job.epochs)
