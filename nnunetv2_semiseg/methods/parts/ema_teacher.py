"""What methods share whose one teacher is a moving average of the deployed network."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import nn

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.core.config import STRICT
from nnunetv2_semiseg.methods.base import Setting
from nnunetv2_semiseg.methods.parts.labels import outside_is_background
from nnunetv2_semiseg.methods.parts.skd import OptionalSkdConfig, SkdMethod
from nnunetv2_semiseg.methods.step import DEPLOYED, Progress, StepLosses
from nnunetv2_semiseg.networks.ema import ema_decay, ema_update, make_teacher
from nnunetv2_semiseg.networks.outputs import full_resolution, set_deep_supervision


@dataclass(frozen=True, kw_only=True, config=STRICT)
class EMATeacherConfig:
    """Hyper-parameters of the teacher, and of a SAM branch beside it."""

    ema_decay: float = Field(default=0.99, ge=0, lt=1, description="decay of the teacher, a moving average")
    skd: OptionalSkdConfig = Field(default_factory=OptionalSkdConfig)


class EMATeacherMethod(SkdMethod):
    """A student, which is the deployed network, and its teacher (Tarvainen and Valpola 2017)."""

    def __init__(self, config: Any, setting: Setting, network: nn.Module) -> None:
        """Build the teacher.

        Args:
            config: Hyper-parameters, an `EMATeacherConfig`.
            setting: The task.
            network: The deployed network, of which the teacher starts as a copy.

        Raises:
            UserError: A SAM branch is asked for and there is no usable checkpoint for it.
        """
        super().__init__(config.skd, setting, f"{self.key}.skd")
        self.config = config
        self.network_teacher = set_deep_supervision(make_teacher(network), False)
        self.train()

    def teachers(self) -> dict[str, nn.Module]:
        """The moving average."""
        return {"network_teacher": self.network_teacher}

    def after_step(self, network: nn.Module, progress: Progress) -> None:
        """The teacher follows the student."""
        ema_update(self.network_teacher, network, ema_decay(progress.step, self.config.ema_decay))

    @torch.no_grad()
    def teacher_probabilities(self, images: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        """What the teacher sees in images: ``B x K x S``, float32, without gradient.

        Args:
            images: ``B x C x S``.
            inside: ``B x 1 x S``, bool; what lies outside of the image is background.
        """
        probabilities = full_resolution(self.network_teacher(images)).float().softmax(1)
        return outside_is_background(probabilities, inside)

    def student_skd_losses(self, images: torch.Tensor, output: Any, batch: SemiSegBatch) -> StepLosses:
        """What a SAM branch adds to the student's terms and panels; nothing without one.

        Args:
            images: What the student saw, labeled images first, ``B x C x S``.
            output: What it said.
            batch: Batch of the step.
        """
        logits = full_resolution(output)
        return self.skd_losses(images, logits, {DEPLOYED: logits}, batch)
