r"""The foundation branch of a SynFoC step: this package's, and segment_anything's modules used plainly.

One step is the teacher's pass of the unlabeled images, the student's forward and backward pass of as many
labeled and mixed ones, the optimizer and the moving average. Weights are random, which changes no cost.

Example:
    python -m benchmarks.foundation_step --device cpu
    python -m benchmarks.foundation_step --device cuda --autocast float16 --steps 20
"""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn

from benchmarks.measuring import (
    Step,
    add_measuring_arguments,
    measure,
    print_machine,
    print_rates,
    print_table,
)
from benchmarks.plain_sam import PlainSam, move_teacher
from nnunetv2_semiseg.core.config import Precision
from nnunetv2_semiseg.core.memory import keep_freed_memory
from nnunetv2_semiseg.methods.losses.segmentation import seg_loss
from nnunetv2_semiseg.networks.ema import ema_update
from nnunetv2_semiseg.networks.sam.build import build_foundation
from nnunetv2_semiseg.networks.sam.config import FoundationConfig
from nnunetv2_semiseg.trainers.engine.precision import hold_frozen, training_autocast

CLASSES = 3


def plain(arguments: argparse.Namespace) -> Step:
    """segment_anything in float32 (on a GPU as `--autocast` says), with a full copy as teacher."""
    device = torch.device(arguments.device)
    student = PlainSam(arguments.architecture, arguments.image_size, CLASSES).to(device)
    teacher = student.teacher()
    parameters = [parameter for parameter in student.parameters() if parameter.requires_grad]
    dtype = torch.bfloat16 if arguments.autocast == "bfloat16" else torch.float16
    context = nullcontext if device.type == "cpu" else partial(torch.autocast, "cuda", dtype)
    return _step(student, teacher, parameters, context, lambda: move_teacher(teacher, student), arguments)


def ours(arguments: argparse.Namespace) -> Step:
    """This package's branch in mixed precision."""
    device = torch.device(arguments.device)
    if device.type == "cpu":
        keep_freed_memory()  # as our trainers do
    config = FoundationConfig(
        architecture=arguments.architecture, random_weights=True, image_size=arguments.image_size
    )
    student = build_foundation(config, in_channels=3, num_classes=CLASSES).to(device)
    precision: Precision = "bfloat16" if arguments.autocast == "bfloat16" else "nnunet"
    hold_frozen([student.encoder], device, precision)
    teacher = student.teacher()

    return _step(
        student,
        teacher,
        student.parameters_to_train(),
        lambda: training_autocast(device, precision),
        lambda: ema_update(teacher.trained, student.trained, 0.99),
        arguments,
    )


def _step(
    student: nn.Module,
    teacher: nn.Module,
    parameters: list[nn.Parameter],
    context: Any,
    move: Any,
    arguments: argparse.Namespace,
) -> Step:
    device, size, count = arguments.device, arguments.image_size, arguments.batch
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.1)
    images = torch.rand(2 * count, 3, size, size, device=device)
    labels = torch.randint(CLASSES, (2 * count, size // 4, size // 4), device=device)
    annotated = torch.ones_like(labels, dtype=torch.bool)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with context():
            with torch.no_grad():
                teacher(images[:count])
            loss = seg_loss(student(images), labels, annotated)
        loss.backward()
        optimizer.step()
        move()

    return step


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--architecture", default="vit_b", help="image encoder (default: %(default)s)")
    parser.add_argument("--image-size", type=int, default=512, help="side in pixels (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=2, help="unlabeled images (default: %(default)s)")
    parser.add_argument(
        "--autocast", default="bfloat16", choices=("bfloat16", "float16"), help="default: %(default)s"
    )
    add_measuring_arguments(parser)
    arguments = parser.parse_args()
    measured = measure({"segment_anything": plain, "nnunetv2_semiseg": ours}, arguments)
    print_table(measured, baseline="segment_anything")
    print_rates(measured, arguments)
    print_machine(arguments, ("torch", "segment-anything"))


if __name__ == "__main__":
    main()
