"""Which part of a step's samples each rank takes."""

from __future__ import annotations

from collections.abc import Mapping

from nnunetv2_semiseg.core.distributed.ranks import rank, world_size
from nnunetv2_semiseg.core.errors import UserError


def shares(samples: Mapping[str, int]) -> tuple[int, ...]:
    """This rank's part of each kind of samples, the same on every rank.

    With equal parts the mean over the ranks is the mean over all samples.

    Args:
        samples: Samples of a step by kind, ``labeled`` or ``unlabeled``.

    Raises:
        UserError: They can't be divided evenly.
    """
    ranks = world_size()
    if any(count % ranks for count in samples.values()):
        sizes = " and ".join(f"{count} {kind}" for kind, count in samples.items())
        keys = " and ".join(f"{kind}_batch_size" for kind in samples)
        raise UserError(
            f"{sizes} samples a step cannot be shared evenly by -num_gpus {ranks}: give {keys} multiples of "
            f"{ranks} with nnUNetv2_semiseg_configure, or take another number of GPUs"
        )
    return tuple(count // ranks for count in samples.values())


def foreground_share(batch_size: int, percent: float) -> float:
    """Share of this rank's labeled samples that must show foreground, 0 to 1.

    nnU-Net sees to it for the last samples of a batch, so it is up to the last ranks.

    Args:
        batch_size: Labeled samples of a step, on all ranks together.
        percent: nnU-Net's ``oversample_foreground_percent``, 0 to 1.
    """
    own = batch_size // world_size()
    first = round(batch_size * (1 - percent)) - rank() * own
    return (own - min(max(first, 0), own)) / own
