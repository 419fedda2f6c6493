r"""A Mean Teacher step compared with the passes that it can't do without, each done as nnU-Net would.

Unavoidable are the student's forward and backward passes of labeled and unlabeled images and the teacher's
forward pass. The yardstick does these three one after the other with nnU-Net's own network and loss, and then
the optimizer's step. What the method's step takes beyond that is the overhead.

Example:
    python -m benchmarks.overhead_step --device cpu
"""

from __future__ import annotations

import argparse
import copy

import torch
from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
from torch import nn

from benchmarks.measuring import (
    Step,
    add_measuring_arguments,
    measure,
    print_machine,
    print_rates,
    print_table,
)
from benchmarks.random_steps import CLASSES, random_batch, unet
from nnunetv2_semiseg.core.config import Precision
from nnunetv2_semiseg.core.memory import keep_freed_memory
from nnunetv2_semiseg.methods.base import Setting
from nnunetv2_semiseg.methods.mean_teacher import MeanTeacher, MeanTeacherConfig
from nnunetv2_semiseg.methods.step import Progress, StepContext
from nnunetv2_semiseg.trainers.engine.optimization import backward_and_step
from nnunetv2_semiseg.trainers.engine.precision import training_autocast, uses_scaler

CHANNELS = 1


def network() -> nn.Module:
    """The network that nnU-Net plans for 256 x 256: a U-Net of six stages with 32 to 512 features."""
    return unet(CHANNELS, [min(32 * 2**stage, 512) for stage in range(6)])


def nnunet_loss() -> nn.Module:
    """Cross entropy and Dice as nnU-Net's trainer sums them."""
    dice = {"batch_dice": True, "smooth": 1e-5, "do_bg": False, "ddp": False}
    loss: nn.Module = DC_and_CE_loss(dice, {}, dice_class=MemoryEfficientSoftDiceLoss)
    return loss


def passes(arguments: argparse.Namespace) -> Step:
    """The three passes and the optimizer's step."""
    device = torch.device(arguments.device)
    student = network().to(device)
    teacher = copy.deepcopy(student).eval().requires_grad_(False)
    optimizer, loss = _optimizer(student), nnunet_loss()
    precision: Precision = arguments.precision
    scaler = torch.GradScaler() if uses_scaler(device, precision) else None

    def step() -> None:
        batch = random_batch(arguments, CHANNELS)
        optimizer.zero_grad(set_to_none=True)
        with training_autocast(device, precision):
            with torch.no_grad():
                teacher(batch.unlabeled_weak)
            total = loss(student(batch.labeled_images), batch.labeled_targets[0])
            total = total + student(batch.unlabeled_strong).float().square().mean()
        backward_and_step(total, [optimizer], scaler)

    return step


def ours(arguments: argparse.Namespace) -> Step:
    """The step of `nnUNetTrainerMeanTeacher`."""
    device = torch.device(arguments.device)
    if device.type == "cpu":
        keep_freed_memory()  # as our trainers do
    student, loss = network().to(device), nnunet_loss()
    setting = Setting(CLASSES, CHANNELS, (arguments.patch, arguments.patch), network)
    method = MeanTeacher(MeanTeacherConfig(), setting, student).to(device)
    optimizer = _optimizer(student)
    precision: Precision = arguments.precision
    scaler = torch.GradScaler() if uses_scaler(device, precision) else None
    progress = Progress(1000, 2000)
    context = StepContext(student, lambda output, targets: loss(output, targets[0]), progress)

    def step() -> None:
        batch = random_batch(arguments, CHANNELS)
        optimizer.zero_grad(set_to_none=True)
        with training_autocast(device, precision):
            total = method.losses(batch, context).total
        backward_and_step(total, [optimizer], scaler)
        method.after_step(student, progress)

    return step


def _optimizer(student: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(student.parameters(), 0.01, momentum=0.99, nesterov=True, weight_decay=3e-5)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--patch", type=int, default=256, help="side in pixels (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=4, help="of each kind (default: %(default)s)")
    parser.add_argument("--precision", default="float32", help="as in a configuration (%(default)s)")
    add_measuring_arguments(parser, steps=4)
    arguments = parser.parse_args()
    measured = measure({"separate passes": passes, "Mean Teacher": ours}, arguments)
    print_table(measured, baseline="separate passes")
    print_rates(measured, arguments)
    print_machine(arguments, ("torch", "nnunetv2"))


if __name__ == "__main__":
    main()
