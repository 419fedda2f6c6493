"""Commands that are run: their output in files, how they fail, and that none is left behind."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from nnunetv2_semiseg.core.launcher import CommandFailedError, Launcher, with_own_programs


def python(code: str) -> list[str]:
    return [sys.executable, "-u", "-c", code]


def test_output_goes_to_the_log_and_to_whoever_listens(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    lines: list[str] = []
    code = "import os, sys; print('out', os.environ['A']); print('err', file=sys.stderr)"
    Launcher().run(python(code), log, {**os.environ, "A": "1"}, lines.append)
    assert lines == ["out 1\n", "err\n"]
    assert log.read_text() == "before\nout 1\nerr\n"


def test_a_failure_in_one_sentence(tmp_path: Path) -> None:
    code = "print('first'); print('the cause'); print(); raise SystemExit(3)"
    with pytest.raises(CommandFailedError) as error:
        Launcher().run(python(code), tmp_path / "log", os.environ, shown="train it")
    expected = f"'train it' ended with exit code 3; its output is in {tmp_path / 'log'}, "
    assert str(error.value) == f"{expected}the last line of it: the cause"
    assert error.value.tail == ["first\n", "the cause\n", "\n"]


def test_a_kill_is_told_from_an_error(tmp_path: Path) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(CommandFailedError, match="by the signal SIGKILL, most likely because memory ran out"):
        Launcher().run(python(code), tmp_path / "log", os.environ)


def wait_for(file: Path) -> int:
    deadline = time.monotonic() + 60
    while not (file.is_file() and file.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return int(file.read_text())


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="not Linux")
def test_stopping_ends_what_a_command_started_and_starts_no_more(tmp_path: Path) -> None:
    child = (
        f"import os, time; open({str(tmp_path / 'child')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    )
    code = (
        f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(600)"
    )
    launcher, failures = Launcher(), []

    def run() -> None:
        try:
            launcher.run(python(code), tmp_path / "log", os.environ)
        except CommandFailedError as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    process = wait_for(tmp_path / "child")
    launcher.stop()
    thread.join(60)
    deadline = time.monotonic() + 60
    while is_running(process):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert "SIGTERM" in str(failures[0])
    with pytest.raises(InterruptedError):
        launcher.run(python(""), tmp_path / "log", os.environ)


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="not Linux")
def test_a_listener_that_fails_leaves_no_command_behind(tmp_path: Path) -> None:
    code = "import os, time; print(os.getpid()); time.sleep(600)"
    seen: list[int] = []

    def fail(line: str) -> None:
        seen.append(int(line))
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        Launcher().run(python(code), tmp_path / "log", os.environ, fail)
    assert not is_running(seen[0])


def test_programs_beside_this_python_come_first(tmp_path: Path) -> None:
    path = with_own_programs({"PATH": "/bin"})["PATH"]
    assert path == f"{os.path.dirname(sys.executable)}:/bin"
