"""One line of progress: rewritten in a terminal, a new one now and then in a file."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

import torch
from tqdm import tqdm

from nnunetv2_semiseg.trainers.engine import log as training_log

REFRESH_SECONDS = 5.0
"""Between two looks at the losses in a terminal: each look waits for the device."""

PLAIN_SECONDS = 600.0
"""Between two lines where there is no terminal: an epoch has lines of its own, few last so long."""

NARROW = "{desc}: {n_fmt}/{total_fmt}, {rate_fmt}, {remaining} left{postfix}"
WIDE = "{desc}: {n_fmt}/{total_fmt} |{bar:10}| {rate_fmt}, {remaining} left{postfix}"
"""Layout with a bar, from `WIDE_FROM` columns on."""

WIDE_FROM = 100

SLACK = 4
"""Columns by which the line may grow until the next look at the losses."""

StepValues = Mapping[str, torch.Tensor]


class LiveProgress:
    """Where an epoch stands, how fast it goes, when it and the training end, and the losses of late."""

    def __init__(self, pace: Pace, log: Callable[[str], None], stream: TextIO | None = None) -> None:
        """Show nothing yet.

        Args:
            pace: Counts the steps; whoever has this object calls it.
            log: Takes a line, where ``stream`` is no terminal.
            stream: Where the line stands; None: standard error.
        """
        self._pace, self._log = pace, log
        self._stream = sys.stderr if stream is None else stream
        self._bar: tqdm[Any] | None = None
        self._recent: list[StepValues] = []
        self._shown_at = 0.0

    def start(self) -> None:
        """An epoch begins."""
        self._recent, self._shown_at = [], self._pace.now()
        if self._stream.isatty():
            pace = self._pace
            self._bar = tqdm(
                total=pace.iterations,
                desc=f"Epoch {pace.epoch}/{pace.epochs}",
                bar_format=WIDE if _columns() >= WIDE_FROM else NARROW,
                dynamic_ncols=True,
                position=0,
                leave=False,
                mininterval=0.5,
                file=self._stream,
            )

    def step(self, values: StepValues) -> None:
        """A step is done and counted.

        Args:
            values: Scalars on the device; they are fetched now and then.
        """
        self._recent.append(values)
        if self._bar is not None:
            self._bar.update()
        now = self._pace.now()
        if now - self._shown_at < (PLAIN_SECONDS if self._bar is None else REFRESH_SECONDS):
            return
        self._shown_at = now
        means = training_log.epoch_means(self._recent)
        self._recent = []
        if self._bar is None:
            self._log(self._plain_line(means))
        else:
            times = f"training {self._training_left()} left"
            self._bar.set_postfix_str(times, refresh=False)
            space = _columns() - len(str(self._bar)) - SLACK
            self._bar.set_postfix_str(times + _values(means, space), refresh=False)

    def end(self) -> None:
        """The epoch's steps are done: the line goes, the log's lines come."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _plain_line(self, means: Mapping[str, float]) -> str:
        pace = self._pace
        return (
            f"Epoch {pace.epoch}: {pace.step}/{pace.iterations}, {pace.rate:.3g} it/s, "
            f"{tqdm.format_interval(pace.epoch_left)} left, training {self._training_left()} left"
            f"{_values(means, 10**6)}"
        )

    def _training_left(self) -> str:
        return str(tqdm.format_interval(self._pace.training_left))


def speed_line(pace: Pace) -> str:
    """Line of the log at the end of an epoch's steps."""
    left = tqdm.format_interval(pace.training_left)
    return f"Speed: {pace.rate:.3g} iterations/s, about {left} to the end of the training"


def _columns() -> int:
    return shutil.get_terminal_size().columns


def _values(means: Mapping[str, float], space: int) -> str:
    """Total, terms and measures, as many of them as there is space for."""
    text = ""
    for key, value in means.items():
        item = f", {key.rsplit('/', 1)[-1]} {value:.3g}"
        if len(text) + len(item) > space:
            break
        text += item
    return text


EPOCHS_OF_MEAN = 10
"""The last ones count: a machine that others use as well changes its pace."""


class Pace:
    """Counts the steps of an epoch and takes times, all of them in seconds."""

    def __init__(self, epochs: int, iterations: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing has been trained yet.

        Args:
            epochs: Number of epochs of the whole training, those before a resumption included.
            iterations: Steps of an epoch.
            clock: Seconds since some moment.
        """
        self.epochs, self.iterations = epochs, iterations
        self.epoch = self.step = 0
        self.now = clock
        self._starts: list[float] = []

    def start_epoch(self, epoch: int) -> None:
        """Begin to count at 0."""
        self._starts.append(self.now())
        self.epoch, self.step = epoch, 0

    def count_step(self) -> None:
        """A step is done."""
        self.step += 1

    @property
    def rate(self) -> float:
        """Steps a second in this epoch."""
        return self.step / max(self._elapsed(), 1e-9)

    @property
    def epoch_left(self) -> float:
        """Seconds to the epoch's last step; at least one step must have been counted."""
        return (self.iterations - self.step) / self.rate

    @property
    def training_left(self) -> float:
        """Seconds to the last epoch's end; at least one step must have been counted.

        By the duration of whole epochs, with validation and checkpoints; by the steps alone in the first.
        """
        durations = [end - start for start, end in zip(self._starts, self._starts[1:], strict=False)]
        # the first one compiles networks and starts processes
        typical = durations[1:][-EPOCHS_OF_MEAN:] or durations
        whole = sum(typical) / len(typical) if typical else self.iterations / self.rate
        return max(0.0, whole - self._elapsed()) + (self.epochs - self.epoch - 1) * whole

    def _elapsed(self) -> float:
        return self.now() - self._starts[-1]
