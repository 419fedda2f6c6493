"""A method's configuration as a plans file gives it."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo

from nnunetv2_semiseg.core.config import (
    SECTION,
    ConfigT,
    TrainingConfig,
    config_values,
    merged_section,
    parse_config,
)
from nnunetv2_semiseg.methods.base import Method
from nnunetv2_semiseg.methods.registry import discovered_methods


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
    where = _where(configuration)
    _refuse_unknown(section, where)
    training = {"epochs": method_class.default_epochs, **training_values(section)}
    return ResolvedConfig(
        parse_config(TrainingConfig, training, where), _method_config(section, method_class, where)
    )


def check_section(plans: Mapping[str, Any], configuration: str) -> None:
    """Check all hyper-parameters that a configuration has, of every method that it names.

    Raises:
        ValueError: A key is unknown or a value out of range; the message lists what is valid.
    """
    section = merged_section(plans, configuration)
    where = _where(configuration)
    _refuse_unknown(section, where)
    parse_config(TrainingConfig, training_values(section), where)
    for key, method_class in discovered_methods().items():
        if key in section:
            _method_config(section, method_class, where)


def exported_config(configuration: Mapping[str, Any], key: str, kind: type[ConfigT]) -> ConfigT:
    """A method's configuration in the plans of a model folder, where it stands resolved.

    Args:
        configuration: The resolved configuration, nnU-Net's ``ConfigurationManager.configuration``.
        key: The method's.
        kind: The method's configuration class.

    Raises:
        ValueError: A key is unknown or a value out of range.
    """
    return parse_config(kind, configuration[SECTION][key], f"plans.json, {SECTION}.{key}")


def _where(configuration: str) -> str:
    return f"configuration '{configuration}', {SECTION}"


def _training_fields() -> list[str]:
    return [field.name for field in dataclasses.fields(TrainingConfig)]


def training_values(section: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a ``semiseg`` dictionary that belongs to every training."""
    return {key: value for key, value in section.items() if key in _training_fields()}


def _method_config(section: Mapping[str, Any], method_class: type[Method], where: str) -> Any:
    values, where = section.get(method_class.key, {}), f"{where}.{method_class.key}"
    if not isinstance(values, Mapping):
        raise ValueError(f"{where} must be a dictionary of hyper-parameters, got {values!r}")
    return parse_config(method_class.config_class, values, where)


def _refuse_unknown(section: Mapping[str, Any], where: str) -> None:
    valid = [*_training_fields(), *discovered_methods()]
    unknown = [key for key in section if key not in valid]
    if unknown:
        raise ValueError(f"{where}: unknown key '{unknown[0]}'; valid keys are {', '.join(valid)}")


@dataclasses.dataclass(frozen=True)
class Key:
    """One hyper-parameter.

    Attributes:
        name: As in the plans below ``semiseg``, parts joined by dots.
        default: As JSON would have it.
        description: One line, may be empty.
    """

    name: str
    default: Any
    description: str


def all_keys() -> Iterator[Key]:
    """The keys of every training, then those of each method."""
    methods = sorted(discovered_methods().items())
    for key in keys_of(TrainingConfig):
        if key.name == "epochs":  # the one default that methods have of their own
            own = ", ".join(f"{name} {method.default_epochs}" for name, method in methods)
            key = dataclasses.replace(key, default=own)
        yield key
    for name, method in methods:
        yield from keys_of(method.config_class, f"{name}.")


def keys_of(kind: type[Any], prefix: str = "") -> Iterator[Key]:
    """The keys of one configuration dataclass and of those nested in it."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            yield from keys_of(typing.cast("type[Any]", hint), f"{prefix}{field.name}.")
            continue
        info: Any = field.default
        if not isinstance(info, FieldInfo):
            info = FieldInfo(default=info)
        yield Key(prefix + field.name, info.default, info.description or "")


def key_lines() -> list[str]:
    """One line a key: name, default, description, in columns."""
    keys = list(all_keys())
    names = max(len(key.name) for key in keys)
    defaults = max(len(str(key.default)) for key in keys)
    return [f"{key.name:<{names}}  {key.default!s:<{defaults}}  {key.description}".rstrip() for key in keys]
