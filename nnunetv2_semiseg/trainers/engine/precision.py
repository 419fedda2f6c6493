"""The number format of a training step."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

import torch
from nnunetv2.utilities.helpers import dummy_context
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from torch import nn

from nnunetv2_semiseg.core.config import Precision
from nnunetv2_semiseg.core.errors import UnsupportedError


def autocast_dtype(device: torch.device, precision: Precision) -> torch.dtype | None:
    """Type in which a mixed-precision step computes its large products; None where all is float32."""
    if precision == "bfloat16":
        return torch.bfloat16
    return torch.float16 if precision == "nnunet" and device.type == "cuda" else None


def training_autocast(device: torch.device, precision: Precision) -> AbstractContextManager[Any]:
    """Mixed precision as configured, without the cache of cast weights.

    Some versions of torch fill that cache in a pass without gradients and use its copies, which have no
    history, in the pass with gradients: the weights would silently not train.
    """
    dtype = autocast_dtype(device, precision)
    return dummy_context() if dtype is None else torch.autocast(device.type, dtype, cache_enabled=False)


def check_precision(
    device: torch.device, precision: Precision, plans: dict[str, Any], configuration: str
) -> None:
    """Refuse what computes wrongly.

    Args:
        device: Device of the training.
        precision: Precision of the training.
        plans: Content of the plans file.
        configuration: Name of a configuration in it.

    Raises:
        UnsupportedError: bfloat16 on volumes on a CPU. The gradient of 3D convolutions' weights comes out
            wrong or not finite there on small grids, seen with torch 2.15; 2D is right.
    """
    dimension = len(PlansManager(plans).get_configuration(configuration).patch_size)
    if precision == "bfloat16" and device.type == "cpu" and dimension == 3:
        raise UnsupportedError(
            f"configuration '{configuration}': precision=bfloat16 is not supported for 3D patches on a CPU, "
            "where torch computes wrong gradients of 3D convolutions; set precision=float32"
        )


def uses_scaler(device: torch.device, precision: Precision) -> bool:
    """Whether gradients can underflow: in float16 only, bfloat16 has float32's exponents."""
    return autocast_dtype(device, precision) == torch.float16


def apply_precision(
    networks: Iterable[nn.Module], frozen: Iterable[nn.Module], device: torch.device, precision: Precision
) -> None:
    """What networks need once before a training in some precision: `give_float32` and `hold_frozen`."""
    give_float32(networks)
    hold_frozen(frozen, device, precision)


def give_float32(networks: Iterable[nn.Module]) -> None:
    """Let networks give float32 whatever they compute in.

    Autocast on a CPU leaves softmax, sums and losses in bfloat16, of which there are 8 bits: too few for a
    confidence near 1 or a sum over an image.
    """
    for network in networks:
        network.register_forward_hook(_to_float32)


def _to_float32(module: nn.Module, arguments: Any, output: Any) -> Any:
    return _cast(output)


def _cast(output: Any) -> Any:
    if isinstance(output, torch.Tensor):
        return output.float() if output.dtype == torch.bfloat16 else output
    if isinstance(output, tuple) and hasattr(output, "_fields"):
        return type(output)(*map(_cast, output))
    if isinstance(output, list | tuple):
        return type(output)(map(_cast, output))
    return output


@runtime_checkable
class HeldInHalfPrecision(Protocol):
    """A frozen network that a training can hold in half precision, such as segment-anything's encoder."""

    def hold_in(self, dtype: torch.dtype) -> None:
        """Round its weights to ``dtype`` for good."""


def hold_frozen(modules: Iterable[nn.Module], device: torch.device, precision: Precision) -> None:
    """Keep frozen networks in the precision that the training computes them in: half the memory.

    Args:
        modules: What a method does not train; only what is `HeldInHalfPrecision` changes.
        device: Device of the training.
        precision: Precision of the training.
    """
    dtype = autocast_dtype(device, precision)
    for module in modules:
        if dtype is not None and isinstance(module, HeldInHalfPrecision):
            module.hold_in(dtype)
