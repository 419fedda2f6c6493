"""Memory that a step has freed is there for the next one: counted in pages that the kernel had to fetch."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunetv2_semiseg.core import memory as freed_memory
from nnunetv2_semiseg.trainers import ranks as rank_trainer

if TYPE_CHECKING:
    from phantom_workspace import Workspace

MIB = 2**20

STEPS = """
import resource, sys
from pathlib import Path
import numpy
from nnunetv2_semiseg.core.memory import give_freed_memory_back, keep_freed_memory

def resident():
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) * 1024

print(keep_freed_memory() if sys.argv[1] == "keep" else None)
for step in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    tensors = [numpy.ones(2**20, dtype="u1") for _ in range(128)]
    del tensors
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize())
kept = resident()
give_freed_memory_back()
print(kept - resident())
"""

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="about Linux alone")


def _last_step(mode: str, **variables: str) -> tuple[str, int, int]:
    """What the function returned, bytes that the kernel fetched in the last step, and got back after it."""
    told = (*freed_memory.MALLOC_VARIABLES, "GLIBC_TUNABLES")
    environment = {name: value for name, value in os.environ.items() if name not in told} | variables
    command = [sys.executable, "-c", STEPS, mode]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    returned, fetched, given_back = done.stdout.split()
    return returned, int(fetched), int(given_back)


@LINUX
def test_a_step_fetches_no_memory_that_the_last_one_had() -> None:
    returned, fetched, given_back = _last_step("keep")
    assert returned == "True"
    assert fetched < 4 * MIB
    assert given_back > 100 * MIB
    # what is measured can be seen
    assert _last_step("as it is")[1] > 100 * MIB


@LINUX
@pytest.mark.parametrize(
    "variables",
    [{"MALLOC_MMAP_MAX_": "65536"}, {"GLIBC_TUNABLES": "glibc.malloc.mmap_max=65536"}],
    ids=["variable", "tunable"],
)
def test_what_the_user_has_set_holds(variables: dict[str, str]) -> None:
    returned, fetched, _ = _last_step("keep", **variables)
    assert returned == "False"
    assert fetched > 100 * MIB


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*freed_memory.MALLOC_VARIABLES, "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(freed_memory.sys, "platform", "darwin")
    assert not freed_memory.keep_freed_memory()
    monkeypatch.setattr(freed_memory.sys, "platform", "linux")
    monkeypatch.setattr(freed_memory.ctypes, "CDLL", lambda name: object())  # a libc without mallopt
    assert not freed_memory.keep_freed_memory()
    freed_memory.give_freed_memory_back()


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_trainings_on_a_cpu_keep_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    calls: list[str] = []
    for name in ("keep_freed_memory", "give_freed_memory_back"):
        monkeypatch.setattr(rank_trainer, name, lambda name=name: calls.append(name))
    for hook in ("on_train_start", "on_train_end"):
        monkeypatch.setattr(nnUNetTrainer, hook, lambda self: None)
    trainer = workspace.make_trainer()
    trainer.initialize()
    trainer.build_method()
    trainer.device = torch.device(device)
    rank_trainer.nnUNetTrainerOnRanks.on_train_start(trainer)
    rank_trainer.nnUNetTrainerOnRanks.on_train_end(trainer)
    assert calls == (["keep_freed_memory", "give_freed_memory_back"] if device == "cpu" else [])
