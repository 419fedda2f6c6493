"""SynFoC: a foundation and a conventional model teach each other on images of mixed domains.

Ma et al., "Steady Progress Beats Stagnation: Mutual Aid of Foundation and Conventional Models in Mixed
Domain Semi-Supervised Medical Image Segmentation", CVPR 2025. Symbols: U is the conventional model (the
deployed network), F the foundation model; docs/methods/synfoc.md goes through the equations one by one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass as plain_dataclass
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import nn

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.core.config import STRICT
from nnunetv2_semiseg.methods.base import (
    BatchSizes,
    Export,
    Method,
    OptimizerFactory,
    ScheduledOptimizer,
    Setting,
)
from nnunetv2_semiseg.methods.losses.agreement import class_map_agreement
from nnunetv2_semiseg.methods.losses.consensus import consensus_loss, divergence_loss
from nnunetv2_semiseg.methods.losses.segmentation import masked_seg_loss, seg_loss
from nnunetv2_semiseg.methods.parts.labels import (
    TrustedLabels,
    outside_is_background,
    paste_labels,
    pseudo_labels,
    true_labels,
)
from nnunetv2_semiseg.methods.parts.mixing import draw_cutmix_boxes, partners, paste
from nnunetv2_semiseg.methods.parts.panels import map_panels, pseudo_label_panels
from nnunetv2_semiseg.methods.parts.schedules import linear_warmup, sigmoid_ramp
from nnunetv2_semiseg.methods.step import DEPLOYED, LossTerm, Panel, Panels, Progress, StepContext, StepLosses
from nnunetv2_semiseg.networks.ema import ema_decay, ema_update, make_teacher, unwrapped
from nnunetv2_semiseg.networks.outputs import full_resolution, set_deep_supervision, split_batch
from nnunetv2_semiseg.networks.pixels import bilinear, nearest, nearest_map
from nnunetv2_semiseg.networks.sam.build import build_foundation, foundation_identity, with_weights
from nnunetv2_semiseg.networks.sam.config import FoundationConfig
from nnunetv2_semiseg.networks.sam.deployed import DeployedSemanticSam, deployed_state

FOUNDATION = "foundation"
"""Name of the foundation student among the trained networks."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class SynFoCConfig:
    """Hyper-parameters of SynFoC; the defaults are the paper's."""

    foundation: FoundationConfig = Field(default_factory=FoundationConfig)
    threshold: float = Field(default=0.95, gt=0, lt=1, description="τ: a pseudo-label above it is trusted")
    ema_decay: float = Field(default=0.99, ge=0, lt=1, description="decay of both teachers")
    foundation_learning_rate: float = Field(default=1.2e-4, gt=0, description="of AdamW, after the warm-up")
    foundation_weight_decay: float = Field(default=0.1, ge=0)
    foundation_warmup_steps: int = Field(default=250, ge=0, description="at most 10 % of the training")
    network_optimizer: Literal["nnunet", "paper"] = Field(
        default="nnunet", description="nnunet: SGD 0.01 with poly schedule; paper: SGD 0.03, constant"
    )
    consensus_weight: float = Field(default=1.0, ge=0, description="of the entropy where both agree")
    divergence_weight: float = Field(
        default=1.0, ge=0, description="of the difference where they disagree; less for a weak foundation"
    )
    mask_background_dice: bool = Field(
        default=True,
        description="false: as in the released code, background Dice ignores the mask",
    )


@plain_dataclass(frozen=True)
class _Labels:
    """Labels on both models' grids."""

    patch: TrustedLabels
    grid: TrustedLabels


