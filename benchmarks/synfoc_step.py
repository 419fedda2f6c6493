r"""A whole SynFoC training step: this package's, compared with the method done in the simplest way.

The yardstick does what costs time in the paper's code: everything in float32, a second full copy of the
foundation model as teacher, students' passes with a graph that nobody uses, labeled and mixed images in
passes of their own, Dice for α by numpy sample after sample, and every logged number fetched. Both have the
same networks: a U-Net of 31 million parameters and the foundation model. Weights and images are random, which
changes no cost.

Example:
    python -m benchmarks.synfoc_step --device cpu
    python -m benchmarks.synfoc_step --device cuda --precision nnunet --steps 20
"""

from __future__ import annotations

import argparse
import copy
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.measuring import (
    Step,
    add_measuring_arguments,
    measure,
    print_machine,
    print_rates,
    print_table,
)
from benchmarks.plain_sam import PlainSam, move_teacher
from benchmarks.random_steps import CLASSES, random_batch, unet
from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.core.memory import keep_freed_memory
from nnunetv2_semiseg.methods.base import Setting
from nnunetv2_semiseg.methods.losses.consensus import consensus_loss, divergence_loss
from nnunetv2_semiseg.methods.losses.segmentation import masked_seg_loss, seg_loss
from nnunetv2_semiseg.methods.parts.mixing import draw_cutmix_boxes
from nnunetv2_semiseg.methods.step import Progress, StepContext
from nnunetv2_semiseg.methods.synfoc import SynFoC, SynFoCConfig
from nnunetv2_semiseg.networks.sam.config import FoundationConfig
from nnunetv2_semiseg.trainers.engine.optimization import backward_and_step
from nnunetv2_semiseg.trainers.engine.precision import apply_precision, training_autocast, uses_scaler

CHANNELS = 3
MIDDLE = Progress(1000, 2000)


def network_of_the_paper() -> nn.Module:
    """The classic U-Net: five stages of 64 to 1024 features."""
    return unet(CHANNELS, [64, 128, 256, 512, 1024])


def ours(arguments: argparse.Namespace) -> Step:
    """The step of `nnUNetTrainerSynFoC`."""
    device = torch.device(arguments.device)
    if device.type == "cpu":
        keep_freed_memory()  # as our trainers do
    foundation = FoundationConfig(
        architecture=arguments.architecture,
        random_weights=True,
        image_size=arguments.image_size,
        gradient_checkpointing=arguments.checkpointing,
    )
    network = network_of_the_paper().to(device)
    setting = Setting(CLASSES, CHANNELS, (arguments.patch, arguments.patch), network_of_the_paper)
    method = SynFoC(SynFoCConfig(foundation=foundation), setting, network).to(device)
    apply_precision([network, *method.children()], method.frozen_modules(), device, arguments.precision)
    scheduled = method.optimizers(lambda parameters: torch.optim.SGD(parameters, 0.01))
    optimizers = [
        torch.optim.SGD(network.parameters(), 0.01, momentum=0.99, nesterov=True),
        *(item.optimizer for item in scheduled),
    ]
    scaler = torch.GradScaler() if uses_scaler(device, arguments.precision) else None
    context = StepContext(network, lambda output, targets: _supervised(output, targets[0][:, 0]), MIDDLE)

    def step() -> None:
        batch = random_batch(arguments, CHANNELS)
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        with training_autocast(device, arguments.precision):
            total = method.losses(batch, context).total
        backward_and_step(total, optimizers, scaler)
        method.after_step(network, MIDDLE)

    return step


