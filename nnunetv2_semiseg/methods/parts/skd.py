"""SAM-induced knowledge distillation (SKD) as a part that any method of 2D patches can take.

Huang et al., "KnowSAM: learnable prompting SAM-induced knowledge distillation for semi-supervised medical
image segmentation", IEEE TMI 2025. A segment-anything model with adapters, prompted by what the method's own
students predict, learns from the labeled images alone and teaches the students on all of them.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, TypeGuard, cast

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import nn

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.core.config import STRICT
from nnunetv2_semiseg.methods.base import Method, OptimizerFactory, ScheduledOptimizer, Setting
from nnunetv2_semiseg.methods.losses.distillation import distillation_loss
from nnunetv2_semiseg.methods.losses.segmentation import seg_loss
from nnunetv2_semiseg.methods.parts.labels import true_labels
from nnunetv2_semiseg.methods.parts.panels import prediction_panels
from nnunetv2_semiseg.methods.step import LossTerm, Panels, StepLosses
from nnunetv2_semiseg.networks.sam.build import build_prompted_sam, foundation_identity, with_weights
from nnunetv2_semiseg.networks.sam.config import PromptedFoundationConfig
from nnunetv2_semiseg.networks.sam.prompted import PromptedSam

SAM = "sam"
"""Name of the SAM branch among the trained networks."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class SkdConfig:
    """Hyper-parameters of the SAM branch and of what it teaches; the defaults are the paper's."""

    foundation: PromptedFoundationConfig = Field(default_factory=PromptedFoundationConfig)
    temperature: float = Field(default=10.0, gt=0, description="T, which softens both distributions")
    weight: float = Field(default=1.0, ge=0, description="of the distillation in the total")
    learning_rate: float = Field(default=1e-4, gt=0, description="of Adam, for adapters and prompts")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class OptionalSkdConfig(SkdConfig):
    """Hyper-parameters of a SAM branch that a method may take or leave."""

    enabled: bool = Field(default=False, description="true: a SAM branch teaches the student(s); 2D only")


