"""UA-MT: a Mean Teacher that is followed only where it is certain.

Yu et al., "Uncertainty-aware Self-ensembling Model for Semi-supervised 3D Left Atrium Segmentation", MICCAI
2019. docs/methods/uamt.md goes through the equations.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.core.config import STRICT
from nnunetv2_semiseg.methods.mean_teacher import MeanTeacher, MeanTeacherConfig
from nnunetv2_semiseg.methods.parts.schedules import sigmoid_ramp
from nnunetv2_semiseg.methods.step import Progress, StepContext
from nnunetv2_semiseg.networks.pixels import pixel_entropy

FIRST_BOUND = 0.75
"""The bound on the entropy before the ramp, as a part of the largest possible entropy."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class UAMTConfig(MeanTeacherConfig):
    """Hyper-parameters of UA-MT; the defaults are the paper's."""

    passes: int = Field(default=8, ge=1, description="noisy passes of the teacher that measure certainty")
    noise: float = Field(default=0.1, ge=0, description="standard deviation of the noise on the input")
    noise_clip: float = Field(default=0.2, ge=0, description="largest noise, of either sign")


class UAMT(MeanTeacher):
    """Mean Teacher with a mask; the symbols are those of docs/methods/uamt.md."""

    name: ClassVar[str] = "UAMT"
    key: ClassVar[str] = "uamt"
    config_class: ClassVar[type[Any]] = UAMTConfig
    trust_title: ClassVar[str] = "certain"

    def _mask(
        self, batch: SemiSegBatch, target: torch.Tensor, context: StepContext
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Where the entropy of the noisy passes' mean is below the bound; the measure ``certain_share``."""
        mean = self._noisy_mean(batch.unlabeled_weak, batch.inside)
        certain = pixel_entropy(mean) < self._bound(context.progress)
        return certain, {"certain_share": certain.float().mean()}

    def _bound(self, progress: Progress) -> float:
        """Bound that rises from 3/4 of the entropy of a pixel without any preference to all of it."""
        highest = math.log(self.setting.num_classes)
        return (FIRST_BOUND + (1 - FIRST_BOUND) * sigmoid_ramp(progress)) * highest

    @torch.no_grad()
    def _noisy_mean(self, images: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        """Mean of the teacher's probabilities over noisy versions of ``images``, one after another."""
        passes = (
            self.teacher_probabilities(images + self._noise(images), inside)
            for _ in range(self.config.passes)
        )
        return sum(passes, start=images.new_zeros(())) / self.config.passes

    def _noise(self, images: torch.Tensor) -> torch.Tensor:
        clip = self.config.noise_clip
        return (torch.randn_like(images) * self.config.noise).clamp_(-clip, clip)
