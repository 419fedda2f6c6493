"""Preprocessing in real processes: kills, and two runs at the same time."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import unlabeled_fixtures
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
from threads import use_threads
from unlabeled_fixtures import RGB, UNLABELED, make_dataset

from nnunetv2_semiseg.data.unlabeled import preprocessing as unlabeled

pytestmark = pytest.mark.slow

MANY = [f"case_{number:03d}" for number in range(40)]
ALL = sorted([*UNLABELED, *MANY])

PROGRAM = """
import sys, time
from pathlib import Path
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from unlabeled_fixtures import RGB, TinyDataset

def slowly(self, *arguments, run_case_npy=DefaultPreprocessor.run_case_npy):
    time.sleep(0.3)
    return run_case_npy(self, *arguments)

DefaultPreprocessor.run_case_npy = slowly
if __name__ == "__main__":
    dataset = TinyDataset(Path(sys.argv[1]), RGB)
    print(dataset.preprocess())
    print(dataset.log)
"""


@pytest.fixture
def dataset(tmp_path, tmp_path_factory, monkeypatch):
    dataset = make_dataset(RGB, tmp_path, tmp_path_factory, monkeypatch)
    for seed, case in enumerate(MANY):
        dataset.write(case, seed=seed)
    return dataset


def start(dataset, tmp_path) -> subprocess.Popen:
    program = tmp_path / "preprocess_slowly.py"
    program.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": os.fspath(Path(unlabeled_fixtures.__file__).parent)}
    command = [sys.executable, str(program), str(dataset.root)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def wait_for(condition, seconds=90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def recorded(dataset) -> int:
    return len(dataset.manifest()["cases"]) if dataset.manifest_file.exists() else 0


def children_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def is_worker(pid: int) -> bool:
    """A running spawned worker; neither a zombie nor multiprocessing's resource tracker."""
    try:
        dead = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        return not dead and "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def assert_complete(dataset) -> None:
    assert sorted(nnUNetDatasetBlosc2.get_identifiers(str(dataset.folder))) == ALL
    assert len(list(dataset.folder.iterdir())) == 3 * len(ALL)
    assert not dataset.folder.with_name(dataset.folder.name + ".tmp").exists()
    loader = nnUNetDatasetBlosc2(str(dataset.folder), list(ALL))
    for case in ALL:
        image, seg, _, properties = loader.load_case(case)
        assert np.isfinite(image[:]).all()
        assert seg[:].shape[1:] == image.shape[1:]
        assert properties["class_locations"] == {}


def test_kill_and_run_again(dataset, tmp_path):
    process = start(dataset, tmp_path)
    wait_for(lambda: recorded(dataset) >= 3)
    workers = [pid for pid in children_of(process.pid) if is_worker(pid)]
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert workers
    wait_for(lambda: not any(map(is_worker, workers)), seconds=20)
    finished = set(dataset.manifest()["cases"])
    assert 3 <= len(finished) < len(ALL)
    before = {file.name: file.stat().st_mtime_ns for file in dataset.folder.iterdir()}

    assert dataset.preprocess().cases == tuple(ALL)
    assert_complete(dataset)
    for case in finished:
        for suffix in (".b2nd", "_seg.b2nd", ".pkl"):
            assert (dataset.folder / f"{case}{suffix}").stat().st_mtime_ns == before[f"{case}{suffix}"]


def test_two_runs_at_once(dataset, tmp_path):
    first, second = start(dataset, tmp_path), start(dataset, tmp_path)
    outputs = [process.communicate(timeout=200)[0] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0)
    assert_complete(dataset)
    waited = next(output for output in outputs if "waiting until it releases" in output)
    assert f"0 cases preprocessed, {len(ALL)} were up to date" in waited


def test_killed_worker_raises(dataset):
    errors = []

    def run():
        try:
            dataset.preprocess()
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    wait_for(lambda: any(map(is_worker, children_of(os.getpid()))))
    os.kill(next(filter(is_worker, children_of(os.getpid()))), signal.SIGKILL)
    thread.join(timeout=60)
    assert not thread.is_alive()
    assert "was killed, most likely because memory ran out" in errors[0]
    assert not dataset.folder.with_name(dataset.folder.name + ".tmp").exists()
    dataset.preprocess()
    assert_complete(dataset)


def test_lock_of_a_dead_process_is_no_obstacle(dataset, monkeypatch):
    use_threads(monkeypatch)
    dataset.folder.with_name(dataset.folder.name + ".lock").write_text("12345")
    dataset.preprocess()
    assert not any("waiting" in line for line in dataset.log)
    assert_complete(dataset)


def test_waiting_says_so(dataset, monkeypatch):
    use_threads(monkeypatch)
    with dataset.folder.with_name(dataset.folder.name + ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        threading.Timer(1.0, lambda: fcntl.flock(held, fcntl.LOCK_UN)).start()
        dataset.preprocess()
    assert "waiting" in dataset.log[0]
    assert_complete(dataset)


def test_full_disk_is_no_bad_image(dataset, monkeypatch):
    use_threads(monkeypatch)

    def full(task):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(unlabeled, "preprocess_case", full)
    with pytest.raises(OSError, match="No space left"):
        dataset.preprocess()
