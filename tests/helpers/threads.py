"""Work of background processes, nnU-Net's and ours, done in threads."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

import pytest


def use_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads instead of processes; each spawned one would import torch for seconds."""
    from nnunetv2_semiseg.core import processes

    monkeypatch.setattr(multiprocessing.get_context("spawn"), "Pool", ThreadPool, raising=False)
    monkeypatch.setattr("nnunetv2.utilities.utils.Pool", ThreadPool)  # of twelve, to list files
    monkeypatch.setattr(
        processes, "ProcessPoolExecutor", lambda workers, mp_context, initializer: ThreadPoolExecutor(workers)
    )
