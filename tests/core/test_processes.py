"""Background processes: what they give, and what is said where memory runs out in one of them."""

from __future__ import annotations

import os
import signal
import time

import pytest

from nnunetv2_semiseg.core.processes import WorkerKilledError, results_of_workers

KILLED = "it was killed: use fewer"


def double(number: int) -> int:
    return 2 * number


def own_process(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def be_killed(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def need_too_much(number: int) -> int:
    raise MemoryError


def fail(number: int) -> int:
    raise ValueError(f"{number} is wrong")


def test_results_have_their_index_and_a_bar_counts_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert sorted(results_of_workers(double, [3, 4, 5], 2, "numbers", KILLED)) == [(0, 6), (1, 8), (2, 10)]
    assert "numbers: 100%" in capsys.readouterr().err


def test_tasks_are_done_in_several_other_processes() -> None:
    results = results_of_workers(own_process, [0.5] * 4, 2, "processes", KILLED)
    processes = {process for _, process in results}
    assert len(processes) == 2
    assert os.getpid() not in processes


def test_nothing_to_do_starts_no_process() -> None:
    assert not list(results_of_workers(double, [], 0, "numbers", KILLED))


@pytest.mark.parametrize("work", [be_killed, need_too_much])
def test_no_memory_left(work: object) -> None:
    with pytest.raises(WorkerKilledError, match=r"^it was killed: use fewer$"):
        list(results_of_workers(work, [1, 2], 1, "numbers", KILLED))


def test_other_errors_come_as_they_are() -> None:
    with pytest.raises(ValueError, match="1 is wrong"):
        list(results_of_workers(fail, [1], 1, "numbers", KILLED))
