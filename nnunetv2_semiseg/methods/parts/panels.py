"""What a method shows of a step: columns of a picture, a row for each unlabeled sample."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from nnunetv2_semiseg.methods.parts.labels import TrustedLabels
from nnunetv2_semiseg.methods.step import Panel
from nnunetv2_semiseg.networks.pixels import nearest_map


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
