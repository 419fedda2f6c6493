"""Devices of a comparison by the names that users give."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from nnunetv2_semiseg.core.errors import UserError

VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Device:
    """One device.

    Attributes:
        kind: Kind of device: ``cuda``, ``cpu`` or ``mps``, as nnU-Net's ``-device`` takes it.
        index: Number of a GPU among the visible GPUs; None: the first GPU.
    """

    kind: str
    index: int | None = None

    def __str__(self) -> str:
        """Name of the device as the user gave it."""
        return self.kind if self.index is None else f"{self.kind}:{self.index}"

    def variables(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Environment variables that make a command use this device.

        Args:
            environment: Variables of this process, which may make only some GPUs visible.
        """
        if self.index is None:
            return {}
        visible = [part.strip() for part in environment.get(VISIBLE, "").split(",") if part.strip()]
        return {VISIBLE: visible[self.index] if self.index < len(visible) else str(self.index)}


def parse_devices(names: Sequence[str]) -> tuple[Device, ...]:
    """Devices by names such as ``cuda:0`` and ``cpu``.

    Raises:
        UserError: A name is not that of a device, a device is named twice, or devices are of several kinds.
    """
    devices = []
    for name in names:
        match = re.fullmatch(r"(cpu|mps|cuda)|cuda:(\d+)", name)
        if not match:
            raise UserError(f"--devices {name}: give cuda, cuda:0 and so on, cpu or mps")
        devices.append(Device(match[1]) if match[1] else Device("cuda", int(match[2])))
    if len({(device.kind, device.index or 0) for device in devices}) < len(devices):
        raise UserError(
            f"--devices {' '.join(names)}: name each device once, as one training at a time runs on it"
        )
    if len({device.kind for device in devices}) > 1:
        raise UserError(
            f"--devices {' '.join(names)}: give devices of one kind, or hours and memory cannot be compared"
        )
    return tuple(devices)


def check_present(devices: Sequence[Device]) -> None:
    """Refuse devices that this machine lacks.

    Raises:
        UserError: A device is missing.
    """
    for device in devices:
        if device.kind == "mps" and not torch.backends.mps.is_available():
            raise UserError("there is no mps device here: give other --devices, such as cpu")
        count = torch.cuda.device_count() if device.kind == "cuda" else 1
        if (device.index or 0) >= count:
            hint = f"; {VISIBLE} is {os.environ[VISIBLE]}" if VISIBLE in os.environ else ""
            raise UserError(
                f"there is no device {device} here ({count} GPUs are visible{hint}): give other --devices, "
                "such as cpu"
            )