class SkdMethod(Method):
    """A method whose students may learn from a SAM branch; without one nothing of SAM is built."""

    sam: PromptedSam | None

    def __init__(self, config: SkdConfig | None, setting: Setting, config_key: str) -> None:
        """Build the SAM branch.

        Args:
            config: None, or an `OptionalSkdConfig` that is not enabled, for a method without it.
            setting: The task.
            config_key: Where ``config`` stands below ``semiseg``, for messages.

        Raises:
            UserError: There is no usable foundation checkpoint.
        """
        super().__init__()
        self.setting = setting
        self.skd_config = config
        self.sam = None
        self._identity: dict[str, str] = {}
        if is_enabled(config):
            key = f"{config_key}.foundation"
            switch = f"{config_key}.enabled=true" if isinstance(config, OptionalSkdConfig) else ""
            foundation = with_weights(config.foundation, key, switch)
            _warn_of_random_decoder(foundation, key)
            self._identity = foundation_identity(foundation)  # once: hashing a checkpoint takes seconds
            self.sam = build_prompted_sam(foundation, setting.in_channels, setting.num_classes)

    @classmethod
    def supported_dimensions(cls, config: Any) -> frozenset[int]:
        """SAM takes 2D images."""
        return cls.dimensions & {2} if is_enabled(getattr(config, "skd", None)) else cls.dimensions

    @classmethod
    def name_with(cls, config: Any) -> str:
        """The method's key, and the setting that takes 3D patches away from it."""
        limited = cls.supported_dimensions(config) != cls.dimensions
        return f"{cls.key} with {cls.key}.skd.enabled=true" if limited else cls.key

    def trained_networks(self) -> dict[str, nn.Module]:
        """The SAM branch, where there is one."""
        return {} if self.sam is None else {SAM: self.sam}

    def frozen_modules(self) -> tuple[nn.Module, ...]:
        """What of SAM is never trained."""
        return () if self.sam is None else self.sam.frozen_modules()

    def frozen_identity(self) -> dict[str, str]:
        """SHA-256 of SAM's weights and what else decides about the frozen parts' output."""
        return self._identity

    def optimizers(self, like_deployed: OptimizerFactory) -> list[ScheduledOptimizer]:
        """Adam of constant rate for the SAM branch, where there is one."""
        if self.sam is None or self.skd_config is None:
            return []
        rate = self.skd_config.learning_rate
        optimizer = torch.optim.Adam(self.sam.parameters_to_train(), lr=rate)
        return [ScheduledOptimizer(SAM, optimizer, lambda progress: rate)]

    def skd_losses(
        self,
        images: torch.Tensor,
        own_logits: torch.Tensor,
        students: Mapping[str, torch.Tensor],
        batch: SemiSegBatch,
    ) -> StepLosses:
        """The terms of `skd_terms`, and panels of what SAM sees; nothing without a SAM branch."""
        if self.sam is None:
            return StepLosses({})
        terms, logits = self.skd_terms(images, own_logits, students, batch)

        def panels() -> Panels:
            first = len(batch.labeled_images)
            return prediction_panels(images[first:], batch.inside, {"SAM": logits[first:]})

        return StepLosses(terms, panels=panels)

    def skd_terms(
        self,
        images: torch.Tensor,
        own_logits: torch.Tensor,
        students: Mapping[str, torch.Tensor],
        batch: SemiSegBatch,
        share: float = 1.0,
    ) -> tuple[dict[str, LossTerm], torch.Tensor]:
        """What the SAM branch learns from labeled images and teaches on all of them.

        Args:
            images: Labeled and unlabeled patches, labeled ones first, ``B x C x H x W``.
            own_logits: The method's own prediction of them, ``B x K x H x W``: SAM's mask prompts.
            students: Logits ``B x K x H x W`` of each network that is to learn from SAM, by its name.
            batch: Batch of the step, whose labels train SAM.
            share: Factor on the configured weight of each student's distillation.

        Returns:
            The terms, and SAM's logits ``B x K x H x W`` without gradient.
        """
        sam, config = cast("PromptedSam", self.sam), cast("SkdConfig", self.skd_config)
        target = batch.labeled_targets[0]
        (labeled, unlabeled), (own, own_unlabeled) = (
            tensor.split([len(target), len(images) - len(target)]) for tensor in (images, own_logits.detach())
        )
        on_labeled = sam.predict(labeled, own)
        # apart: SAM learns from labeled images alone, so nothing of these is kept for a backward pass
        with torch.no_grad():
            on_unlabeled = sam.predict(unlabeled, own_unlabeled)
        logits = torch.cat([on_labeled.detach(), on_unlabeled])
        supervised = seg_loss(on_labeled, *true_labels(target, self.setting.ignore_label))
        terms = {"supervised_sam": LossTerm(supervised, frozenset({SAM}), supervised=True)}
        for name, student in students.items():
            term = "distillation" if len(students) == 1 else f"distillation_{name}"
            loss = distillation_loss(student, logits, config.temperature, batch.all_inside)
            terms[term] = LossTerm(loss, frozenset({name}), config.weight * share)
        return terms, logits


def _warn_of_random_decoder(foundation: PromptedFoundationConfig, config_key: str) -> None:
    """Whatever goes into a random mask decoder that is never trained, hardly anything comes out."""
    if foundation.random_weights and not foundation.train_mask_decoder:
        warnings.warn(
            f"the random mask decoder of {config_key} is frozen, so that SAM can learn next to nothing: set "
            f"{config_key}.train_mask_decoder=true for a trial in which it teaches"
        )


def is_enabled(config: SkdConfig | None) -> TypeGuard[SkdConfig]:
    """Whether a SAM branch is to be built."""
    return config is not None and getattr(config, "enabled", True)
