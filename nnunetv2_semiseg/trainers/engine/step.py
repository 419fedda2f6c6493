"""One optimizer step of a method, in a training and in the tests alike."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from torch import nn

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.methods.base import Method, ScheduledOptimizer
from nnunetv2_semiseg.methods.step import Progress, StepContext, StepLosses
from nnunetv2_semiseg.trainers.engine.optimization import backward_and_step, optimizer_like

Look = Callable[[StepLosses], object]
"""Gets the losses of a step before the backward pass, to show them."""


@dataclass
class MethodStep:
    """Takes the optimizer steps of a training, one after the other.

    Attributes:
        method: Method that gives the losses and moves its teachers.
        network: Deployed network.
        optimizer: Optimizer of the deployed network; its learning rate is set by whoever owns it.
        supervised_loss: Loss of the deployed network's output and the labeled targets.
        total_steps: Length of the training in steps.
        autocast: Makes the context in which losses are computed, such as mixed precision.
        scaler: Gradient scaler, where the precision needs one.
        steps_done: Steps that have been taken; a resumed training begins with those of its checkpoint.
        scheduled: Optimizers of the method's own networks.
    """

    method: Method
    network: nn.Module
    optimizer: torch.optim.Optimizer
    supervised_loss: Callable[[Any, Any], torch.Tensor]
    total_steps: int
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext
    scaler: torch.GradScaler | None = None
    steps_done: int = 0
    scheduled: list[ScheduledOptimizer] = field(init=False)

    def __post_init__(self) -> None:
        """Ask the method for its optimizers, which it gives once."""
        self.scheduled = self.method.optimizers(partial(optimizer_like, self.optimizer))

    @property
    def context(self) -> StepContext:
        """What the next step lends the method."""
        return StepContext(self.network, self.supervised_loss, Progress(self.steps_done, self.total_steps))

    @property
    def optimizers(self) -> list[torch.optim.Optimizer]:
        """All optimizers, that of the deployed network first."""
        return [self.optimizer, *(item.optimizer for item in self.scheduled)]

    def losses(self, batch: SemiSegBatch) -> StepLosses:
        """Losses of the next step in the training's precision.

        Args:
            batch: Batch on the networks' device.
        """
        with self.autocast():
            return self.method.losses(batch, self.context)

    def take(self, batch: SemiSegBatch, look: Look = bool) -> None:
        """Take one step of every optimizer, and let the teachers follow.

        Args:
            batch: Batch on the networks' device.
            look: Called with the losses before the backward pass.

        Raises:
            DivergedError: A gradient is not finite.
        """
        progress = self.context.progress
        for item in self.scheduled:
            item.set_learning_rate(progress, self.optimizer.param_groups[0]["lr"])
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        losses = self.losses(batch)
        with self.autocast():
            total = losses.total
        look(losses)
        del losses  # what it holds to be shown needs no place in the backward pass
        backward_and_step(total, self.optimizers, self.scaler)
        self.method.after_step(self.network, progress)
        self.steps_done += 1


def planned_loss(loss: Any, output: Any, targets: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """nnU-Net's loss, with deep supervision where there are several outputs.

    Args:
        loss: Loss of an nnU-Net trainer.
        output: Logits ``B x C x S``, or a list of them, full resolution first.
        targets: Label maps ``B x 1 x S``, full resolution first.

    Returns:
        A scalar.
    """
    if isinstance(output, list | tuple):
        value: torch.Tensor = loss(output, list(targets))
        return value
    single: Any = loss.loss if isinstance(loss, DeepSupervisionWrapper) else loss
    value = single(output, targets[0])
    return value
