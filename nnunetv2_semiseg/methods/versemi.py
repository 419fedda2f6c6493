"""VerSemi: one network for several partially annotated datasets, and a task that stands for all of them.

Zeng et al., "Segment together: a versatile paradigm for semi-supervised medical image segmentation",
IEEE TMI 2025. A task is one structure of one source dataset; the synthetic task is any structure at all. The
letters (a) to (e) are those of docs/methods/versemi.md, which goes through the equations one by one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass
from torch import nn

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.core.config import STRICT
from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.core.plans_file import limit_of
from nnunetv2_semiseg.methods.base import BatchSizes, Export, Method, NetworkPlan, Setting
from nnunetv2_semiseg.methods.losses.agreement import class_map_agreement
from nnunetv2_semiseg.methods.losses.task_losses import (
    aggregated_probability,
    foreground_dice_loss,
    foreground_probability,
    task_seg_loss,
)
from nnunetv2_semiseg.methods.parts.mixing import check_cubes, draw_cubes, draw_pairs, partners, paste
from nnunetv2_semiseg.methods.step import DEPLOYED, LossTerm, Panel, Panels, Progress, StepContext, StepLosses
from nnunetv2_semiseg.networks.ema import ema_decay, ema_update, make_teacher
from nnunetv2_semiseg.networks.task_network import TaskNetwork, build_task_network

TRAINS = frozenset({DEPLOYED})


@dataclass(frozen=True, kw_only=True, config=STRICT)
class VerSemiConfig:
    """Hyper-parameters of VerSemi; the defaults are the paper's."""

    switch: float = Field(
        default=0.5, ge=0, le=1, description="share of the training on labeled images alone; 1: all of it"
    )
    labeled_cube: float = Field(
        default=2 / 3, gt=0, le=1, description="side of the cube while there are labeled images alone"
    )
    cube_range: tuple[float, float] = Field(
        default=(0.3, 0.6), description="smallest and largest side afterwards, in parts of the patch's sides"
    )
    synthetic_weight: float = Field(
        default=1.0, ge=0, description="(b) of the synthetic task on two labeled images"
    )
    partner_weight: float = Field(default=1.0, ge=0, description="(c) of both images' own tasks there")
    consistency_weight: float = Field(
        default=1.0, ge=0, description="(d) of the agreement of the synthetic task with all others"
    )
    region_weight: float = Field(default=1.0, ge=0, description="(e) of the labels inside of the cube")
    supervised_tasks: Literal["drawn", "all"] = Field(
        default="drawn",
        description="drawn: (a) by one task of each image, the paper's; all: by every task that the image is "
        "annotated for",
    )
    ema_decay: float = Field(default=0.99, ge=0, lt=1, description="decay of the exported moving average")
    network_optimizer: Literal["paper", "decaying", "nnunet"] = Field(
        default="paper",
        description="paper: Adam 1e-3, betas 0.5 and 0.999, constant; decaying: the same with nnU-Net's poly "
        "schedule; nnunet: SGD 0.01 with it",
    )

    @model_validator(mode="after")
    def _range_is_ordered(self) -> VerSemiConfig:
        low, high = self.cube_range
        if not 0 < low <= high <= 1:
            raise UserError(
                f"cube_range must be two numbers above 0, at most 1, the lower one first; got {low}, {high}"
            )
        return self


class LabeledMix(NamedTuple):
    """Pairs of labeled images, the first of each inside a cube and the second around it.

    Attributes:
        images: ``P x C x S``.
        tasks: The tasks of the first and the second image and the synthetic one, ``P x 3``.
        targets: Foreground of these three, ``P x 3 x S``, bool.
    """

    images: torch.Tensor
    tasks: torch.Tensor
    targets: torch.Tensor


