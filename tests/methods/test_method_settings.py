"""Settings as text, and configurations of a user's own in plans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nnunetv2_semiseg.methods.settings import (
    configured_plans,
    parse_settings,
    setting_words,
    with_absolute_checkpoints,
)


def test_values_are_read_as_json_or_text() -> None:
    numbers = ["a.b=1e-3", "a.c=true", "a.d=null", "a.e=[1, 2]"]
    settings = [*numbers, "path=/some/x=y.pth", "word=vit_b", "e="]
    assert parse_settings(settings) == {
        "a": {"b": 0.001, "c": True, "d": None, "e": [1, 2]},
        "path": "/some/x=y.pth",
        "word": "vit_b",
        "e": "",
    }


def test_the_given_plans_stay_as_they_are() -> None:
    plans: dict[str, Any] = {"configurations": {"2d": {}}}
    configured_plans(plans, "2d", "2d_long", {"epochs": 3})
    assert plans == {"configurations": {"2d": {}}}


def test_checkpoints_get_whole_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    settings = parse_settings(
        ["synfoc.foundation.checkpoint=weights.pth", "epochs=3", "skd.foundation.checkpoint=~/sam.pth"]
    )
    whole = with_absolute_checkpoints(settings)
    assert whole["synfoc"]["foundation"]["checkpoint"] == str(tmp_path / "weights.pth")
    assert whole["skd"]["foundation"]["checkpoint"] == str(tmp_path / "home" / "sam.pth")
    assert whole["epochs"] == 3


def test_settings_as_words_come_back() -> None:
    settings: dict[str, Any] = {
        "epochs": 3,
        "precision": "float32",
        "seed": None,
        "synfoc": {"foundation": {"checkpoint": "/data/a b.pth", "random_weights": False}},
        "views": {"gamma_range": [0.5, 2.0]},
        "fixmatch": {"odd": "12", "odder": "true"},
    }
    words = setting_words(settings)
    assert words[:3] == ["epochs=3", "precision=float32", "seed=null"]
    assert "synfoc.foundation.checkpoint=/data/a b.pth" in words
    assert parse_settings(words) == settings
