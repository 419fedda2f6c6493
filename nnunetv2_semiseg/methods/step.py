"""What a method gets and gives in one training step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import nn

DEPLOYED = "deployed"
"""Name, among the networks that a loss term trains, of the one that `nnUNetv2_predict` runs."""


@dataclass(frozen=True)
class Progress:
    """Where a training stands.

    Attributes:
        step: Optimizer steps done so far, from 0.
        total_steps: Optimizer steps of the whole training, at least 1.

    Examples:
        >>> Progress(step=250, total_steps=1000).fraction
        0.25
    """

    step: int
    total_steps: int

    @property
    def fraction(self) -> float:
        """Share of the training that is done, 0 to 1."""
        return min(self.step / self.total_steps, 1.0)


@dataclass(frozen=True)
class StepContext:
    """What the trainer lends a method for one step.

    Attributes:
        network: The deployed network. In training mode it returns a list of logits, full resolution first,
            where deep supervision is on.
        supervised_loss: nnU-Net's own loss of that network's output and the labeled targets.
        progress: Where the training stands.
    """

    network: nn.Module
    supervised_loss: Callable[[Any, Any], torch.Tensor]
    progress: Progress


@dataclass(frozen=True)
class Panel:
    """One column, for the U unlabeled samples of a step; what is None is not drawn.

    Attributes:
        image: ``U x C x S``, intensities as the networks see them.
        classes: ``U x S``, integers from 0, the background; drawn in the classes' colors on the image.
        trust: ``U x S``, bool or from 0 to 1: how far something is trusted. On an image it darkens what is
            not; alone it is drawn from black to white.
        note: Text in the place of all that, for what a step does not have: it says why.
    """

    image: torch.Tensor | None = None
    classes: torch.Tensor | None = None
    trust: torch.Tensor | None = None
    note: str = ""


Panels = Mapping[str, Panel]
"""Panels by the title of their column, in the order in which the columns stand."""


LazyPanels = Callable[[], Panels]
"""Makes panels when somebody wants to look; must draw no random numbers and change nothing."""


@dataclass(frozen=True)
class LossTerm:
    """A scalar loss, its weight in the total, and the networks that its gradient reaches.

    Attributes:
        value: The unweighted loss, which is what the log shows.
        trains: Names of the networks: keys of `Method.deployed_parts` (`DEPLOYED` alone unless a method
            says otherwise) or of `Method.trained_networks`.
        weight: Factor in the total.
        supervised: Whether it needs labeled images only.
    """

    value: torch.Tensor
    trains: frozenset[str]
    weight: float = 1.0
    supervised: bool = False


@dataclass(frozen=True)
class StepLosses:
    """The result of `Method.losses`.

    Attributes:
        terms: Losses by name.
        measures: Scalars worth watching that train nothing, by name.
        panels: Makes what the step shows of its unlabeled samples beside both views; called in few steps,
            and on the first GPU alone.

    Examples:
        >>> trains = frozenset({DEPLOYED})
        >>> losses = StepLosses({
        ...     "supervised": LossTerm(torch.tensor(1.0), trains, supervised=True),
        ...     "unsupervised": LossTerm(torch.tensor(2.0), trains, weight=0.25),
        ... })
        >>> float(losses.total), float(losses.unsupervised)
        (1.5, 0.5)
    """

    terms: Mapping[str, LossTerm]
    measures: Mapping[str, torch.Tensor] = field(default_factory=dict)
    panels: LazyPanels = dict

    @cached_property
    def total(self) -> torch.Tensor:
        """The weighted sum of all terms."""
        return self._weighted_sum(lambda term: True)

    @property
    def values(self) -> dict[str, torch.Tensor]:
        """The unweighted terms by name."""
        return {name: term.value for name, term in self.terms.items()}

    @property
    def unsupervised(self) -> torch.Tensor:
        """The weighted sum of the terms that need unlabeled images; 0 where a step has none."""
        return self._weighted_sum(lambda term: not term.supervised)

    def _weighted_sum(self, counts: Callable[[LossTerm], bool]) -> torch.Tensor:
        terms = list(self.terms.values())
        chosen = [term.weight * term.value for term in terms if counts(term)]
        return torch.stack(chosen).sum() if chosen else terms[0].value.new_zeros(())
