"""Hyper-parameters: defaults, inheritance along configurations, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from nnunetv2_semiseg.core.config import (
    TrainingConfig,
    config_values,
    merge_nested,
    merged_section,
    parse_config,
)
from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.methods.settings import all_keys, check_section, key_lines, resolve_config
from nnunetv2_semiseg.methods.synfoc import SynFoC, SynFoCConfig


def plans(**configurations: dict[str, Any]) -> dict[str, Any]:
    return {"configurations": {"2d": {}, **configurations}}


def test_defaults_are_the_papers() -> None:
    resolved = resolve_config(plans(), "2d", SynFoC)
    assert resolved.training.epochs * resolved.training.iterations_per_epoch == 60_000
    method = resolved.method
    assert (method.threshold, method.ema_decay) == (0.95, 0.99)
    assert method.foundation_learning_rate == pytest.approx(0.03 / 250)
    foundation = method.foundation
    assert (foundation.architecture, foundation.image_size, foundation.lora_rank) == ("vit_b", 512, 4)


def test_children_win_key_by_key() -> None:
    content = plans(
        base={
            "inherits_from": "2d",
            "semiseg": {"epochs": 10, "synfoc": {"threshold": 0.8, "ema_decay": 0.5}},
        },
        child={"inherits_from": "base", "semiseg": {"synfoc": {"threshold": 0.7}}},
    )
    resolved = resolve_config(content, "child", SynFoC)
    assert resolved.training.epochs == 10
    assert (resolved.method.threshold, resolved.method.ema_decay) == (0.7, 0.5)


def test_a_resolved_section_gives_itself_back() -> None:
    content = plans(mine={"inherits_from": "2d", "semiseg": {"epochs": 7, "synfoc": {"threshold": 0.6}}})
    resolved = resolve_config(content, "mine", SynFoC)
    again = plans(mine={"inherits_from": "2d", "semiseg": resolved.section("synfoc")})
    assert resolve_config(again, "mine", SynFoC) == resolved


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"epoch": 3}, "unknown key 'epoch'; valid keys are epochs, .*synfoc"),
        (
            {"synfoc": {"tau": 0.9}},
            r"semiseg.synfoc: unknown key 'tau'; valid keys are foundation, threshold",
        ),
        (
            {"synfoc": {"foundation": {"size": 3}}},
            "unknown key 'foundation.size'; valid keys are architecture",
        ),
        ({"views": {"blur": 1}}, "unknown key 'views.blur'; valid keys are brightness_range"),
        ({"seed": 2**32}, "seed = 4294967296: .*less than 4294967296"),
        ({"synfoc": {"foundation_weight_decay": float("inf")}}, "weight_decay = inf: .*finite"),
        ({"epochs": 0}, "epochs = 0: .*greater than or equal to 1"),
        ({"synfoc": {"threshold": 1.5}}, "threshold = 1.5: .*less than 1"),
        ({"views": {"gamma_range": [2, 1]}}, "gamma_range must be two positive numbers"),
        ({"synfoc": {"foundation": {"image_size": 100}}}, "image_size = 100: .*multiple of 16"),
        ({"synfoc": 3}, "must be a dictionary"),
        ({"views": True}, "views = True: should be a dictionary, whose valid keys are brightness_range, "),
        (
            {"synfoc": {"foundation": "vit_b"}},
            "foundation = 'vit_b': should be a dictionary, whose valid keys are architecture, ",
        ),
        (3, "'semiseg' must be a dictionary"),
    ],
)
def test_refused(section: Any, message: str) -> None:
    content = plans(mine={"inherits_from": "2d", "semiseg": section})
    with pytest.raises(ValueError, match=message) as error:
        resolve_config(content, "mine", SynFoC)
    assert "mine" in str(error.value)
    with pytest.raises(ValueError, match=message):
        check_section(content, "mine")


def test_unknown_and_circular_configurations() -> None:
    with pytest.raises(ValueError, match="'3d' is not in the plans; they have: 2d"):
        merged_section(plans(), "3d")
    circle = plans(a={"inherits_from": "b"}, b={"inherits_from": "a"})
    with pytest.raises(ValueError, match="inherits from itself"):
        merged_section(circle, "a")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "no dictionary 'configurations': plan the dataset again"),
        ({"configurations": ["mine"]}, "no dictionary 'configurations'"),
        ({"configurations": {"mine": "2d"}}, "configuration 'mine' must be a dictionary, got '2d'"),
        ({"configurations": {"mine": {"inherits_from": ["2d"]}}}, r"configuration '\['2d'\]' is not in"),
    ],
)
def test_damaged_plans_are_refused(content: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        merged_section(content, "mine")


nested = st.recursive(
    st.integers(), lambda children: st.dictionaries(st.sampled_from("abc"), children), max_leaves=8
)
dictionaries = st.dictionaries(st.sampled_from("abc"), nested)


@given(dictionaries, dictionaries)
def test_merging_keeps_every_updated_leaf(base: dict[str, Any], update: dict[str, Any]) -> None:
    merged = merge_nested(base, update)
    assert merged.keys() == base.keys() | update.keys()
    assert merge_nested(merged, update) == merged


def test_keys_name_real_parameters() -> None:
    names = [key.name for key in all_keys()]
    assert len(names) == len(set(names)) == len(key_lines())
    assert {"epochs", "views.gamma_range", "synfoc.threshold", "synfoc.foundation.checkpoint"} <= set(names)


def test_values_are_plain_json() -> None:
    values = config_values(SynFoCConfig())
    assert values["foundation"]["checkpoint"] is None
    assert parse_config(SynFoCConfig, values, "here") == SynFoCConfig()
    assert config_values(TrainingConfig())["views"]["gamma_range"] == [0.5, 2.0]
