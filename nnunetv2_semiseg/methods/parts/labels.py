"""Class maps and where they may be trusted: true labels, pseudo-labels, and mixtures of both."""

from __future__ import annotations

from typing import NamedTuple

import torch

from nnunetv2_semiseg.methods.parts.mixing import partners, paste


class TrustedLabels(NamedTuple):
    """What to learn from, and where.

    Attributes:
        classes: ``B x S``, int64, 0 to C - 1.
        trusted: ``B x S``, bool.
    """

    classes: torch.Tensor
    trusted: torch.Tensor


def true_labels(target: torch.Tensor, ignore_label: int | None) -> TrustedLabels:
    """Labels of annotated images; pixels with the ignore label get class 0 and no trust.

    Args:
        target: ``L x 1 x S``, of any integer type.
        ignore_label: Value of unannotated pixels, None where the dataset has none.
    """
    classes = target[:, 0].long()
    if ignore_label is None:
        return TrustedLabels(classes, torch.ones_like(classes, dtype=torch.bool))
    annotated = classes != ignore_label
    return TrustedLabels(classes * annotated, annotated)


def pseudo_labels(probabilities: torch.Tensor, threshold: float) -> TrustedLabels:
    """The most probable class of each pixel, trusted where its probability is above ``threshold``.

    Args:
        probabilities: ``B x C x S``, 0 to 1.
        threshold: 0 to 1.

    Examples:
        One image of two pixels, of which the second is doubtful:

        >>> pseudo = pseudo_labels(torch.tensor([[[0.02, 0.6], [0.98, 0.4]]]), threshold=0.95)
        >>> pseudo.classes.tolist(), pseudo.trusted.tolist()
        ([[1, 0]], [[True, False]])
    """
    confidence, classes = probabilities.max(1)
    return TrustedLabels(classes, confidence > threshold)


def outside_is_background(probabilities: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Probabilities with certain background outside of the image, as nnU-Net's own labels have it there.

    A network that has seen little padding takes it for anything, often with confidence, and would go on to
    teach that.

    Args:
        probabilities: ``B x C x S``.
        inside: ``B x 1 x S``, bool.

    Returns:
        A new tensor.
    """
    background = torch.zeros_like(probabilities)
    background[:, 0] = 1
    return torch.where(inside, probabilities, background)


def paste_labels(labeled: TrustedLabels, unlabeled: TrustedLabels, region: torch.Tensor) -> TrustedLabels:
    """Labels of the unlabeled images into whose ``region`` the labeled ones are pasted.

    Args:
        labeled: Labels of L samples, repeated or chosen as `partners` does.
        unlabeled: Labels of U samples.
        region: ``U x 1 x S``, bool.
    """
    count = len(region)
    classes, trusted = (
        paste(partners(source, count), target, region[:, 0])
        for source, target in zip(labeled, unlabeled, strict=True)
    )
    return TrustedLabels(classes, trusted)
