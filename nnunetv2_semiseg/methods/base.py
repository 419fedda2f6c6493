"""What a semi-supervised method is to the trainer.

A method computes named loss terms from a batch and owns every network but the deployed one. It knows no
files, devices, gradient scalers, ranks or nnU-Net hooks; those are the trainer's. Its batch is the part of
one GPU: losses that are quotients of sums over the batch take these over all GPUs, see `distributed.sums`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.methods.step import DEPLOYED, Progress, StepContext, StepLosses
from nnunetv2_semiseg.networks.planned import build_planned


@dataclass(frozen=True)
class Setting:
    """What a method may know about the task when it is built.

    Attributes:
        num_classes: Output channels, background included.
        in_channels: Channels of an image.
        patch_size: Spatial shape of a training patch.
        new_network: Builds a network of the deployed one's architecture with fresh weights.
        ignore_label: Label value of unannotated pixels, None where the dataset has none.
    """

    num_classes: int
    in_channels: int
    patch_size: tuple[int, ...]
    new_network: Callable[[], nn.Module]
    ignore_label: int | None = None


@dataclass(frozen=True)
class NetworkPlan:
    """What a network is built from.

    Attributes:
        configuration: nnU-Net's configuration of the plans, ``architecture`` and inherited entries included.
        in_channels: Channels of an image.
        num_classes: Output channels, background included.
        deep_supervision: Whether the decoder gives its lower outputs as well.
    """

    configuration: Mapping[str, Any]
    in_channels: int
    num_classes: int
    deep_supervision: bool = False

    @property
    def architecture(self) -> Mapping[str, Any]:
        """nnU-Net's entry that names the network's class and its arguments."""
        architecture: Mapping[str, Any] = self.configuration["architecture"]
        return architecture

    def build(self) -> nn.Module:
        """The planned network, initialised as nnU-Net does it."""
        return build_planned(self.architecture, self.in_channels, self.num_classes, self.deep_supervision)


@dataclass(frozen=True)
class Export:
    """A network beside the deployed one that is worth deploying, as an nnU-Net model of its own.

    Attributes:
        suffix: What follows the method's name in the class name of the network's trainer.
        description: One sentence for users, the docstring of that trainer.
        state: Gives the network's self-contained weights; called with the method and the deployed network.
        build: Builds the network that takes these weights; called with what it is built from and with the
            method's configuration as it stands resolved in the model folder. None: as the deployed network.
    """

    suffix: str
    description: str
    state: Callable[[Any, Any], dict[str, torch.Tensor]]
    build: Callable[[NetworkPlan, Any], nn.Module] | None = None


@dataclass(frozen=True)
class BatchSizes:
    """Samples of one training step."""

    labeled: int
    unlabeled: int


@dataclass(frozen=True)
class ScheduledOptimizer:
    """An optimizer of a method's own networks.

    Attributes:
        name: Name under which the log shows its learning rate.
        optimizer: What the trainer steps.
        learning_rate: The rate as a function of progress; None: always that of the deployed network.
    """

    name: str
    optimizer: torch.optim.Optimizer
    learning_rate: Callable[[Progress], float] | None = None

    def set_learning_rate(self, progress: Progress, deployed_rate: float) -> None:
        """Give all parameter groups the rate of the next step."""
        rate = deployed_rate if self.learning_rate is None else self.learning_rate(progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate


OptimizerFactory = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
"""Makes an optimizer of the kind, and with the constants, that the deployed network has."""


class Method(nn.Module, ABC):
    """Base of all methods; a subclass is one paper.

    Teachers and frozen modules stay in evaluation mode whatever `train` is called with.
    """

    name: ClassVar[str]
    """Name of the method as papers write it; its trainer is ``nnUNetTrainer<name>``."""
    key: ClassVar[str]
    """Name of the method in the plans, ``semiseg.<key>``."""
    config_class: ClassVar[type[Any]]
    """Configuration dataclass with the method's hyper-parameters."""
    default_epochs: ClassVar[int] = 1000
    """Length of the published training, in epochs of 250 iterations."""
    dimensions: ClassVar[frozenset[int]] = frozenset({2, 3})
    """Spatial dimensions of the patches that the method can work on."""
    needs_tasks: ClassVar[bool] = False
    """Whether it learns from merged datasets alone, whose dataset.json has ``tasks``."""
    deploys: ClassVar[str] = "its student"
    """What `nnUNetv2_predict` runs after a training, in words."""
    exports: ClassVar[tuple[Export, ...]] = ()
    """Further networks worth deploying."""

    @classmethod
    def build_network(cls, plan: NetworkPlan) -> nn.Module:
        """Build the deployed network; default: the one that nnU-Net has planned.

        Args:
            plan: What it is built from. It holds no hyper-parameters of the method: before a training is
                set up there are none.
        """
        return plan.build()

    @classmethod
    def batch_sizes(cls, config: Any, plans_batch_size: int, num_labeled_cases: int) -> BatchSizes:
        """Samples a step where the user's configuration names none: the plans' number of each kind."""
        return BatchSizes(plans_batch_size, plans_batch_size)

    @classmethod
    def deployed_optimizer(
        cls, config: Any, parameters: Iterable[nn.Parameter]
    ) -> torch.optim.Optimizer | None:
        """An optimizer for the deployed network, see `decays`; None: nnU-Net's own, with its schedule."""
        return None

    @classmethod
    def decays(cls, config: Any) -> bool:
        """Whether the rate of `deployed_optimizer` falls as nnU-Net's does; else it is constant."""
        return False

    @abstractmethod
    def losses(self, batch: SemiSegBatch, context: StepContext) -> StepLosses:
        """Loss terms and measures of one step, with gradients."""

    @classmethod
    def supported_dimensions(cls, config: Any) -> frozenset[int]:
        """Spatial dimensions that a configuration leaves of `dimensions`."""
        return cls.dimensions

    @classmethod
    def name_with(cls, config: Any) -> str:
        """The method in a message about `supported_dimensions`, with the setting that limits them if any."""
        return cls.key

    def deployed_parts(self, network: nn.Module) -> dict[str, nn.Module]:
        """The parts of the deployed network that loss terms train apart, by name; together they are all."""
        return {DEPLOYED: network}

    def trained_networks(self) -> dict[str, nn.Module]:
        """Networks beyond the deployed one that the method's losses train, by name."""
        return {}

    def teachers(self) -> dict[str, nn.Module]:
        """Networks that follow others by moving averages and receive no gradient, by name."""
        return {}

    def frozen_modules(self) -> tuple[nn.Module, ...]:
        """Modules with fixed weights that are not stored in checkpoints."""
        return ()

    def frozen_identity(self) -> dict[str, str]:
        """What identifies the fixed weights, such as a SHA-256; checked when a training is resumed."""
        return {}

    def optimizers(self, like_deployed: OptimizerFactory) -> list[ScheduledOptimizer]:
        """Optimizers of `trained_networks`; the trainer asks once and steps them.

        Args:
            like_deployed: Makes optimizers for networks that are to be trained as the deployed one is.
        """
        return []

    def after_step(self, network: nn.Module, progress: Progress) -> None:
        """Called after the optimizers' steps, to move the teachers.

        Args:
            network: The deployed network.
            progress: Where the training stood in the step that was taken; the first step is step 0.
        """

    def train(self, mode: bool = True) -> Method:
        """Set the mode as `nn.Module` does, but leave teachers and frozen modules in evaluation mode."""
        super().train(mode)
        for module in (*self.teachers().values(), *self.frozen_modules()):
            module.eval()
        return self

    def trained_state(self) -> dict[str, torch.Tensor]:
        """The state dict without the frozen modules' weights: what a checkpoint stores."""
        frozen = self._frozen_storage()
        return {name: value for name, value in self.state_dict().items() if value.data_ptr() not in frozen}

    def load_trained_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Put back what `trained_state` gave.

        Raises:
            UserError: The state is of another configuration of the method.
        """
        expected = self.trained_state()
        different = sorted(
            name
            for name in expected.keys() | state.keys()
            if name not in expected or name not in state or expected[name].shape != state[name].shape
        )
        if different:
            raise UserError(
                f"the checkpoint's state of {self.key} does not fit this configuration "
                f"(first difference: '{different[0]}'): resume with the settings that it was trained with"
            )
        self.load_state_dict(dict(state), strict=False)

    def _frozen_storage(self) -> set[int]:
        return {
            tensor.data_ptr()
            for module in self.frozen_modules()
            for tensor in (*module.parameters(), *module.buffers())
        }
