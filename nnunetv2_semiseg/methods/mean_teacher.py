"""Mean Teacher: the student's probabilities follow those of its own moving average.

Tarvainen and Valpola, "Mean teachers are better role models: Weight-averaged consistency targets improve
semi-supervised deep learning results", NeurIPS 2017. docs/methods/mean_teacher.md goes through the equations.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.core.config import STRICT
from nnunetv2_semiseg.methods.losses.consistency import consistency_loss
from nnunetv2_semiseg.methods.parts.ema_teacher import EMATeacherConfig, EMATeacherMethod
from nnunetv2_semiseg.methods.parts.schedules import sigmoid_ramp
from nnunetv2_semiseg.methods.step import DEPLOYED, LossTerm, Panel, Panels, StepContext, StepLosses
from nnunetv2_semiseg.networks.outputs import full_resolution, split_batch


@dataclass(frozen=True, kw_only=True, config=STRICT)
class MeanTeacherConfig(EMATeacherConfig):
    """Hyper-parameters of Mean Teacher."""

    weight: float = Field(default=0.1, ge=0, description="of the consistency once the ramp is over")


class MeanTeacher(EMATeacherMethod):
    """One student and its EMA teacher; the symbols are those of docs/methods/mean_teacher.md."""

    name: ClassVar[str] = "MeanTeacher"
    key: ClassVar[str] = "mean_teacher"
    config_class: ClassVar[type[Any]] = MeanTeacherConfig
    trust_title: ClassVar[str] = "teacher's confidence"
    """Title of the column that shows `_mask` or, without one, the probability of the teacher's class."""

    def losses(self, batch: SemiSegBatch, context: StepContext) -> StepLosses:
        """One step of Mean Teacher.

        Args:
            batch: 2D or 3D patches.
            context: The deployed network, its supervised loss and the progress.

        Returns:
            Two terms, those of a SAM branch if there is one, and the teacher's measures, see `_mask`.
        """
        target = self.teacher_probabilities(batch.unlabeled_weak, batch.inside)
        mask, measures = self._mask(batch, target, context)

        images = torch.cat([batch.labeled_images, batch.unlabeled_strong])
        output = context.network(images)
        on_labeled, unlabeled = split_batch(output, len(batch.labeled_images))
        skd = self.student_skd_losses(images, output, batch)
        student = full_resolution(unlabeled).float().softmax(1)
        trains, weight = frozenset({DEPLOYED}), self.config.weight * sigmoid_ramp(context.progress)
        terms = {
            "supervised": LossTerm(
                context.supervised_loss(on_labeled, batch.labeled_targets), trains, supervised=True
            ),
            "consistency": LossTerm(consistency_loss(student, target, mask), trains, weight),
            **skd.terms,
        }

        def panels() -> Panels:
            trust = target.amax(1) if mask is None else mask[:, 0]
            pseudo_label = Panel(batch.unlabeled_weak, target.argmax(1))
            return {"pseudo-label": pseudo_label, self.trust_title: Panel(trust=trust), **skd.panels()}

        return StepLosses(terms, measures, panels)

    def _mask(
        self, batch: SemiSegBatch, target: torch.Tensor, context: StepContext
    ) -> tuple[torch.Tensor | None, dict[str, torch.Tensor]]:
        """Where the student follows the teacher; here everywhere.

        Args:
            batch: Batch of the step.
            target: What the teacher sees in the weak view, probabilities ``B x K x S``.
            context: Context of the step.

        Returns:
            ``B x 1 x S``, bool, or None for everywhere; and what there is to watch: the mean
            ``teacher_confidence``, the probability of the teacher's class.
        """
        return None, {"teacher_confidence": target.amax(1).mean()}
