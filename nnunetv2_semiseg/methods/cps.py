"""CPS: two networks that differ in their initial weights alone label the unlabeled images for each other.

Chen et al., "Semi-Supervised Semantic Segmentation with Cross Pseudo Supervision", CVPR 2021.
docs/methods/cps.md goes through the equations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import nn

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.core.config import STRICT
from nnunetv2_semiseg.methods.base import Export, OptimizerFactory, ScheduledOptimizer, Setting
from nnunetv2_semiseg.methods.losses.agreement import class_map_agreement
from nnunetv2_semiseg.methods.losses.cross_supervision import cross_supervision_loss
from nnunetv2_semiseg.methods.parts.panels import prediction_panels
from nnunetv2_semiseg.methods.parts.schedules import sigmoid_ramp
from nnunetv2_semiseg.methods.parts.skd import OptionalSkdConfig, SkdMethod
from nnunetv2_semiseg.methods.step import DEPLOYED, LossTerm, Panels, StepContext, StepLosses
from nnunetv2_semiseg.networks.outputs import full_resolution, split_batch

SECOND = "second"
"""Name of the network beside the deployed one among the trained networks."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class CPSConfig:
    """Hyper-parameters of CPS."""

    weight: float = Field(
        default=0.1, ge=0, description="of the cross pseudo supervision once the ramp is over"
    )
    skd: OptionalSkdConfig = Field(default_factory=OptionalSkdConfig)


class CPS(SkdMethod):
    """Two students without a teacher; the symbols are those of docs/methods/cps.md."""

    name: ClassVar[str] = "CPS"
    key: ClassVar[str] = "cps"
    config_class: ClassVar[type[Any]] = CPSConfig
    deploys: ClassVar[str] = "its first network"
    exports: ClassVar[tuple[Export, ...]] = (
        Export(
            "Second",
            "Deploys CPS's second network, which is built as the first one is.",
            state=lambda method, network: dict(method.second.state_dict()),
        ),
    )

    def __init__(self, config: CPSConfig, setting: Setting, network: nn.Module) -> None:
        """Build the second network.

        Args:
            config: Hyper-parameters.
            setting: The task, which builds networks with fresh weights.
            network: The deployed network.

        Raises:
            UserError: A SAM branch is asked for and there is no usable checkpoint for it.
        """
        super().__init__(config.skd, setting, f"{self.key}.skd")
        self.config = config
        self.second = setting.new_network()
        self.train()

    def trained_networks(self) -> dict[str, nn.Module]:
        """The second network, and the SAM branch if there is one."""
        return {SECOND: self.second, **super().trained_networks()}

    def optimizers(self, like_deployed: OptimizerFactory) -> list[ScheduledOptimizer]:
        """The second network is trained as the deployed one is."""
        second = ScheduledOptimizer(SECOND, like_deployed(self.second.parameters()))
        return [second, *super().optimizers(like_deployed)]

    def losses(self, batch: SemiSegBatch, context: StepContext) -> StepLosses:
        """One step of CPS.

        Args:
            batch: 2D or 3D patches, of which the weak view is not used.
            context: The deployed network, its supervised loss and the progress.

        Returns:
            Four terms, those of a SAM branch if there is one, and the measure ``agreement``, the Dice of the
            two networks' class maps of the unlabeled images, mean over foreground classes and samples.
        """
        images = torch.cat([batch.labeled_images, batch.unlabeled_strong])
        num_labeled = len(batch.labeled_images)
        outputs = {DEPLOYED: context.network(images), SECOND: self.second(images)}
        on_labeled, unlabeled = split_batch(outputs[DEPLOYED], num_labeled)
        second_on_labeled, second_unlabeled = split_batch(outputs[SECOND], num_labeled)
        first, second = full_resolution(unlabeled), full_resolution(second_unlabeled)

        def supervised(output: Any, name: str) -> LossTerm:
            loss = context.supervised_loss(output, batch.labeled_targets)
            return LossTerm(loss, frozenset({name}), supervised=True)

        skd = self._skd_losses(images, outputs, batch)
        weight = self.config.weight * sigmoid_ramp(context.progress)
        terms = {
            "supervised": supervised(on_labeled, DEPLOYED),
            "supervised_second": supervised(second_on_labeled, SECOND),
            "cross": LossTerm(
                cross_supervision_loss(first, second, batch.inside), frozenset({DEPLOYED}), weight
            ),
            "cross_second": LossTerm(
                cross_supervision_loss(second, first, batch.inside), frozenset({SECOND}), weight
            ),
            **skd.terms,
        }
        agreement = class_map_agreement(first.argmax(1), second.argmax(1), self.setting.num_classes)

        def panels() -> Panels:
            # each is the other's pseudo-label
            both = {"first network": first, "second network": second}
            return {**prediction_panels(batch.unlabeled_strong, batch.inside, both), **skd.panels()}

        return StepLosses(terms, {"agreement": agreement.mean()}, panels)

    def _skd_losses(
        self, images: torch.Tensor, outputs: Mapping[str, Any], batch: SemiSegBatch
    ) -> StepLosses:
        """SAM is prompted by the mean of both networks and teaches both."""
        students = {name: full_resolution(output) for name, output in outputs.items()}
        own = (students[DEPLOYED] + students[SECOND]) / 2
        return self.skd_losses(images, own, students, batch)