class SynFoC(Method):
    """Two students and their EMA teachers; the steps are numbered as in docs/methods/synfoc.md."""

    name: ClassVar[str] = "SynFoC"
    key: ClassVar[str] = "synfoc"
    config_class: ClassVar[type[Any]] = SynFoCConfig
    deploys: ClassVar[str] = "its conventional student"
    exports: ClassVar[tuple[Export, ...]] = (
        Export(
            "Foundation",
            "Deploys SynFoC's foundation student; needs no foundation checkpoint.",
            state=lambda method, network: deployed_state(method.foundation),
            build=lambda plan, config: DeployedSemanticSam(
                config.foundation, plan.in_channels, plan.num_classes
            ),
        ),
    )
    default_epochs: ClassVar[int] = 240
    dimensions: ClassVar[frozenset[int]] = frozenset({2})

    def __init__(self, config: SynFoCConfig, setting: Setting, network: nn.Module) -> None:
        """Build the foundation model and both teachers.

        Args:
            config: Hyper-parameters.
            setting: The task.
            network: The deployed network, of which the conventional teacher starts as a copy.

        Raises:
            UserError: There is no usable foundation checkpoint.
        """
        super().__init__()
        self.config, self.setting = config, setting
        self.network_teacher = set_deep_supervision(make_teacher(network), False)
        # once: hashing a checkpoint takes seconds
        foundation = with_weights(config.foundation, f"{self.key}.foundation")
        self._identity = foundation_identity(foundation)
        self.foundation = build_foundation(foundation, setting.in_channels, setting.num_classes)
        self.foundation_teacher = self.foundation.teacher()
        self.train()

    @classmethod
    def batch_sizes(cls, config: SynFoCConfig, plans_batch_size: int, num_labeled_cases: int) -> BatchSizes:
        """The paper's 4 + 4 samples, 2 + 2 for fewer than 8 labeled cases in all folds."""
        return BatchSizes(2, 2) if num_labeled_cases < 8 else BatchSizes(4, 4)

    @classmethod
    def deployed_optimizer(
        cls, config: SynFoCConfig, parameters: Iterable[nn.Parameter]
    ) -> torch.optim.Optimizer | None:
        """The paper's SGD where the configuration asks for it."""
        if config.network_optimizer == "nnunet":
            return None
        return torch.optim.SGD(parameters, lr=0.03, momentum=0.9, weight_decay=1e-4)

    def trained_networks(self) -> dict[str, nn.Module]:
        """The foundation student."""
        return {FOUNDATION: self.foundation}

    def teachers(self) -> dict[str, nn.Module]:
        """Both moving averages."""
        return {"network_teacher": self.network_teacher, "foundation_teacher": self.foundation_teacher}

    def frozen_modules(self) -> tuple[nn.Module, ...]:
        """The image encoder, which both foundation models share."""
        return (self.foundation.encoder,)

    def frozen_identity(self) -> dict[str, str]:
        """SHA-256 of the foundation's weights and what else decides about the frozen encoder's output."""
        return self._identity

    def optimizers(self, like_deployed: OptimizerFactory) -> list[ScheduledOptimizer]:
        """AdamW of the foundation student, warmed up linearly and constant from there."""
        config = self.config
        optimizer = torch.optim.AdamW(
            self.foundation.parameters_to_train(),
            lr=config.foundation_learning_rate,
            weight_decay=config.foundation_weight_decay,
        )

        def learning_rate(progress: Progress) -> float:
            return config.foundation_learning_rate * linear_warmup(progress, config.foundation_warmup_steps)

        return [ScheduledOptimizer(FOUNDATION, optimizer, learning_rate)]

    def after_step(self, network: nn.Module, progress: Progress) -> None:
        """Both teachers follow their students (the foundation's LoRA, decoder and prompt encoder only)."""
        decay = ema_decay(progress.step, self.config.ema_decay)
        ema_update(self.network_teacher, network, decay)
        ema_update(self.foundation_teacher.trained, self.foundation.trained, decay)

    def losses(self, batch: SemiSegBatch, context: StepContext) -> StepLosses:
        """One step of SynFoC.

        Args:
            batch: 2D patches.
            context: The deployed network, its supervised loss and the progress.

        Returns:
            Six terms and the measures ``alpha``, ``self_confidence``, ``mutual_confidence``,
            ``confident_share`` and ``foundation_confident_share``, each a mean over the unlabeled samples.
        """
        pseudo, measures, teachers = self._pseudo_labels(batch.unlabeled_weak, batch.inside, context.network)
        labeled = self._true_labels(batch.labeled_targets[0])
        mixed_images, mixed, inside = self._mix(batch, labeled, pseudo)

        # One pass for both halves: instance norm keeps samples apart.
        images, num_labeled = torch.cat([batch.labeled_images, mixed_images]), len(batch.labeled_images)
        network_labeled, network_mixed = split_batch(context.network(images), num_labeled)
        foundation_labeled, foundation_mixed = split_batch(self.foundation(images), num_labeled)
        network_loss = context.supervised_loss(network_labeled, batch.labeled_targets)
        foundation_loss = seg_loss(foundation_labeled, *labeled.grid)
        terms = {
            "supervised": LossTerm(network_loss, frozenset({DEPLOYED}), supervised=True),
            "supervised_foundation": LossTerm(foundation_loss, frozenset({FOUNDATION}), supervised=True),
            **self._unsupervised_terms(
                full_resolution(network_mixed),
                foundation_mixed,
                mixed,
                inside,
                sigmoid_ramp(context.progress),
            ),
        }

        def panels() -> Panels:
            weak, mix = batch.unlabeled_weak, Panel(mixed_images, *mixed.patch)
            seen = {**map_panels(weak, teachers), **pseudo_label_panels(weak, pseudo.patch)}
            return {**seen, "mixed image": mix}

        return StepLosses(terms, measures, panels)

    @torch.no_grad()
    def _pseudo_labels(
        self, images: torch.Tensor, inside: torch.Tensor, network: nn.Module
    ) -> tuple[_Labels, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """Steps 1 to 3: the teachers' ensemble, weighted by its reliability; measures; the teachers' maps."""
        classes, size, grid = self.setting.num_classes, images.shape[2:], self.foundation.grid_size
        network_teacher = outside_is_background(
            full_resolution(self.network_teacher(images)).softmax(1), inside
        )
        foundation_teacher = outside_is_background(
            self.foundation_teacher(images).softmax(1), nearest(inside, grid)
        )
        # not compiled: a second batch size would cost the pass with gradients its static shapes
        student_map = full_resolution(unwrapped(network)(images)).argmax(1) * inside[:, 0]
        teacher_map, foundation_map = network_teacher.argmax(1), foundation_teacher.argmax(1)

        self_confidence = class_map_agreement(student_map, teacher_map, classes)
        mutual_confidence = class_map_agreement(nearest_map(teacher_map, grid), foundation_map, classes)
        alpha = self_confidence * mutual_confidence
        weight = alpha[:, None, None, None]
        ensemble = weight * network_teacher + (1 - weight) * bilinear(foundation_teacher, size)
        threshold = self.config.threshold
        pseudo = _Labels(
            pseudo_labels(ensemble, threshold), pseudo_labels(bilinear(ensemble, grid), threshold)
        )
        measures = {
            "alpha": alpha.mean(),
            "self_confidence": self_confidence.mean(),
            "mutual_confidence": mutual_confidence.mean(),
            "confident_share": pseudo.patch.trusted.float().mean(),
            "foundation_confident_share": pseudo.grid.trusted.float().mean(),
        }
        return pseudo, measures, {"U-Net teacher": teacher_map, "foundation teacher": foundation_map}

    def _true_labels(self, target: torch.Tensor) -> _Labels:
        """Targets ``L x 1 x S``."""
        patch, grid = true_labels(target, self.setting.ignore_label), self.foundation.grid_size
        return _Labels(patch, TrustedLabels(*(nearest_map(values, grid) for values in patch)))

    def _mix(
        self, batch: SemiSegBatch, labeled: _Labels, pseudo: _Labels
    ) -> tuple[torch.Tensor, _Labels, torch.Tensor]:
        """Step 4: a box of each labeled image, with its true label, pasted into the strong view.

        The third result says where the mixed patch shows an image, ``U x 1 x H x W``.
        """
        strong, grid = batch.unlabeled_strong, self.foundation.grid_size
        count = len(strong)
        box = draw_cutmix_boxes(count, tuple(strong.shape[2:])).to(strong.device)
        image = paste(partners(batch.labeled_images, count), strong, box)
        mixed = _Labels(
            paste_labels(labeled.patch, pseudo.patch, box),
            paste_labels(labeled.grid, pseudo.grid, nearest(box, grid)),
        )
        return image, mixed, box | batch.inside

    def _unsupervised_terms(
        self,
        network_logits: torch.Tensor,
        foundation_logits: torch.Tensor,
        mixed: _Labels,
        inside: torch.Tensor,
        ramp: float,
    ) -> dict[str, LossTerm]:
        """Steps 5 and 6: pseudo-labels for both students, consensus and divergence between them."""
        size, grid = network_logits.shape[2:], foundation_logits.shape[2:]
        network, foundation = network_logits.softmax(1), foundation_logits.softmax(1)
        foundation_on_patch = nearest(foundation, size)
        same = (network.argmax(1) == foundation_on_patch.argmax(1))[:, None]
        agree, differ = ((inside & where).to(network.dtype) for where in (same, ~same))
        config = self.config
        whole = config.mask_background_dice
        supervision = masked_seg_loss(network_logits, *mixed.patch, whole)
        foundation_supervision = masked_seg_loss(foundation_logits, *mixed.grid, whole)
        consensus = consensus_loss(network, agree, foundation, nearest(agree, grid))
        divergence = divergence_loss(network, foundation_on_patch, differ)
        both = frozenset({DEPLOYED, FOUNDATION})
        return {
            "unsupervised": LossTerm(supervision, frozenset({DEPLOYED}), ramp),
            "unsupervised_foundation": LossTerm(foundation_supervision, frozenset({FOUNDATION}), ramp),
            "consensus": LossTerm(consensus, both, ramp * config.consensus_weight),
            "divergence": LossTerm(divergence, both, ramp * config.divergence_weight),
        }
