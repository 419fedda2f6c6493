"""FixMatch: learn a teacher's confident hard labels of the weak view on the strong view.

Sohn et al., "FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence", NeurIPS 2020,
as segmentation papers use it: the teacher is a moving average, and a box of a labeled image is mixed into the
strong view (CutMix). docs/methods/fixmatch.md goes through the equations.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.core.config import STRICT
from nnunetv2_semiseg.methods.losses.segmentation import masked_seg_loss
from nnunetv2_semiseg.methods.parts.ema_teacher import EMATeacherConfig, EMATeacherMethod
from nnunetv2_semiseg.methods.parts.labels import TrustedLabels, paste_labels, pseudo_labels, true_labels
from nnunetv2_semiseg.methods.parts.mixing import draw_cutmix_boxes, partners, paste
from nnunetv2_semiseg.methods.parts.panels import pseudo_label_panels
from nnunetv2_semiseg.methods.parts.schedules import sigmoid_ramp
from nnunetv2_semiseg.methods.step import DEPLOYED, LossTerm, Panel, Panels, StepContext, StepLosses
from nnunetv2_semiseg.networks.outputs import full_resolution, split_batch


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FixMatchConfig(EMATeacherConfig):
    """Hyper-parameters of FixMatch."""

    threshold: float = Field(default=0.95, gt=0, lt=1, description="τ: a pseudo-label above it is trusted")
    weight: float = Field(default=1.0, ge=0, description="of the unsupervised term once the ramp is over")
    cutmix: bool = Field(default=True, description="mix a box of a labeled image into each strong view")


class FixMatch(EMATeacherMethod):
    """One student and its EMA teacher; the symbols are those of docs/methods/fixmatch.md."""

    name: ClassVar[str] = "FixMatch"
    key: ClassVar[str] = "fixmatch"
    config_class: ClassVar[type[Any]] = FixMatchConfig

    def losses(self, batch: SemiSegBatch, context: StepContext) -> StepLosses:
        """One step of FixMatch.

        Args:
            batch: 2D or 3D patches.
            context: The deployed network, its supervised loss and the progress.

        Returns:
            Two terms, those of a SAM branch if there is one, and the measure ``confident_share``, the share
            of the unlabeled pixels whose pseudo-label is trusted, before mixing.
        """
        pseudo = pseudo_labels(
            self.teacher_probabilities(batch.unlabeled_weak, batch.inside), self.config.threshold
        )
        mixed_batch, mixed = self._mix(batch, pseudo)

        mixed_images, num_labeled = mixed_batch.unlabeled_strong, len(batch.labeled_images)
        images = torch.cat([batch.labeled_images, mixed_images])
        output = context.network(images)
        on_labeled, on_mixed = split_batch(output, num_labeled)
        unsupervised = masked_seg_loss(full_resolution(on_mixed), *mixed)
        skd = self.student_skd_losses(images, output, mixed_batch)
        trains, weight = frozenset({DEPLOYED}), self.config.weight * sigmoid_ramp(context.progress)
        terms = {
            "supervised": LossTerm(
                context.supervised_loss(on_labeled, batch.labeled_targets), trains, supervised=True
            ),
            "unsupervised": LossTerm(unsupervised, trains, weight),
            **skd.terms,
        }

        def panels() -> Panels:
            seen = pseudo_label_panels(batch.unlabeled_weak, pseudo)
            mix = {"mixed image": Panel(mixed_images, *mixed)} if self.config.cutmix else {}
            return {**seen, **mix, **skd.panels()}

        return StepLosses(terms, {"confident_share": pseudo.trusted.float().mean()}, panels)

    def _mix(self, batch: SemiSegBatch, pseudo: TrustedLabels) -> tuple[SemiSegBatch, TrustedLabels]:
        """A box of a labeled image in the strong view and its true label, if the config says so.

        Such a box is inside of the image even where it covers padding.
        """
        if not self.config.cutmix:
            return batch, pseudo
        strong, count = batch.unlabeled_strong, len(batch.unlabeled_strong)
        box = draw_cutmix_boxes(count, tuple(strong.shape[2:])).to(strong.device)
        labeled = true_labels(batch.labeled_targets[0], self.setting.ignore_label)
        image = paste(partners(batch.labeled_images, count), strong, box)
        mixed = dataclasses.replace(batch, unlabeled_strong=image, unlabeled_inside=box | batch.inside)
        return mixed, paste_labels(labeled, pseudo, box)
