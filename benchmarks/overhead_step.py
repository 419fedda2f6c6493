r"""A Mean Teacher step against the passes that it can't do without, each as nnU-Net would do it.

Unavoidable are the student's forward and backward pass of the labeled and of the unlabeled images and the
teacher's forward pass. The yardstick does these three one after the other on nnU-Net's own network with
nnU-Net's own loss, and the optimizer's step; what the method's step takes beyond it is the overhead.

Example:
    python -m benchmarks.overhead_step --device cpu
"""

from __future__ import annotations

import argparse
import copy

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
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
from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.core.config import Precision
from nnunetv2_semiseg.core.memory import keep_freed_memory
from nnunetv2_semiseg.methods.base import Setting
from nnunetv2_semiseg.methods.mean_teacher import MeanTeacher, MeanTeacherConfig
from nnunetv2_semiseg.methods.step import Progress, StepContext
from nnunetv2_semiseg.trainers.engine.optimization import backward_and_step
from nnunetv2_semiseg.trainers.engine.precision import training_autocast, uses_scaler

CLASSES = 3
STAGES = 6


def network() -> nn.Module:
    """What nnU-Net plans for 256 x 256: a U-Net of 32 to 512 features."""
    return PlainConvUNet(
        input_channels=1,
        n_stages=STAGES,
        features_per_stage=[min(32 * 2**stage, 512) for stage in range(STAGES)],
        conv_op=nn.Conv2d,
        kernel_sizes=3,
        strides=[1] + [2] * (STAGES - 1),
        n_conv_per_stage=2,
        num_classes=CLASSES,
        n_conv_per_stage_decoder=2,
        conv_bias=True,
        norm_op=nn.InstanceNorm2d,
        norm_op_kwargs={"affine": True},
        nonlin=nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
    )


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
        batch = new_batch(arguments)
        optimizer.zero_grad(set_to_none=True)
        with training_autocast(device, precision):
            with torch.no_grad():
                teacher(batch.unlabeled_weak)
            total = loss(student(batch.labeled_images), batch.labeled_targets[0])
            total = total + student(batch.unlabeled_strong).float().square().mean()
        backward_and_step(total, [optimizer], scaler)

    return step


def ours(arguments: argparse.Namespace) -> Step:
    """A step as `nnUNetTrainerMeanTeacher` does it."""
    device = torch.device(arguments.device)
    if device.type == "cpu":
        keep_freed_memory()  # as our trainers do
    student, loss = network().to(device), nnunet_loss()
    setting = Setting(CLASSES, 1, (arguments.patch, arguments.patch), network)
    method = MeanTeacher(MeanTeacherConfig(), setting, student).to(device)
    optimizer = _optimizer(student)
    precision: Precision = arguments.precision
    scaler = torch.GradScaler() if uses_scaler(device, precision) else None
    progress = Progress(1000, 2000)
    context = StepContext(student, lambda output, targets: loss(output, targets[0]), progress)

    def step() -> None:
        batch = new_batch(arguments)
        optimizer.zero_grad(set_to_none=True)
        with training_autocast(device, precision):
            total = method.losses(batch, context).total
        backward_and_step(total, [optimizer], scaler)
        method.after_step(student, progress)

    return step


def new_batch(arguments: argparse.Namespace) -> SemiSegBatch:
    """Random patches and labels."""
    count, size = arguments.batch, arguments.patch
    views = [torch.rand(count, 1, size, size) for _ in range(3)]
    labels = torch.randint(CLASSES, (count, 1, size, size), dtype=torch.int16)
    names = ("case",) * count
    batch = SemiSegBatch(views[0], (labels,), views[1], views[2], names, names)
    return batch.to(torch.device(arguments.device))


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
