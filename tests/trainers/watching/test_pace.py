"""Rates and times left, with a clock of the test's own."""

from __future__ import annotations

import pytest

from nnunetv2_semiseg.trainers.watching.live import EPOCHS_OF_MEAN, Pace


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def run_steps(pace: Pace, clock: Clock, count: int, seconds: float) -> None:
    for _ in range(count):
        clock.seconds += seconds
        pace.count_step()


def test_the_first_epoch_counts_steps_alone(clock: Clock) -> None:
    pace = Pace(epochs=4, iterations=10, clock=clock)
    pace.start_epoch(0)
    run_steps(pace, clock, 5, seconds=2)
    assert pace.rate == pytest.approx(0.5)
    assert pace.epoch_left == pytest.approx(10)
    assert pace.training_left == pytest.approx(10 + 3 * 20)


def test_later_epochs_count_validation_too_and_forget_the_first(clock: Clock) -> None:
    pace = Pace(epochs=4, iterations=10, clock=clock)
    for epoch, (step, validation) in enumerate([(50, 100), (2, 15)]):
        pace.start_epoch(epoch)
        run_steps(pace, clock, 10, step)
        clock.seconds += validation
    pace.start_epoch(2)
    run_steps(pace, clock, 5, 2)
    assert pace.epoch_left == pytest.approx(10)
    assert pace.training_left == pytest.approx((35 - 10) + 35)


def test_the_second_epoch_has_only_the_first_to_go_by(clock: Clock) -> None:
    pace = Pace(epochs=3, iterations=2, clock=clock)
    pace.start_epoch(0)
    run_steps(pace, clock, 2, 10)
    pace.start_epoch(1)
    run_steps(pace, clock, 1, 5)
    assert pace.training_left == pytest.approx(15 + 20)


def test_an_epoch_that_takes_longer_than_usual_leaves_no_negative_time(clock: Clock) -> None:
    pace = Pace(epochs=2, iterations=2, clock=clock)
    pace.start_epoch(0)
    run_steps(pace, clock, 2, 1)
    pace.start_epoch(1)
    run_steps(pace, clock, 1, 50)
    assert pace.training_left == 0


def test_a_machine_that_became_slow_counts_by_its_last_epochs(clock: Clock) -> None:
    epochs = 2 * EPOCHS_OF_MEAN
    pace = Pace(epochs + 2, iterations=1, clock=clock)
    for epoch in range(epochs):
        pace.start_epoch(epoch)
        run_steps(pace, clock, 1, 1 if epoch < EPOCHS_OF_MEAN else 9)
    pace.start_epoch(epochs)
    run_steps(pace, clock, 1, 9)
    assert pace.training_left == pytest.approx(9)


def test_a_resumed_training_counts_from_its_epoch(clock: Clock) -> None:
    pace = Pace(epochs=10, iterations=2, clock=clock)
    pace.start_epoch(8)
    run_steps(pace, clock, 2, 1)
    assert pace.training_left == pytest.approx(2)
