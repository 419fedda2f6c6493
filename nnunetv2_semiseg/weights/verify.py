"""Whether a file is one of the published ones."""

from __future__ import annotations

from pathlib import Path

import pooch

from nnunetv2_semiseg.weights.registry import PUBLISHED_WEIGHTS, PublishedWeights


def is_whole(file: Path, weights: PublishedWeights) -> bool:
    """Whether a file is a published one, to the last bit.

    Raises:
        OSError: It can't be read.
    """
    if weights.num_bytes not in (None, file.stat().st_size):
        return False
    algorithm, _, digest = weights.known_hash.partition(":")
    return str(pooch.file_hash(file, alg=algorithm)) == digest


def recognized(file: Path) -> PublishedWeights | None:
    """The published file that a file is a copy of, whatever it is called; None if it is none.

    Raises:
        OSError: It can't be read.
    """
    return next((weights for weights in PUBLISHED_WEIGHTS.values() if is_whole(file, weights)), None)
