"""What each of two processes does in the tests of `nnunetv2_semiseg.core.distributed`."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed as dist, nn

from nnunetv2_semiseg.core.distributed.gradients import average_gradients
from nnunetv2_semiseg.core.distributed.ranks import (
    gather_objects,
    mean_of_ranks,
    rank,
    rank_zero_first,
    world_size,
)
from nnunetv2_semiseg.core.distributed.sharing import foreground_share, shares
from nnunetv2_semiseg.core.distributed.weights import take_weights_of_rank_zero
from nnunetv2_semiseg.methods.losses.consensus import consensus_loss, divergence_loss
from nnunetv2_semiseg.methods.losses.consistency import consistency_loss
from nnunetv2_semiseg.methods.losses.cross_supervision import cross_supervision_loss
from nnunetv2_semiseg.methods.losses.distillation import distillation_loss
from nnunetv2_semiseg.methods.losses.entropy import entropy_loss
from nnunetv2_semiseg.methods.losses.mutual import mutual_loss
from nnunetv2_semiseg.methods.losses.segmentation import masked_seg_loss, seg_loss
from nnunetv2_semiseg.methods.losses.task_losses import foreground_dice_loss, task_seg_loss
from nnunetv2_semiseg.trainers.engine.optimization import backward_and_step
from nnunetv2_semiseg.trainers.engine.random_state import (
    part_streams,
    random_state,
    restore_random_states,
    seed_everything,
)

SAMPLES, CLASSES, SIZE = 4, 2, 8


def _probability(logits: torch.Tensor) -> torch.Tensor:
    return logits.softmax(1)[:, 1]


# logits, other logits, classes, a mask B x 1 x S
Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
LOSSES: dict[str, Loss] = {
    "seg": lambda x, y, k, m: seg_loss(x, k, m[:, 0]),
    "masked_seg": lambda x, y, k, m: masked_seg_loss(x, k, m[:, 0]),
    "masked_seg_background": lambda x, y, k, m: masked_seg_loss(x, k, m[:, 0], mask_background=False),
    "task_seg": lambda x, y, k, m: task_seg_loss(x, k, m),
    "dice_of_two": lambda x, y, k, m: foreground_dice_loss(_probability(x), _probability(-x), m),
    "consistency": lambda x, y, k, m: consistency_loss(x.softmax(1), y.softmax(1)),
    "masked_consistency": lambda x, y, k, m: consistency_loss(x.softmax(1), y.softmax(1), m),
    "cross_supervision": lambda x, y, k, m: cross_supervision_loss(x, y, m),
    "consensus": lambda x, y, k, m: consensus_loss(x.softmax(1), m.float(), y.softmax(1), m.float()),
    "divergence": lambda x, y, k, m: divergence_loss(x.softmax(1), y.softmax(1), m.float()),
    "distillation": lambda x, y, k, m: distillation_loss(x, y, inside=m),
    "entropy": lambda x, y, k, m: entropy_loss(x, m),
    "mutual": lambda x, y, k, m: mutual_loss(x, y, m),
}
"""Every loss that our methods take."""


def loss_and_gradient(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """A loss of this rank's samples, and the mean of the ranks' gradients of a weight.

    The masks of the first samples have many pixels, those of the last ones few.
    """
    generator = torch.Generator().manual_seed(3)
    shape = (SAMPLES, CLASSES, SIZE, SIZE)
    images, other = (torch.randn(shape, generator=generator) for _ in range(2))
    classes = torch.randint(CLASSES, (SAMPLES, SIZE, SIZE), generator=generator)
    bound = torch.tensor([0.05, 0.1, 0.8, 0.95])[:, None, None, None]
    mask = torch.rand((SAMPLES, 1, SIZE, SIZE), generator=generator) > bound
    own = SAMPLES // world_size()
    mine = slice(rank() * own, (rank() + 1) * own)
    weight = nn.Parameter(torch.tensor([1.0, 0.5])[:, None, None])
    loss = LOSSES[name](weight * images[mine], other[mine], classes[mine], mask[mine])
    loss.backward()
    average_gradients([weight])
    gradient = weight.grad
    assert gradient is not None
    return loss.detach(), gradient


def exchange(folder: Path) -> dict[str, Any]:
    """All that the tests ask for, by name."""
    return {
        "losses": {name: loss_and_gradient(name) for name in LOSSES},
        "gradients": _gradients(),
        "scaled": _scaled_step(),
        "weights": _weights(),
        "streams": _streams(),
        "restored": _restored(),
        "order": _order(folder / "order"),
        "gathered": gather_objects({"rank": rank()}),
        "means": mean_of_ranks({"both": float(rank()), f"of {rank()}": 5.0}),
        "shares": shares({"labeled": 4, "unlabeled": 2}),
        "foreground": [foreground_share(size, 0.33) for size in (2, 4, 12)],
        "refused": _refused(),
    }


def _gradients() -> dict[str, Any]:
    formats = (torch.float32, torch.float32, torch.float32, torch.float64)
    parameters = [nn.Parameter(torch.zeros(2, 3, dtype=dtype)) for dtype in formats]
    both, second_alone, _none, double = parameters
    both.grad = torch.full((2, 3), 1.0 + rank())
    double.grad = torch.full((2, 3), 10.0 * rank(), dtype=torch.float64)
    if rank() == 1:
        second_alone.grad = torch.ones(2, 3)
    calls = []
    with pytest.MonkeyPatch.context() as monkeypatch:
        reduce = dist.all_reduce
        monkeypatch.setattr(dist, "all_reduce", lambda tensor: calls.append(1) or reduce(tensor))
        average_gradients([*parameters, both])
    return {"means": [parameter.grad for parameter in parameters], "exchanges": len(calls)}


def _scaled_step() -> dict[str, Any]:
    """A step whose gradient overflows on the second rank, and one that doesn't."""
    torch.manual_seed(0)
    network = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    weights = []
    for factor in ((1.0, 1e38)[rank()], 1.0 + rank()):
        optimizer.zero_grad()
        backward_and_step(factor * network(torch.ones(1, 2)).sum(), [optimizer], scaler)
        weights.append(copy.deepcopy(network.weight.data))
    return {"weights": weights, "scale": scaler.get_scale()}


def _weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(rank())
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    network(torch.randn(3, 2))
    take_weights_of_rank_zero([network, network[0]])
    return dict(network.state_dict())


def _streams() -> dict[str, Any]:
    seed_everything(7)
    part_streams(rank())
    state = random_state()
    return {"draw": torch.rand(3), "numpy": state["numpy"][1][:3], "python": state["python"][1][:3]}


def _restored() -> list[torch.Tensor]:
    """What is drawn from streams that one, two and no process but the first have stored."""
    seed_everything(rank())
    states = gather_objects(random_state())
    drawn = []
    for known in (states, states[:1]):
        restore_random_states(known, rank())
        drawn.append(torch.rand(3))
    return drawn


def _order(file: Path) -> str:
    """Rank 0 takes its time, and is the first nevertheless."""
    with rank_zero_first():
        time.sleep(0.2 * (1 - rank()))
        with file.open("a") as stream:
            stream.write(str(rank()))
    gather_objects(None)
    return file.read_text()


def _refused() -> str:
    call = partial(shares, {"labeled": 3, "unlabeled": 4})
    with pytest.raises(ValueError, match="shared evenly") as error:
        call()
    return str(error.value)
