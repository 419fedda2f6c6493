"""What tests of downloads share."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from loopback_server import FILE_NAME

from nnunetv2_semiseg.networks.sam.weights.transfer import DownloadError

CONTENT = os.urandom(3 << 20)
PART = f"{FILE_NAME}.part"
Fetch = Callable[..., Path]


def refusal(run: Callable[[], object]) -> str:
    with pytest.raises(DownloadError) as error:
        run()
    assert "\n" not in str(error.value)
    return str(error.value)


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()} - {f"{FILE_NAME}.lock"}


def wait_for(happened: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        threading.Event().wait(0.02)
