"""Measurements for the one who watches a training; they change nothing in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.core.distributed.gradients import averaged
from nnunetv2_semiseg.evaluation.results.history import MEASURE
from nnunetv2_semiseg.methods.base import Method
from nnunetv2_semiseg.methods.step import StepContext


def measured_gradient(
    method: Method, batch: SemiSegBatch, context: StepContext, every: int
) -> dict[str, torch.Tensor]:
    """`unsupervised_gradient_norm` under its key in the first of ``every`` steps, nothing in others.

    The other arguments are those of `unsupervised_gradient_norm`; ``every`` is 0 for never.
    """
    if every == 0 or context.progress.step % every != 0:
        return {}
    norm = unsupervised_gradient_norm(method, batch, context)
    return {MEASURE + "unsupervised_gradient_norm": norm.detach()}


def unsupervised_gradient_norm(method: Method, batch: SemiSegBatch, context: StepContext) -> torch.Tensor:
    """Norm of the deployed network's gradient from the weighted terms that need unlabeled images.

    A pass of its own, so that it works with compiled networks, whose graphs are gone after one backward
    pass. In full precision and from copies of the random streams and of what the pass itself changes, such
    as running statistics.

    Args:
        method: The method.
        batch: Batch on the training's device.
        context: Context of the current step.

    Returns:
        A scalar, 0 where unlabeled images have no influence.
    """
    parameters = [parameter for parameter in context.network.parameters() if parameter.requires_grad]
    devices = [batch.labeled_images.device] if batch.labeled_images.is_cuda else []
    with torch.random.fork_rng(devices=devices), _kept_buffers(method, context.network):
        loss = method.losses(batch, context).unsupervised
        if not loss.requires_grad:  # a step of labeled images alone
            return loss
        gradients = averaged(torch.autograd.grad(loss, parameters, allow_unused=True), parameters)
    norms = [torch.linalg.vector_norm(gradient) for gradient in gradients if gradient is not None]
    return torch.linalg.vector_norm(torch.stack(norms)) if norms else loss.new_zeros(())


@contextmanager
def _kept_buffers(*modules: nn.Module) -> Iterator[None]:
    """Put the modules' buffers back afterwards."""
    kept = [(buffer, buffer.clone()) for module in modules for buffer in module.buffers()]
    yield
    for buffer, before in kept:
        buffer.copy_(before)