class VerSemi(Method):
    """One student for all tasks, trained on labeled images alone first; deployed as it is and averaged."""

    name: ClassVar[str] = "VerSemi"
    key: ClassVar[str] = "versemi"
    config_class: ClassVar[type[Any]] = VerSemiConfig
    exports: ClassVar[tuple[Export, ...]] = (
        Export(
            "EMA",
            "Deploys the moving average of VerSemi's student.",
            state=lambda method, network: dict(method.average.state_dict()),
        ),
    )
    needs_tasks: ClassVar[bool] = True

    def __init__(self, config: VerSemiConfig, setting: Setting, network: nn.Module) -> None:
        """Start the moving average.

        Args:
            config: Hyper-parameters.
            setting: The task; each class but the background is one of VerSemi's tasks.
            network: The deployed network, a `TaskNetwork`.

        Raises:
            UserError: The patch is smaller than the smallest cube.
        """
        super().__init__()
        check_cubes(setting.patch_size, config.cube_range, "the lower number of versemi.cube_range")
        check_cubes(setting.patch_size, config.labeled_cube, "versemi.labeled_cube")
        self.config = config
        self.num_tasks = setting.num_classes - 1
        self.average = make_teacher(network)
        self.train()

    @classmethod
    def build_network(cls, plan: NetworkPlan) -> TaskNetwork:
        """The planned network with a head for all tasks; there are no lower outputs.

        With the plans of a model that is limited to some tasks it has all weights and answers these alone.
        """
        trained, shown = limit_of(plan.configuration) or (plan.num_classes - 1, None)
        return build_task_network(plan.architecture, plan.in_channels, trained, shown)

    @classmethod
    def batch_sizes(cls, config: VerSemiConfig, plans_batch_size: int, num_labeled_cases: int) -> BatchSizes:
        """The paper's 8 + 8 samples."""
        return BatchSizes(8, 8)

    @classmethod
    def deployed_optimizer(
        cls, config: VerSemiConfig, parameters: Iterable[nn.Parameter]
    ) -> torch.optim.Optimizer | None:
        """The paper's Adam unless the configuration asks for nnU-Net's optimizer."""
        if config.network_optimizer == "nnunet":
            return None
        return torch.optim.Adam(parameters, lr=1e-3, betas=(0.5, 0.999))

    @classmethod
    def decays(cls, config: VerSemiConfig) -> bool:
        """Whether `network_optimizer` asks for it."""
        return config.network_optimizer == "decaying"

    def teachers(self) -> dict[str, nn.Module]:
        """The moving average, which teaches nothing here."""
        return {"average": self.average}

    def after_step(self, network: nn.Module, progress: Progress) -> None:
        """The average follows the student."""
        ema_update(self.average, network, ema_decay(progress.step, self.config.ema_decay))

    def losses(self, batch: SemiSegBatch, context: StepContext) -> StepLosses:
        """One step of VerSemi.

        Args:
            batch: 2D or 3D patches with `task_ids`, of which the weak view is not used.
            context: The deployed network and the progress; nnU-Net's loss is not used.

        Returns:
            (a), (b) and (c) on labeled images alone; after the switch (a), (b), (d), (e) and the measure
            ``agreement``, the Dice of the synthetic task's map and that of all others together.
        """
        labeled_alone = context.progress.fraction < self.config.switch
        mix = self._mix_labeled(batch, self.config.labeled_cube if labeled_alone else self.config.cube_range)
        supervised = _loss_of_every_task if self.config.supervised_tasks == "all" else _loss_of_drawn_tasks
        # after the switch nothing asks for the partners' own tasks
        first = 0 if labeled_alone else 2
        probabilities = foreground_probability(context.network(mix.images, tasks=mix.tasks[:, first:]), 2)
        synthetic = foreground_dice_loss(probabilities[:, -1], mix.targets[:, -1])
        terms = {
            "supervised": LossTerm(supervised(batch, context), TRAINS, supervised=True),
            "synthetic": LossTerm(synthetic, TRAINS, self.config.synthetic_weight, supervised=True),
        }
        if labeled_alone:
            both = [foreground_dice_loss(probabilities[:, i], mix.targets[:, i]) for i in (0, 1)]
            partner = torch.stack(both).mean()
            terms["partner"] = LossTerm(partner, TRAINS, self.config.partner_weight, supervised=True)
            note = f"none: labeled images alone until {self.config.switch:.0%} of the training"
            return StepLosses(terms, panels=lambda: {"pseudo-label": Panel(note=note)})
        unlabeled = self._unlabeled_stage(batch, context)
        return StepLosses({**terms, **unlabeled.terms}, unlabeled.measures, unlabeled.panels)

    def _mix_labeled(self, batch: SemiSegBatch, side: float | tuple[float, float]) -> LabeledMix:
        """Pair the labeled images at random; an odd one is in two pairs.

        Not in the loader's order: nnU-Net puts the patches around a structure behind the others, and a large
        cube from another image would hide what lies in their middle.
        """
        images, labels = batch.labeled_images, batch.labeled_targets[0][:, 0]
        first, second = (part.to(images.device) for part in draw_pairs(len(images)))
        cube = draw_cubes(len(first), tuple(images.shape[2:]), side).to(images.device)
        tasks = _task_ids(batch)
        own = torch.stack([tasks[first], tasks[second]], dim=1)
        # a label is of one task, so that no image contributes to a task that it is not annotated for
        mixed = paste(labels[first], labels[second], cube[:, 0])[:, None]
        targets = torch.cat([mixed == _label_of(own, mixed.ndim), mixed > 0], dim=1)
        synthetic = torch.full_like(own[:, :1], self.num_tasks)
        return LabeledMix(
            paste(images[first], images[second], cube), torch.cat([own, synthetic], dim=1), targets
        )

    def _unlabeled_stage(self, batch: SemiSegBatch, context: StepContext) -> StepLosses:
        """(d) and (e): unlabeled images with a cube of a labeled one."""
        unlabeled = batch.unlabeled_strong
        count, num_tasks = len(unlabeled), self.num_tasks
        cube = draw_cubes(count, tuple(unlabeled.shape[2:]), self.config.cube_range).to(unlabeled.device)
        images = paste(partners(batch.labeled_images, count), unlabeled, cube)
        labels = partners(_annotated_foreground(batch), count)
        every_task = torch.arange(num_tasks + 1, device=unlabeled.device).expand(count, -1)
        logits = context.network(images, tasks=every_task)
        synthetic = foreground_probability(logits[:, num_tasks])
        of_tasks = aggregated_probability(logits[:, :num_tasks])
        # both sides would agree on foreground in the padding as well
        inside = batch.inside | cube
        consistency = foreground_dice_loss(synthetic, of_tasks, inside)
        region = foreground_dice_loss(synthetic, labels, cube)
        first, second = ((p.detach() > 0.5) & inside[:, 0] for p in (synthetic, of_tasks))

        def panels() -> Panels:
            pairs = logits[:, :num_tasks].detach().float()
            likely = (pairs[:, :, 1] - pairs[:, :, 0]).argmax(1)
            return {
                "mixed image": Panel(images),
                "all tasks": Panel(images, (likely + 1) * second),
                "any structure": Panel(trust=synthetic.detach()),
            }

        return StepLosses(
            {
                "consistency": LossTerm(consistency, TRAINS, self.config.consistency_weight),
                "region": LossTerm(region, TRAINS, self.config.region_weight),
            },
            {"agreement": class_map_agreement(first.long(), second.long(), num_classes=2).mean()},
            panels,
        )


