"""Memory that a step has freed is there for the next one: counted in pages that the kernel had to fetch."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch

from nnunetv2_semiseg import freed_memory, rank_trainer

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace

MIB = 2**20

STEPS = """
import resource, sys
import numpy
from nnunetv2_semiseg.freed_memory import keep_freed_memory

print(keep_freed_memory() if sys.argv[1] == "keep" else None)
for step in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    tensors = [numpy.ones(2**20, dtype="u1") for _ in range(128)]
    del tensors
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize())
"""

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="about Linux alone")


def _last_step(mode: str, **variables: str) -> tuple[str, int]:
    """What the function returned, and bytes that the kernel fetched in the last step."""
    environment = {k: v for k, v in os.environ.items() if k not in freed_memory.OF_THE_USER} | variables
    command = [sys.executable, "-c", STEPS, mode]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    returned, fetched = done.stdout.split()
    return returned, int(fetched)


@LINUX
def test_a_step_fetches_no_memory_that_the_last_one_had() -> None:
    returned, fetched = _last_step("keep")
    assert returned == "True"
    assert fetched < 4 * MIB
    # what is measured can be seen
    assert _last_step("as it is")[1] > 100 * MIB


@LINUX
def test_what_the_user_has_set_holds() -> None:
    returned, fetched = _last_step("keep", MALLOC_MMAP_MAX_="65536")
    assert returned == "False"
    assert fetched > 100 * MIB


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in freed_memory.OF_THE_USER:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(freed_memory.sys, "platform", "darwin")
    assert not freed_memory.keep_freed_memory()
    monkeypatch.setattr(freed_memory.sys, "platform", "linux")
    monkeypatch.setattr(freed_memory.ctypes, "CDLL", lambda name: object())  # a libc without mallopt
    assert not freed_memory.keep_freed_memory()


def test_trainings_on_a_cpu_keep_it(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bool] = []
    monkeypatch.setattr(rank_trainer, "keep_freed_memory", lambda: calls.append(True))
    trainer = workspace.make_trainer()
    trainer.device = torch.device("cpu")
    trainer.on_train_start()
    assert calls == [True]
