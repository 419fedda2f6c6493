"""Schedules against the released numbers and their own promises."""

from __future__ import annotations

import json

import pytest
from golden_files import GOLDEN

from nnunetv2_semiseg.methods.parts.schedules import linear_warmup, sigmoid_ramp
from nnunetv2_semiseg.methods.step import Progress

RAMPS = json.loads((GOLDEN / "schedules.json").read_text())["sigmoid_rampup"]


@pytest.mark.parametrize(("step", "value"), zip(RAMPS["current"], RAMPS["value"], strict=True))
def test_sigmoid_ramp(step: int, value: float) -> None:
    assert sigmoid_ramp(Progress(step, RAMPS["rampup_length"])) == pytest.approx(value, rel=1e-6)


def test_a_short_run_is_a_small_model_of_a_long_one() -> None:
    assert sigmoid_ramp(Progress(3, 10)) == pytest.approx(sigmoid_ramp(Progress(300, 1000)))


def test_warmup_rises_and_stays() -> None:
    factors = [linear_warmup(Progress(step, 10_000), 4) for step in range(6)]
    assert factors == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_warmup_takes_at_most_a_tenth() -> None:
    assert linear_warmup(Progress(9, 100), 250) == 1.0
    assert linear_warmup(Progress(4, 100), 250) == 0.5
    assert linear_warmup(Progress(0, 5), 250) == 1.0
    assert linear_warmup(Progress(0, 5), 0) == 1.0
