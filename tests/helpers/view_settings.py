"""Strong views whose random changes are switched on and off together."""

from __future__ import annotations

import dataclasses
from typing import Any

from nnunetv2_semiseg.core.config import ViewsConfig


def views_with(probability: float, **others: Any) -> ViewsConfig:
    """Every change with the same probability, except for what ``others`` say."""
    names = [field.name for field in dataclasses.fields(ViewsConfig)]
    shared = {name: probability for name in names if name.endswith("_probability")}
    return ViewsConfig(**{**shared, **others})
