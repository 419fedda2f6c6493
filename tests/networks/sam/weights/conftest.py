"""A server, a folder, and a download from the one to the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fetching import CONTENT, Fetch
from loopback_server import LoopbackServer, serving

from nnunetv2_semiseg.networks.sam.weights import transfer
from nnunetv2_semiseg.networks.sam.weights.download import fetch


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackServer]:
    # small, so that a cut connection leaves whole chunks behind
    monkeypatch.setattr(transfer, "CHUNK", 1 << 12)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(CONTENT) as state:
        yield state


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "weights"


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def get(server: LoopbackServer, folder: Path, lines: list[str]) -> Fetch:
    def run(**changes: Any) -> Path:
        return fetch(server.weights(**changes), folder, lines.append)

    return run
