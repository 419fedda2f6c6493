"""Names of devices, and where commands run."""

from __future__ import annotations

import pytest
import torch

from nnunetv2_semiseg.comparing.devices import VISIBLE, Device, check_present, parse_devices


def test_names() -> None:
    assert parse_devices(["cuda:0", "cuda:12"]) == (Device("cuda", 0), Device("cuda", 12))
    assert parse_devices(["cpu"]) == (Device("cpu"),)
    assert [str(device) for device in parse_devices(["cuda", "cuda:1"])] == ["cuda", "cuda:1"]


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda:-1", "CPU", ""])
def test_what_is_no_device(name: str) -> None:
    with pytest.raises(ValueError, match="give cuda, cuda:0 and so on, cpu or mps"):
        parse_devices([name])


@pytest.mark.parametrize("names", [("cpu", "cpu"), ("cuda", "cuda:0"), ("cuda:1", "cuda:1")])
def test_a_device_named_twice(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="name each device once"):
        parse_devices(names)


def test_devices_of_two_kinds() -> None:
    with pytest.raises(ValueError, match="devices of one kind"):
        parse_devices(["cpu", "cuda:0"])


def test_a_command_sees_its_gpu_alone() -> None:
    assert Device("cuda", 1).variables({}) == {VISIBLE: "1"}
    assert Device("cuda", 1).variables({VISIBLE: "4, 7"}) == {VISIBLE: "7"}
    assert Device("cuda").variables({VISIBLE: "4,7"}) == {}
    assert Device("cpu").variables({}) == {}


def test_devices_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv(VISIBLE, "3,5")
    check_present([Device("cuda"), Device("cuda", 1), Device("cpu")])
    with pytest.raises(ValueError, match=r"no device cuda:2 here \(2 GPUs are visible; .* is 3,5\)"):
        check_present([Device("cuda", 2)])
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ValueError, match="no device cuda here"):
        check_present([Device("cuda")])
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ValueError, match="no mps device"):
        check_present([Device("mps")])