def plain(arguments: argparse.Namespace) -> Step:
    """The same mathematics with no care for time and memory."""
    device = torch.device(arguments.device)
    network = network_of_the_paper().to(device)
    foundation = PlainSam(arguments.architecture, arguments.image_size, CLASSES).to(device)
    teacher, foundation_teacher = copy.deepcopy(network).requires_grad_(False), foundation.teacher()
    trained = [parameter for parameter in foundation.parameters() if parameter.requires_grad]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.SGD(network.parameters(), 0.03, momentum=0.9, weight_decay=1e-4),
        torch.optim.AdamW(trained, 1e-4, weight_decay=0.1),
    ]
    size = arguments.image_size

    def segment(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
        resized = F.interpolate(images, (size, size), mode="bilinear", align_corners=False)
        logits: torch.Tensor = model(resized)
        return logits

    def step() -> None:
        batch = random_batch(arguments, CHANNELS)
        with torch.no_grad():
            taught, foundation_taught = (
                teacher(batch.unlabeled_weak).softmax(1),
                segment(foundation_teacher, batch.unlabeled_weak).softmax(1),
            )
        seen = network(batch.unlabeled_weak).softmax(1)
        labels, sure = _pseudo_labels(taught, foundation_taught, seen)
        terms = _plain_terms(batch, labels, sure, network, lambda images: segment(foundation, images))
        for optimizer in optimizers:
            optimizer.zero_grad()
        total: Any = sum(terms)
        total.backward()
        for optimizer in optimizers:
            optimizer.step()
        move_teacher(teacher, network)
        move_teacher(foundation_teacher, foundation)
        for term in terms:
            term.item()

    return step


def _supervised(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return seg_loss(logits, labels.long(), torch.ones_like(labels, dtype=torch.bool))


def _pseudo_labels(
    taught: torch.Tensor, foundation_taught: torch.Tensor, seen: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    grid, size = foundation_taught.shape[2:], taught.shape[2:]
    alphas = []
    for one, other, student in zip(taught, foundation_taught, seen, strict=True):
        small = F.interpolate(one.argmax(0)[None, None].float(), grid)[0, 0].long()
        itself = _host_dice(student.argmax(0), one.argmax(0))
        alphas.append(itself * _host_dice(small, other.argmax(0)))
    alpha = torch.tensor(alphas, device=taught.device)[:, None, None, None].float()
    upscaled = F.interpolate(foundation_taught, size, mode="bilinear", align_corners=False)
    confidence, labels = (alpha * taught + (1 - alpha) * upscaled).max(1)
    return labels, confidence > 0.95


def _host_dice(one: torch.Tensor, other: torch.Tensor) -> float:
    a, b = one.detach().cpu().numpy(), other.detach().cpu().numpy()
    values = []
    for label in range(1, CLASSES):
        p, q = a == label, b == label
        values.append((2 * np.logical_and(p, q).sum() + 1) / (1.001 + p.sum() + q.sum()))
    return float(np.mean(values))


def _plain_terms(
    batch: SemiSegBatch, labels: torch.Tensor, sure: torch.Tensor, network: nn.Module, segment: Any
) -> list[torch.Tensor]:
    """All six loss terms, from separate passes of labeled and mixed images."""
    true = batch.labeled_targets[0][:, 0].long()
    box = draw_cutmix_boxes(len(labels), tuple(labels.shape[1:])).to(labels.device)
    mixed = torch.where(box, batch.labeled_images, batch.unlabeled_strong)
    labels, sure = torch.where(box[:, 0], true, labels), sure | box[:, 0]
    supervised, foundation_labeled = (
        _supervised(network(batch.labeled_images), true),
        segment(batch.labeled_images),
    )
    grid = foundation_labeled.shape[2:]

    def small(values: torch.Tensor) -> torch.Tensor:
        return F.interpolate(values[:, None].float(), grid)[:, 0].to(values.dtype)

    logits, foundation_logits = network(mixed), segment(mixed)
    p, p_foundation = logits.softmax(1), foundation_logits.softmax(1)
    on_patch = F.interpolate(p_foundation, p.shape[2:])
    agree = (p.argmax(1) == on_patch.argmax(1))[:, None].float()
    return [
        supervised,
        _supervised(foundation_labeled, small(true)),
        masked_seg_loss(logits, labels, sure),
        masked_seg_loss(foundation_logits, small(labels), small(sure.float()) > 0),
        consensus_loss(p, agree, p_foundation, F.interpolate(agree, grid)),
        divergence_loss(p, on_patch, 1 - agree),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--architecture", default="vit_b", help="image encoder (default: %(default)s)")
    parser.add_argument("--image-size", type=int, default=512, help="the foundation's (default: %(default)s)")
    parser.add_argument("--patch", type=int, default=256, help="side in pixels (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=2, help="of each kind (default: %(default)s)")
    parser.add_argument("--precision", default="bfloat16", help="as in a configuration (%(default)s)")
    parser.add_argument("--checkpointing", action="store_true", help="ours with gradient_checkpointing")
    add_measuring_arguments(parser)
    arguments = parser.parse_args()
    measured = measure({"plain": plain, "nnunetv2_semiseg": ours}, arguments)
    print_table(measured, baseline="plain")
    print_rates(measured, arguments)
    print_machine(arguments, ("torch", "segment-anything", "dynamic-network-architectures"))


if __name__ == "__main__":
    main()
