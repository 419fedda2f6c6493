"""The methods that take foundation weights, and the commands that name a file of weights to them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from nnunetv2_semiseg.methods import foundations
from nnunetv2_semiseg.methods.foundations import configure_lines, foundation_users
from nnunetv2_semiseg.methods.settings import all_keys, parse_settings
from nnunetv2_semiseg.methods.synfoc import SynFoC
from nnunetv2_semiseg.networks.sam.weights.registry import DEFAULT_WEIGHTS, PUBLISHED_WEIGHTS


def test_default_weights_are_what_the_methods_take() -> None:
    for user in foundation_users():
        weights = PUBLISHED_WEIGHTS[DEFAULT_WEIGHTS[user.config.normalization]]
        assert weights.normalization == user.config.normalization
        assert weights.architecture == user.config.architecture


def test_a_further_method_is_found_by_its_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that may take a SAM branch, but has none by default, is not."""

    class Further(SynFoC):
        name = "Further"
        key = "further"

    monkeypatch.setattr(foundations, "discovered_methods", lambda: {"further": Further})
    assert [(user.method, user.key) for user in foundation_users()] == [("Further", "further.foundation")]


@pytest.mark.parametrize("name", PUBLISHED_WEIGHTS)
def test_lines_set_what_the_file_needs(name: str) -> None:
    weights = PUBLISHED_WEIGHTS[name]
    defaults: dict[str, Any] = {key.name: key.default for key in all_keys()}
    lines = configure_lines(Path("/my weights/a.pth"), weights.architecture, weights.normalization)
    assert [line.partition(":")[0] for line in lines] == {
        "medsam": ["SynFoC", "KnowSAM"],
        "sam": ["KnowSAM", "SynFoC"],
    }[weights.normalization]
    for line in lines:
        _, *words = shlex.split(line.partition(": ")[2])
        chosen = dict(word.split("=") for word in words if "=" in word)
        assert parse_settings([f"{key}={value}" for key, value in chosen.items()])
        (prefix,) = {key.rpartition(".")[0] for key in chosen}
        assert chosen[f"{prefix}.checkpoint"] == "/my weights/a.pth"
        for setting in ("architecture", "normalization"):
            key = f"{prefix}.{setting}"
            assert chosen.get(key, defaults[key]) == getattr(weights, setting)


def test_a_file_without_mask_heads_is_for_models_that_need_none() -> None:
    lines = configure_lines(Path("/a.pth"), "vit_b", "sam", has_heads=False)
    assert [line.partition(":")[0] for line in lines] == ["SynFoC"]
    assert [user.config.needs_mask_heads for user in foundation_users()] == [True, False]
