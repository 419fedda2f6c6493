"""KnowSAM: two subnets teach each other, and a segment-anything model that they prompt teaches both.

Huang et al., "KnowSAM: learnable prompting SAM-induced knowledge distillation for semi-supervised medical
image segmentation", IEEE TMI 2025. A and B are the subnets, Y_f is their fused output, which is deployed;
docs/methods/knowsam.md goes through the equations one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal, cast

import torch
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass
from torch import nn

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.core.config import STRICT
from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.methods.base import BatchSizes, Export, NetworkPlan, Setting
from nnunetv2_semiseg.methods.losses.agreement import class_map_agreement
from nnunetv2_semiseg.methods.losses.entropy import entropy_loss
from nnunetv2_semiseg.methods.losses.mutual import mutual_loss
from nnunetv2_semiseg.methods.losses.segmentation import seg_loss
from nnunetv2_semiseg.methods.parts.labels import (
    TrustedLabels,
    outside_is_background,
    pseudo_labels,
    true_labels,
)
from nnunetv2_semiseg.methods.parts.mixing import exchange, uncertain_regions
from nnunetv2_semiseg.methods.parts.panels import prediction_panels
from nnunetv2_semiseg.methods.parts.schedules import sigmoid_ramp
from nnunetv2_semiseg.methods.parts.skd import SkdConfig, SkdMethod
from nnunetv2_semiseg.methods.step import LossTerm, Panel, Panels, StepContext, StepLosses
from nnunetv2_semiseg.networks.ema import unwrapped
from nnunetv2_semiseg.networks.fused import FusedNetwork, FusedOutput, build_fused_network
from nnunetv2_semiseg.networks.outputs import full_resolution, split_batch
from nnunetv2_semiseg.networks.planned import build_planned, partner_architecture
from nnunetv2_semiseg.networks.sam.deployed import DeployedPromptedSam, deployed_prompted_state

A, B, FUSION = "subnet_a", "subnet_b", "fusion"
"""Names of the deployed network's parts."""

ALL_PARTS = frozenset({A, B, FUSION})


@dataclass(frozen=True, kw_only=True, config=STRICT)
class KnowSAMConfig:
    """Hyper-parameters of KnowSAM; the defaults are the paper's, but for the networks' optimizer."""

    skd: SkdConfig = Field(default_factory=SkdConfig)
    entropy_weight: float = Field(default=0.9, ge=0, description="of each subnet's entropy")
    mixing_start: float = Field(
        default=0.24, ge=0, le=1, description="share of the training before the mixing; 1: never mix"
    )
    mixing_grid: int = Field(default=4, ge=1, description="cells along each side of a patch")
    mixing_cells: int = Field(default=5, ge=1, description="cells that are exchanged")
    mixing_rule: Literal["most", "least"] = Field(
        default="most", description="exchange the most uncertain cells; least: as in the released code"
    )
    pseudo_label_term: bool = Field(
        default=True, description="on mixed images the subnets also learn the fused output's hard labels"
    )
    fused_mixed_term: bool = Field(
        default=True, description="the fused output also learns the mixed images' labels"
    )
    network_optimizer: Literal["nnunet", "paper"] = Field(
        default="nnunet",
        description="nnunet: SGD 0.01 with poly schedule; paper: SGD 0.01, momentum 0.9, constant",
    )

    @model_validator(mode="after")
    def _cells_are_there(self) -> KnowSAMConfig:
        if self.mixing_cells > self.mixing_grid**2:
            raise UserError(
                f"mixing_cells = {self.mixing_cells} is more than a grid of {self.mixing_grid} x "
                f"{self.mixing_grid} has: set at most {self.mixing_grid**2}, or a larger mixing_grid"
            )
        return self


