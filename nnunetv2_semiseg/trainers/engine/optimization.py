"""One step of several optimizers from one loss."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence

import torch
from torch import nn

from nnunetv2_semiseg.core.distributed.gradients import average_gradients
from nnunetv2_semiseg.core.errors import DivergedError

GRADIENT_CLIP_NORM = 12
"""nnU-Net's bound on the norm of the gradient, here of each optimizer's parameters."""

SMALLEST_SCALE = 2.0**-14
"""Smallest useful scale of nnU-Net's gradient scaler, which begins at 2**16 and halves at each overflow."""


def optimizer_like(
    optimizer: torch.optim.Optimizer, parameters: Iterable[nn.Parameter]
) -> torch.optim.Optimizer:
    """An optimizer of the same class and with the same constants for other parameters."""
    accepted = inspect.signature(type(optimizer)).parameters
    constants = {name: value for name, value in optimizer.defaults.items() if name in accepted}
    return type(optimizer)(parameters, **constants)


def backward_and_step(
    total: torch.Tensor, optimizers: Sequence[torch.optim.Optimizer], scaler: torch.GradScaler | None
) -> None:
    """Backward pass, mean of the gradients over all ranks, clipping and the step of every optimizer.

    Args:
        total: Scalar loss of this rank's samples.
        optimizers: Each clips the norm of its own parameters' gradient to `GRADIENT_CLIP_NORM`.
        scaler: nnU-Net's gradient scaler on CUDA; an optimizer whose gradient overflowed sits this step out.

    Raises:
        DivergedError: Without a scaler, a gradient is not finite. Its optimizer's weights are as before.
    """
    (total if scaler is None else scaler.scale(total)).backward()
    # before they are looked at: what overflowed on one rank is not finite in the mean, and so on no rank
    average_gradients(parameter for optimizer in optimizers for parameter in _parameters(optimizer))
    for optimizer in optimizers:
        if scaler is not None:
            scaler.unscale_(optimizer)
        _clip(_parameters(optimizer), may_overflow=scaler is not None)
        if scaler is None:
            optimizer.step()
        else:
            scaler.step(optimizer)
    if scaler is not None:
        scaler.update()


def refuse_endless_overflow(scaler: torch.GradScaler | None) -> None:
    """Stop a training that does nothing any more; to be asked seldom, as it waits for the GPU.

    A gradient scaler skips a step whose gradient overflows. Where all do, the weights stand still.

    Args:
        scaler: nnU-Net's gradient scaler, if there is one.

    Raises:
        DivergedError: The scale has become so small that gradients of any use would not overflow.
    """
    if scaler is not None and scaler.is_enabled() and scaler.get_scale() < SMALLEST_SCALE:
        raise DivergedError(
            "the gradient overflows in step after step, so that no step is taken: the training has diverged; "
            "lower the learning rate or set precision=bfloat16 or precision=float32, and start again"
        )


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _clip(parameters: list[nn.Parameter], may_overflow: bool) -> None:
    norm = nn.utils.clip_grad_norm_(parameters, GRADIENT_CLIP_NORM)
    # one step with it would end all weights as nan, and the training would go on for hours
    if not may_overflow and not torch.isfinite(norm):
        raise DivergedError(
            "the gradient is not finite: the training has diverged; lower the learning rate or set "
            "precision=float32, and go on from the last checkpoint with --c or start again"
        )