def _loss_of_drawn_tasks(batch: SemiSegBatch, context: StepContext) -> torch.Tensor:
    """(a): each image by the task that it stands for."""
    tasks, target = _task_ids(batch), batch.labeled_targets[0][:, 0]
    logits = context.network(batch.labeled_images, tasks=tasks)
    return task_seg_loss(logits, target == _label_of(tasks, target.ndim))


def _loss_of_every_task(batch: SemiSegBatch, context: StepContext) -> torch.Tensor:
    """(a) as if each image stood in the batch once for each of the tasks that it is annotated for."""
    tasks, target = _annotated_tasks(batch), batch.labeled_targets[0]
    logits = context.network(batch.labeled_images, tasks=tasks.clamp(min=0))
    shown = target == _label_of(tasks, target.ndim)
    # what fills up the shorter rows of tasks, -1, has the label 0
    annotated = (_label_of(tasks, target.ndim) > 0).expand_as(shown).flatten(0, 1)[:, None]
    return task_seg_loss(logits.flatten(0, 1), shown.flatten(0, 1), annotated)


def _annotated_foreground(batch: SemiSegBatch) -> torch.Tensor:
    """Where each labeled image shows any structure that it is annotated for: ``L x S``, bool."""
    return batch.labeled_targets[0][:, 0] > 0


def _label_of(tasks: torch.Tensor, ndim: int) -> torch.Tensor:
    """The labels of tasks, with axes of length 1 behind, ``ndim`` axes in all."""
    return (tasks + 1).reshape(*tasks.shape, *[1] * (ndim - tasks.ndim))


def _task_ids(batch: SemiSegBatch) -> torch.Tensor:
    if batch.task_ids is None:
        raise UserError("the batch has no task_ids: VerSemi must know the task of each labeled sample")
    return batch.task_ids


def _annotated_tasks(batch: SemiSegBatch) -> torch.Tensor:
    if batch.annotated_tasks is None:
        raise UserError(
            "the batch has no annotated_tasks: with versemi.supervised_tasks=all VerSemi must know all tasks "
            "of each labeled sample"
        )
    return batch.annotated_tasks
