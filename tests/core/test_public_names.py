"""Short imports: every name is there, and none costs anything before it is used."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

ROOMS = (
    "nnunetv2_semiseg.core",
    "nnunetv2_semiseg.core.distributed",
    "nnunetv2_semiseg.data",
    "nnunetv2_semiseg.methods",
    "nnunetv2_semiseg.methods.losses",
    "nnunetv2_semiseg.methods.parts",
    "nnunetv2_semiseg.networks",
    "nnunetv2_semiseg.networks.sam",
    "nnunetv2_semiseg.networks.sam.model",
    "nnunetv2_semiseg.networks.sam.weights",
)


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_is_there(room: str) -> None:
    module = importlib.import_module(room)
    assert module.__all__
    for name in module.__all__:
        value = getattr(module, name)
        # not a file of the room that has the same name
        assert not isinstance(value, type(sys)), name


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_loads_nothing_heavy(room: str) -> None:
    code = (
        f"import sys, {room}; print({{'torch', 'numpy', 'nnunetv2', 'segment_anything'}} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
