"""All random streams are stored and put back together."""

from __future__ import annotations

import random

import numpy as np
import torch

from nnunetv2_semiseg.trainers.engine.random_state import random_state, restore_random_state, seed_everything


def draw() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_a_restored_state_draws_the_same_again() -> None:
    state = random_state()
    first = draw()
    assert draw() != first
    restore_random_state(state)
    assert draw() == first


def test_a_seed_starts_all_streams() -> None:
    seed_everything(7)
    first = draw()
    seed_everything(7)
    assert draw() == first
    seed_everything(8)
    assert all(a != b for a, b in zip(draw(), first, strict=True))


def test_a_state_of_a_gpu_is_restored_without_one() -> None:
    state = {**random_state(), "cuda": torch.get_rng_state()}
    if not torch.cuda.is_available():
        restore_random_state(state)
        assert torch.equal(torch.get_rng_state(), state["torch"])
