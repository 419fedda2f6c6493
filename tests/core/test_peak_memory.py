"""Peaks of memory: of this process alone, whatever its parent took."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from nnunetv2_semiseg.core import memory
from nnunetv2_semiseg.core.memory import peak_memory

CPU = torch.device("cpu")


def test_what_is_taken_counts() -> None:
    before = peak_memory(CPU)["process"]
    taken = torch.ones(int((before + 0.25) * 2**28))  # float32: a quarter of a GiB more than ever
    assert before + 0.2 < peak_memory(CPU)["process"] < before * 3 + 1
    del taken


@pytest.mark.skipif(not memory.STATUS.is_file(), reason="not Linux")
def test_a_large_parent_does_not_count() -> None:
    code = (
        "import numpy, subprocess, sys; taken = numpy.ones(2**27); "
        "print(subprocess.run([sys.executable, '-c', sys.argv[1]], capture_output=True, text=True).stdout)"
    )
    child = "from nnunetv2_semiseg.core import memory; print(memory._peak_resident())"
    found = subprocess.run([sys.executable, "-c", code, child], capture_output=True, text=True, check=True)
    assert 2**20 < int(found.stdout) < 2**29  # the parent has 1 GiB


def test_a_gpu_has_a_peak_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 3 * 2**30)
    assert "gpu" not in peak_memory(CPU)
    assert peak_memory(torch.device("cuda", 0))["gpu"] == 3


@pytest.mark.parametrize(("system", "bytes_each"), [("darwin", 1), ("linux", 1024)])
def test_without_linux_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, bytes_each: int
) -> None:
    monkeypatch.setattr(memory, "STATUS", tmp_path / "nothing")
    monkeypatch.setattr(memory.sys, "platform", system)
    monkeypatch.setattr(memory.resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=2**30))
    assert peak_memory(CPU)["process"] == bytes_each


def test_a_system_that_tells_nothing_keeps_nobody_from_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)  # Windows has no such module
    spec = importlib.util.spec_from_file_location("memory_elsewhere", memory.__file__)
    assert spec is not None
    assert spec.loader is not None
    elsewhere = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(elsewhere)
    monkeypatch.setattr(elsewhere, "STATUS", tmp_path / "nothing")
    assert elsewhere.peak_memory(CPU) == {}
