"""Commands on several devices: one at a time on each, in logs of their own; a failure stops no other."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from nnunetv2_semiseg.comparing.devices import VISIBLE, Device
from nnunetv2_semiseg.comparing.jobs import Job, partial_folder
from nnunetv2_semiseg.comparing.workers import run_jobs
from nnunetv2_semiseg.core.launcher import CommandFailedError, Launcher

CPU = (Device("cpu"),)


def python(name: str, code: str, result: Path | None = None, epochs: int = 0) -> Job:
    return Job(name, (sys.executable, "-c", code), result, epochs)


def test_each_has_a_log_and_a_line_on_the_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = "import os; print(os.environ['GREETING'])"
    assert run_jobs([python("one", code)], CPU, tmp_path, {"GREETING": "hello"}, "work") == []
    shown, progress = capsys.readouterr()
    line = f"$ {sys.executable} -c "
    assert shown.startswith(line)
    assert f"output: {tmp_path / 'one.log'}" in shown
    assert "done in 0.0 min: one" in shown
    assert "work: 100%" in progress
    first, second = (tmp_path / "one.log").read_text().splitlines()
    assert first.startswith(line)
    assert second == "hello"


def test_the_others_go_on_where_one_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = [python("bad", "raise SystemExit(3)"), python("good", "print('fine')")]
    (failure,) = run_jobs(jobs, CPU, tmp_path, {}, "work")
    assert failure.code == 3
    assert "fine" in (tmp_path / "good.log").read_text()
    assert "failed: " in capsys.readouterr().out


def test_a_result_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad result"
    bad.mkdir()
    (bad / "out_of_date").touch()
    partial_folder(good).mkdir()
    (partial_folder(good) / "of_a_killed_command").touch()

    def writing(result: Path, end: str) -> Job:
        target = str(partial_folder(result))
        code = f"import os; os.mkdir({target!r}); open({target!r} + '/new', 'w').close(); {end}"
        return python(result.name, code, result)

    jobs = [writing(good, ""), writing(bad, "raise SystemExit(1)")]
    assert jobs[0].line.startswith(f"rm -rf {good}.partial && {sys.executable} ")
    assert jobs[1].line.endswith(f" && rm -rf '{bad}' && mv '{bad}.partial' '{bad}'")
    assert len(run_jobs(jobs, CPU, tmp_path, {}, "work")) == 1
    assert [file.name for file in good.iterdir()] == ["new"]
    assert not bad.exists()


def test_the_line_of_a_job_does_in_a_shell_what_the_job_does(tmp_path: Path) -> None:
    result = tmp_path / "result"
    result.mkdir()
    (result / "old").touch()
    job = Job("x", ("mkdir", str(partial_folder(result))), result)
    assert os.system(job.line) == 0
    assert not list(result.iterdir())
    assert not partial_folder(result).exists()


def test_a_line_may_be_run_again(tmp_path: Path) -> None:
    result = tmp_path / "result"
    line = Job("x", ("mkdir", str(partial_folder(result))), result).line
    for _ in range(2):
        assert os.system(line) == 0
        assert not list(result.iterdir())


class Recorded:
    """Stands for the launcher: keeps what is run where, and how many run at once."""

    def __init__(self, seconds: float = 0.05) -> None:
        self.seconds, self.lock = seconds, threading.Lock()
        self.where: list[str] = []
        self.running: list[str] = []
        self.most = 0

    def __call__(
        self,
        launcher: Launcher,
        words: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        on_line: Callable[[str], None],
        shown: str,
    ) -> None:
        gpu = environment.get(VISIBLE, "")
        with self.lock:
            assert gpu not in self.running
            self.running.append(gpu)
            self.where.append(gpu)
            self.most = max(self.most, len(self.running))
            assert shown.startswith(f"{VISIBLE}={gpu} train")
        time.sleep(self.seconds)
        with self.lock:
            self.running.remove(gpu)


def test_one_command_at_a_time_on_each_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Recorded()
    monkeypatch.setattr(Launcher, "run", lambda *arguments: recorded(*arguments))
    monkeypatch.delenv(VISIBLE, raising=False)
    jobs = [Job(str(number), ("train",)) for number in range(6)]
    assert run_jobs(jobs, [Device("cuda", 0), Device("cuda", 2)], tmp_path, {}, "work") == []
    assert recorded.most == 2
    assert set(recorded.where) == {"0", "2"}
    assert len(recorded.where) == 6


def test_epochs_move_the_bar(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = "print('2026-01-01 10:00:00: Epoch 7 '); print('Epoch time: 3 s'); print('Epoch 8')"
    jobs = [python("resumed", code, epochs=10), python("other", "", epochs=10)]
    run_jobs(jobs, CPU, tmp_path, {}, "trainings")
    assert "20/20" in capsys.readouterr().err
    failing = python("failing", f"{code}; raise SystemExit(1)", epochs=10)
    run_jobs([failing], CPU, tmp_path, {}, "trainings")
    assert "8/10" in capsys.readouterr().err.replace("\r", "\n").splitlines()[-1]


def test_whoever_stops_it_stops_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, stopped = [], threading.Event()

    def run(launcher: Launcher, words: Sequence[str], *rest: object) -> None:
        begun.append(words)
        assert stopped.wait(60)
        raise CommandFailedError(words[0], -15, tmp_path, [])

    def stop_at_the_second(text: str) -> None:
        if "second" in text:
            raise KeyboardInterrupt

    monkeypatch.setattr(Launcher, "run", run)
    monkeypatch.setattr(Launcher, "stop", lambda launcher: stopped.set())
    monkeypatch.setattr("nnunetv2_semiseg.comparing.workers.say", stop_at_the_second)
    jobs = [Job(name, (name,)) for name in ("first", "second", "third", "fourth")]
    with pytest.raises(KeyboardInterrupt):
        run_jobs(jobs, [Device("cuda", 0), Device("cuda", 1)], tmp_path, {}, "work")
    assert stopped.is_set()
    assert {words[0] for words in begun} <= {"first", "second"}


RUN_IN_VAIN = """
import sys
from pathlib import Path
from nnunetv2_semiseg.comparing.devices import Device
from nnunetv2_semiseg.comparing.jobs import Job
from nnunetv2_semiseg.comparing.workers import run_jobs

body = "print('Epoch', epoch, flush=True); time.sleep(0.01)"
code = f"import time\\nfor epoch in range(10**6): {body}"
job = Job("endless", (sys.executable, "-c", code), epochs=10**6)
run_jobs([job], [Device("cpu")], Path(sys.argv[1]), {}, "trainings")
"""


def test_a_screen_that_is_gone_ends_it(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", RUN_IN_VAIN, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    try:
        assert process.wait(120) != 0
    finally:
        process.kill()
    size = (tmp_path / "endless.log").stat().st_size
    time.sleep(0.2)
    assert (tmp_path / "endless.log").stat().st_size == size
