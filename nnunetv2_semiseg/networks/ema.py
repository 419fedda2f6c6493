"""Teachers: exponential moving averages of students (Tarvainen and Valpola 2017)."""

from __future__ import annotations

import copy
from functools import partial
from typing import TypeVar, cast

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def ema_decay(step: int, decay: float = 0.99) -> float:
    """Decay with start-up, ``min(1 - 1/(t+1), decay)``: a plain mean of the first students.

    Args:
        step: Optimizer steps before the one that the update follows, t, from 0.
        decay: Final decay, 0 to 1.

    Returns:
        0 at the first step (the teacher becomes the student), ``decay`` later.
    """
    return min(1.0 - 1.0 / (step + 1), decay)


@torch.no_grad()
def ema_update(teacher: nn.Module, student: nn.Module, decay: float) -> None:
    """``teacher = decay · teacher + (1 - decay) · student`` for parameters and floating-point buffers.

    Other buffers (counters) are copied. Tensors that teacher and student share stay untouched.

    Args:
        teacher: Changed in place; made by `make_teacher` or `SemanticSam.teacher`.
        student: The trained network; may be compiled or distributed.
        decay: 0 copies the student, 1 keeps the teacher.

    Raises:
        ValueError: Teacher and student have different parameters or buffers.

    Examples:
        >>> student = nn.Linear(1, 1)
        >>> teacher = make_teacher(student)
        >>> _ = nn.init.constant_(teacher.weight, 0), nn.init.constant_(student.weight, 1)
        >>> ema_update(teacher, student, decay=0.75)
        >>> teacher.weight.item()
        0.25
    """
    old, new = _tensors(teacher), _tensors(student)
    if old.keys() != new.keys():
        different = ", ".join(sorted(old.keys() ^ new.keys())[:5])
        raise ValueError(f"teacher and student are different networks; only one of them has: {different}")
    averaged: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])
    for name, tensor in old.items():
        if tensor is new[name]:
            continue
        if tensor.is_floating_point():
            averaged[0].append(tensor)
            averaged[1].append(new[name])
        else:
            tensor.copy_(new[name])
    if averaged[0]:
        torch._foreach_lerp_(averaged[0], averaged[1], 1.0 - decay)


def make_teacher(module: ModuleT) -> ModuleT:
    """A copy of ``module`` that takes no gradients and stays in evaluation mode.

    Args:
        module: A student. What torch.compile or DistributedDataParallel wrapped is copied without the
            wrapper.

    Returns:
        The copy, on the same device.

    Examples:
        >>> teacher = make_teacher(nn.Dropout()).train()
        >>> teacher.training
        False
    """
    teacher: ModuleT = copy.deepcopy(unwrapped(module))
    return keep_in_evaluation(teacher.requires_grad_(False))


def keep_in_evaluation(module: ModuleT) -> ModuleT:
    """Put ``module`` into evaluation mode for good: ``train()``, its own or a parent's, changes nothing."""
    module.eval()
    # on the object, so that no wrapper changes the names in its state; a partial can be pickled and copied
    module.__dict__["train"] = partial(_ignore_train, module)
    return module


def unwrapped(module: ModuleT) -> ModuleT:
    """The network inside torch.compile's and DistributedDataParallel's wrappers."""
    inner: nn.Module = module
    while True:
        if isinstance(inner, DistributedDataParallel):
            inner = inner.module
        elif hasattr(inner, "_orig_mod"):
            inner = cast("nn.Module", inner._orig_mod)
        else:
            return inner  # type: ignore[return-value]


def _ignore_train(module: ModuleT, mode: bool = True) -> ModuleT:
    return module


def _tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers by name."""
    inner = unwrapped(module)
    return {**dict(inner.named_parameters()), **dict(inner.named_buffers())}
