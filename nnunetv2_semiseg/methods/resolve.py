"""A method's configuration as a plans file gives it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nnunetv2_semiseg.config import SECTION, TrainingConfig, config_values, merged_section, parse_config
from nnunetv2_semiseg.methods.base import Method
from nnunetv2_semiseg.methods.discovery import discovered_methods


@dataclass(frozen=True)
class ResolvedConfig:
    """Everything that the plans say for one method, with defaults filled in."""

    training: TrainingConfig
    method: Any

    def section(self, method_key: str) -> dict[str, Any]:
        """The ``semiseg`` dictionary that gives this configuration back when it is resolved."""
        return {**config_values(self.training), method_key: config_values(self.method)}


def resolve_config(
    plans: Mapping[str, Any], configuration: str, method_class: type[Method]
) -> ResolvedConfig:
    """Read a method's configuration from plans, along the ``inherits_from`` chain.

    Args:
        plans: Content of a plans file.
        configuration: Name of a configuration in it.
        method_class: The method.

    Returns:
        The training's length, batch and views (with the method's own default length), and the method's
        hyper-parameters.

    Raises:
        ValueError: A key is unknown or a value out of range; the message lists what is valid.
    """
    section = merged_section(plans, configuration)
    where = f"configuration '{configuration}', {SECTION}"
    methods = discovered_methods()
    fields = [field.name for field in dataclasses.fields(TrainingConfig)]
    unknown = [key for key in section if key not in fields and key not in methods]
    if unknown:
        raise ValueError(
            f"{where}: unknown key '{unknown[0]}'; valid keys are {', '.join([*fields, *methods])}"
        )
    training = {"epochs": method_class.default_epochs}
    training.update({key: value for key, value in section.items() if key in fields})
    return ResolvedConfig(
        parse_config(TrainingConfig, training, where),
        parse_config(
            method_class.config_class, section.get(method_class.key, {}), f"{where}.{method_class.key}"
        ),
    )
