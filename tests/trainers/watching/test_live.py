"""The line of progress: in a terminal, in a file, and how often it asks the device."""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Callable
from typing import Any

import pytest
import torch

from nnunetv2_semiseg.trainers.engine import log as training_log
from nnunetv2_semiseg.trainers.watching.live import LiveProgress, Pace, speed_line

VALUES = {"loss": torch.tensor(0.5), "semiseg/loss/supervised": torch.tensor(0.25)}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Shown:
    """An epoch of 100 steps of a second each."""

    def __init__(self, stream: io.StringIO, iterations: int = 100) -> None:
        self.seconds = 0.0
        self.stream = stream
        self.lines: list[str] = []
        self.pace = Pace(epochs=10, iterations=iterations, clock=lambda: self.seconds)
        self.live = LiveProgress(self.pace, self.lines.append, stream)
        self.pace.start_epoch(3)
        self.live.start()

    def run(self, steps: int, values: dict[str, torch.Tensor] = VALUES) -> None:
        for _ in range(steps):
            self.seconds += 1
            self.pace.count_step()
            self.live.step(values)

    def last(self) -> str:
        self.live._bar.refresh()  # type: ignore[union-attr]
        return self.stream.getvalue().split("\r")[-1]


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many steps each look at the device took together."""
    counts: list[int] = []
    means = training_log.epoch_means

    def count(steps: Any) -> dict[str, float]:
        counts.append(len(steps))
        return means(steps)

    monkeypatch.setattr(training_log, "epoch_means", count)
    return counts


@pytest.fixture
def columns(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def resize(width: int) -> None:
        size = os.terminal_size((width, 40))
        monkeypatch.setattr(shutil, "get_terminal_size", lambda *_: size)

    return resize


def test_a_terminal_shows_pace_times_and_losses(columns: Callable[[int], None]) -> None:
    columns(200)
    shown = Shown(Terminal())
    shown.run(40)
    line = shown.last()
    assert re.search(r"Epoch 3/10: 40/100 \|.*\| +[\d.]+it/s, [\d:]+ left, training 11:00 left, loss", line)
    assert "left, loss 0.5, supervised 0.25" in line
    assert "\n" not in shown.stream.getvalue()
    shown.live.end()
    assert shown.stream.getvalue().rstrip("\r").split("\r")[-1].strip() == "", "the line is wiped out"
    assert not shown.lines


def test_the_losses_are_means_of_late(columns: Callable[[int], None]) -> None:
    columns(200)
    shown = Shown(Terminal())
    shown.run(5, {"loss": torch.tensor(100.0)})
    assert "loss 100" in shown.last()
    for loss in (2.0, 4.0, 2.0, 4.0, 3.0):
        shown.run(1, {"loss": torch.tensor(loss)})
    assert "loss 3" in shown.last()


def test_a_narrow_terminal_has_the_loss_and_no_half_of_the_next_value(columns: Callable[[int], None]) -> None:
    columns(80)
    shown = Shown(Terminal())
    shown.run(10)
    assert re.search(r"Epoch 3/10: 10/100, +[\d.]+it/s, [\d:]+ left, training", shown.last())
    assert "loss 0.5" in shown.last()
    assert "superv" not in shown.last()
    assert len(shown.last()) <= 80


def test_the_device_is_asked_now_and_then(fetched: list[int]) -> None:
    shown = Shown(Terminal())
    shown.run(100)
    assert fetched == [5] * 20


def test_a_file_gets_few_lines_and_no_carriage_returns(fetched: list[int]) -> None:
    stream = io.StringIO()
    shown = Shown(stream, iterations=3600)
    shown.run(1500)
    shown.live.end()
    assert stream.getvalue() == ""
    assert fetched == [600, 600]
    assert shown.lines[1] == (
        "Epoch 3: 1200/3600, 1 it/s, 40:00 left, training 6:40:00 left, loss 0.5, supervised 0.25"
    )


def test_an_epoch_of_minutes_has_no_line_of_its_own_in_a_file(fetched: list[int]) -> None:
    shown = Shown(io.StringIO())
    shown.run(100)
    assert not shown.lines
    assert not fetched
    assert speed_line(shown.pace) == "Speed: 1 iterations/s, about 10:00 to the end of the training"
