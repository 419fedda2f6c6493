"""What a method shows of a step: columns of a picture, a row for each unlabeled sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from nnunetv2_semiseg.methods.parts.labels import TrustedLabels
from nnunetv2_semiseg.networks.pixels import nearest_map


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
"""By the column's title, in the order in which they stand."""

LazyPanels = Callable[[], Panels]
"""Makes them when somebody wants to look; must draw no random numbers and change nothing."""


def pseudo_label_panels(images: torch.Tensor, pseudo: TrustedLabels) -> dict[str, Panel]:
    """What methods show that learn hard labels where they are confident.

    Args:
        images: What the pseudo-labels were made from, ``U x C x S``.
        pseudo: The pseudo-labels.
    """
    return {"pseudo-label": Panel(images, pseudo.classes), "confidence mask": Panel(trust=pseudo.trusted)}


def prediction_panels(
    images: torch.Tensor, inside: torch.Tensor, logits: Mapping[str, torch.Tensor]
) -> dict[str, Panel]:
    """What methods show whose networks learn from each other.

    Args:
        images: What the networks saw, ``U x C x S``.
        inside: Where the image is, ``U x 1 x S``, bool; around it is background.
        logits: ``U x K x S`` by the column's title.
    """
    return map_panels(images, {title: values.argmax(1) * inside[:, 0] for title, values in logits.items()})


def map_panels(images: torch.Tensor, maps: Mapping[str, torch.Tensor]) -> dict[str, Panel]:
    """A column for each class map, ``U x S`` or 2D of another size, over the same images ``U x C x S``."""
    size = images.shape[2:]
    same_size = {
        title: classes if classes.shape[1:] == size else nearest_map(classes, size)
        for title, classes in maps.items()
    }
    return {title: Panel(images, classes) for title, classes in same_size.items()}
