"""How fast a training goes, and when all of it will be over."""

from __future__ import annotations

import time
from collections.abc import Callable

EPOCHS_OF_MEAN = 10
"""The last ones count: a machine that others use as well changes its pace."""


class Pace:
    """Counts the steps of an epoch and takes times, all of them in seconds."""

    def __init__(self, epochs: int, iterations: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing has been trained yet.

        Args:
            epochs: Of the whole training, those before a resumption included.
            iterations: Of an epoch.
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
        """To the epoch's last step; at least one step must have been counted."""
        return (self.iterations - self.step) / self.rate

    @property
    def training_left(self) -> float:
        """To the last epoch's end; at least one step must have been counted.

        By the duration of whole epochs, with validation and checkpoints; by the steps alone in the first.
        """
        durations = [end - start for start, end in zip(self._starts, self._starts[1:], strict=False)]
        # the first one compiles networks and starts processes
        typical = durations[1:][-EPOCHS_OF_MEAN:] or durations
        whole = sum(typical) / len(typical) if typical else self.iterations / self.rate
        return max(0.0, whole - self._elapsed()) + (self.epochs - self.epoch - 1) * whole

    def _elapsed(self) -> float:
        return self.now() - self._starts[-1]