class KnowSAM(SkdMethod):
    """Two subnets, their fusion and the SAM branch; the steps are those of docs/methods/knowsam.md."""

    name: ClassVar[str] = "KnowSAM"
    key: ClassVar[str] = "knowsam"
    config_class: ClassVar[type[Any]] = KnowSAMConfig
    deploys: ClassVar[str] = "the fused output of both subnets"
    exports: ClassVar[tuple[Export, ...]] = (
        Export(
            "SubnetA",
            "Deploys KnowSAM's subnet A, which is the planned network.",
            state=lambda method, network: dict(network.first.state_dict()),
            build=lambda plan, config: plan.build(),
        ),
        Export(
            "SubnetB",
            "Deploys KnowSAM's subnet B, the planned network's partner of another family.",
            state=lambda method, network: dict(network.second.state_dict()),
            build=lambda plan, config: build_planned(
                partner_architecture(plan.architecture),
                plan.in_channels,
                plan.num_classes,
                plan.deep_supervision,
            ),
        ),
        Export(
            "Foundation",
            "Deploys KnowSAM's SAM branch with the networks that prompt it; needs no SAM checkpoint.",
            state=lambda method, network: deployed_prompted_state(network, method.sam),
            build=lambda plan, config: DeployedPromptedSam(
                config.skd.foundation,
                build_fused_network(
                    plan.architecture, plan.in_channels, plan.num_classes, deep_supervision=False
                ),
                plan.in_channels,
                plan.num_classes,
            ),
        ),
    )
    default_epochs: ClassVar[int] = 200
    dimensions: ClassVar[frozenset[int]] = frozenset({2})

    def __init__(self, config: KnowSAMConfig, setting: Setting, network: nn.Module) -> None:
        """Build the SAM branch.

        Args:
            config: Hyper-parameters.
            setting: The task.
            network: The deployed network, a `FusedNetwork`.

        Raises:
            UserError: There is no usable SAM checkpoint.
        """
        super().__init__(config.skd, setting, f"{self.key}.skd")
        self.config = config
        self.train()

    @classmethod
    def build_network(cls, plan: NetworkPlan) -> FusedNetwork:
        """The planned network, its partner of another family, and their fusion."""
        return build_fused_network(
            plan.architecture, plan.in_channels, plan.num_classes, plan.deep_supervision
        )

    @classmethod
    def batch_sizes(cls, config: KnowSAMConfig, plans_batch_size: int, num_labeled_cases: int) -> BatchSizes:
        """The paper's 12 + 12 samples."""
        return BatchSizes(12, 12)

    @classmethod
    def deployed_optimizer(
        cls, config: KnowSAMConfig, parameters: Iterable[nn.Parameter]
    ) -> torch.optim.Optimizer | None:
        """The paper's SGD where the configuration asks for it."""
        if config.network_optimizer == "nnunet":
            return None
        return torch.optim.SGD(parameters, lr=0.01, momentum=0.9, weight_decay=1e-4)

    def deployed_parts(self, network: nn.Module) -> dict[str, nn.Module]:
        """Subnets and fusion."""
        fused = cast("FusedNetwork", unwrapped(network))
        return {A: fused.first, B: fused.second, FUSION: fused.fusion}

    def losses(self, batch: SemiSegBatch, context: StepContext) -> StepLosses:
        """One step of KnowSAM.

        Args:
            batch: 2D patches, of which the weak view is not used.
            context: The deployed network, its supervised loss and the progress.

        Returns:
            The terms of both subnets, of the fused output and of SAM, and the measures ``subnet_agreement``
            and ``sam_agreement``: Dice of the unlabeled images' class maps, of A's with B's and of SAM's
            with Y_f's.
        """
        images, count = torch.cat([batch.labeled_images, batch.unlabeled_strong]), len(batch.labeled_images)
        output: FusedOutput = context.network(images, with_subnets=True)
        subnets = {A: full_resolution(output.first), B: full_resolution(output.second)}
        ramp = sigmoid_ramp(context.progress)
        taught, sam_logits = self.skd_terms(images, output.fused, subnets, batch, 0.5)
        terms = {
            **_supervised_terms(output, batch, context),
            **taught,
            **self._agreement_terms(subnets, batch.all_inside, ramp),
        }
        mix: tuple[torch.Tensor, ...] = ()
        if context.progress.fraction >= self.config.mixing_start:
            regions = self._regions(output.fused, batch.all_inside)
            mixed_images, mixed_labels = self._mix(batch, sam_logits[count:], regions)
            mix = (mixed_images, *mixed_labels)
            mixed: FusedOutput = context.network(mixed_images, with_subnets=True)
            labeled_inside, inside = batch.all_inside.split([count, len(images) - count])
            mixed_inside = exchange(labeled_inside, inside, regions)
            terms.update(self._mixed_terms(mixed, mixed_labels, mixed_inside, count, ramp))

        def panels() -> Panels:
            maps = {"subnet A": subnets[A], "subnet B": subnets[B], "fused": output.fused, "SAM": sam_logits}
            unlabeled = {title: logits[count:] for title, logits in maps.items()}
            shown = prediction_panels(batch.unlabeled_strong, batch.inside, unlabeled)
            if not mix:
                return shown
            image, classes, trusted = (part[count:] for part in mix)
            return {**shown, "mixed image": Panel(image, classes, trusted)}

        return StepLosses(terms, self._measures(subnets, output.fused, sam_logits, count), panels)

    def _agreement_terms(
        self, subnets: Mapping[str, torch.Tensor], inside: torch.Tensor, ramp: float, prefix: str = ""
    ) -> dict[str, LossTerm]:
        """Entropy of each subnet, and what it learns from the other."""
        terms = {}
        for (name, own), other in zip(subnets.items(), reversed(list(subnets.values())), strict=True):
            trains = frozenset({name})
            terms[f"{prefix}entropy_{name}"] = LossTerm(
                entropy_loss(own, inside), trains, 0.5 * self.config.entropy_weight
            )
            terms[f"{prefix}mutual_{name}"] = LossTerm(mutual_loss(own, other, inside), trains, 0.5 * ramp)
        return terms

    def _regions(self, fused_logits: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        """Where each image, labeled or not, is to be filled from its partner; padding is not uncertain."""
        config, probabilities = self.config, outside_is_background(fused_logits.softmax(1), inside)
        return uncertain_regions(
            probabilities, config.mixing_grid, config.mixing_cells, config.mixing_rule == "most"
        )

    def _mix(
        self, batch: SemiSegBatch, sam_logits: torch.Tensor, regions: torch.Tensor
    ) -> tuple[torch.Tensor, TrustedLabels]:
        """Labeled images with cells of unlabeled ones, and the other way round; SAM labels the unlabeled."""
        labeled, unlabeled = batch.labeled_images, batch.unlabeled_strong
        truth = true_labels(batch.labeled_targets[0], self.setting.ignore_label)
        taught = pseudo_labels(outside_is_background(sam_logits.softmax(1), batch.inside), threshold=0.0)
        labels = (exchange(*maps, regions[:, 0]) for maps in zip(truth, taught, strict=True))
        return exchange(labeled, unlabeled, regions), TrustedLabels(*labels)

    def _mixed_terms(
        self,
        output: FusedOutput,
        labels: TrustedLabels,
        inside: torch.Tensor,
        num_labeled: int,
        ramp: float,
    ) -> dict[str, LossTerm]:
        """What subnets and fusion learn from mixed images."""
        subnets = {A: full_resolution(output.first), B: full_resolution(output.second)}
        terms = self._agreement_terms(subnets, inside, ramp, "mixed_")
        fused = outside_is_background(output.fused.detach().softmax(1), inside)
        hard = pseudo_labels(fused[num_labeled:], threshold=0.0)
        for name, logits in subnets.items():
            trains = frozenset({name})
            terms[f"mixed_{name}"] = LossTerm(seg_loss(logits, *labels), trains, 0.5)
            if self.config.pseudo_label_term:
                loss = seg_loss(logits[num_labeled:], *hard)
                terms[f"mixed_pseudo_label_{name}"] = LossTerm(loss, trains, 0.5 * ramp)
        if self.config.fused_mixed_term:
            terms["mixed_fused"] = LossTerm(seg_loss(output.fused, *labels), ALL_PARTS)
        return terms

    @torch.no_grad()
    def _measures(
        self, subnets: Mapping[str, torch.Tensor], fused: torch.Tensor, sam: torch.Tensor, count: int
    ) -> dict[str, torch.Tensor]:
        """Agreement on the unlabeled images."""
        a, b, own, taught = (logits[count:].argmax(1) for logits in (*subnets.values(), fused, sam))
        classes = self.setting.num_classes
        return {
            "subnet_agreement": class_map_agreement(a, b, classes).mean(),
            "sam_agreement": class_map_agreement(taught, own, classes).mean(),
        }


def _supervised_terms(output: FusedOutput, batch: SemiSegBatch, context: StepContext) -> dict[str, LossTerm]:
    """nnU-Net's loss on the labeled images, half for each subnet and whole for the fused output."""
    count, targets = len(batch.labeled_images), batch.labeled_targets
    parts = {
        A: (output.first, frozenset({A}), 0.5),
        B: (output.second, frozenset({B}), 0.5),
        "fused": (output.fused, ALL_PARTS, 1.0),
    }
    return {
        f"supervised_{name}": LossTerm(
            context.supervised_loss(split_batch(logits, count)[0], targets), trains, weight, supervised=True
        )
        for name, (logits, trains, weight) in parts.items()
    }
