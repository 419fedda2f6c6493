"""The random streams that a training draws from: started, stored and put back together."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Start Python's, numpy's and torch's streams from one number."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def part_streams(rank: int) -> None:
    """Let a process draw other numbers than the others, with which it has been seeded alike.

    Args:
        rank: Number of the process; 0 goes on as it would alone.
    """
    if rank > 0:
        seed_everything((int(torch.randint(2**31, ())) + rank) % 2**31)


def random_state() -> dict[str, Any]:
    """Where all streams of this process stand, for a checkpoint."""
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": torch.get_rng_state(),
        # of the training's own GPU alone: the next machine may have fewer of them
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Put all streams back to where `random_state` found them.

    The last thing to do before a training goes on: nnU-Net's start of training draws from them.

    Args:
        state: State of the process that this one takes the place of.
    """
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"].cpu())
    if torch.cuda.is_available() and state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"].cpu())


def restore_random_states(states: Sequence[dict[str, Any]], rank: int) -> None:
    """Put one of several processes back to where it was; a process that was not there gets its own streams.

    Args:
        states: States of all processes that wrote the checkpoint, by rank.
        rank: Number of this process.
    """
    restore_random_state(states[min(rank, len(states) - 1)])
    if rank >= len(states):
        part_streams(rank)
