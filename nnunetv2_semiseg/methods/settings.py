"""A method's configuration as a plans file gives it."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from nnunetv2_semiseg.core.config import (
    SECTION,
    ConfigT,
    TrainingConfig,
    config_values,
    merge_nested,
    merged_section,
    parse_config,
)
from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.core.plans_file import check_name
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
        UserError: A key is unknown or a value out of range; the message lists what is valid.
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
        UserError: A key is unknown or a value out of range; the message lists what is valid.
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
        UserError: A key is unknown or a value out of range.
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
        raise UserError(f"{where} must be a dictionary of hyper-parameters, got {values!r}")
    return parse_config(method_class.config_class, values, where)


def _refuse_unknown(section: Mapping[str, Any], where: str) -> None:
    valid = [*_training_fields(), *discovered_methods()]
    unknown = [key for key in section if key not in valid]
    if unknown:
        raise UserError(f"{where}: unknown key '{unknown[0]}'; valid keys are {', '.join(valid)}")


@dataclasses.dataclass(frozen=True)
class Key:
    """One hyper-parameter.

    Attributes:
        name: Name in the plans below ``semiseg``, parts joined by dots.
        default: Default in the form that JSON has.
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


def configured_plans(
    plans: dict[str, Any], parent: str, name: str, settings: dict[str, Any]
) -> dict[str, Any]:
    """Plans with a configuration that inherits from another one and has hyper-parameters of its own.

    Args:
        plans: Content of a plans file.
        parent: Configuration to inherit from.
        name: Configuration to make, or to change if it exists.
        settings: Nested hyper-parameters.

    Returns:
        New plans; an existing configuration keeps what ``settings`` doesn't name.

    Raises:
        UserError: Names don't fit together or a hyper-parameter is wrong.
    """
    configurations = plans["configurations"]
    if parent not in configurations:
        raise UserError(
            f"configuration '{parent}' is not in the plans; they have: {', '.join(configurations)}"
        )
    if name not in configurations:
        check_name(name)
    existing = configurations.get(name, {"inherits_from": parent})
    if existing.get("inherits_from") != parent or name == parent:
        raise UserError(
            f"configuration '{name}' exists and does not inherit from '{parent}': choose another --name "
            "(nnU-Net's own configurations lose such settings when the dataset is planned again)"
        )
    changed = {**existing, SECTION: merge_nested(existing.get(SECTION, {}), settings)}
    result = {**plans, "configurations": {**configurations, name: changed}}
    check_section(result, name)
    return result


def parse_settings(settings: list[str]) -> dict[str, Any]:
    """``["epochs=100", "synfoc.threshold=0.9"]`` as nested dictionaries.

    Raises:
        UserError: A setting is not of the form ``key=value``, or its value is infinite or not a number.

    Examples:
        >>> parse_settings(["epochs=100", "synfoc.threshold=0.9"])
        {'epochs': 100, 'synfoc': {'threshold': 0.9}}
    """
    parsed: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise UserError(f"'{setting}' is not of the form key=value, as in epochs=100")
        try:
            value: Any = json.loads(text, parse_constant=_refuse_constant)
        except json.JSONDecodeError:
            value = text  # a plain word or a path
        for part in reversed(key.split(".")):
            value = {part: value}
        parsed = merge_nested(parsed, value)
    return parsed


def _refuse_constant(constant: str) -> None:
    raise UserError(f"{constant} is no number that JSON has, and so none for plans")


def with_absolute_checkpoints(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with whole paths of checkpoints: a training is started from another folder.

    A shell doesn't expand ``~`` behind an equals sign.
    """
    whole: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            whole[key] = with_absolute_checkpoints(value)
        elif key == "checkpoint" and isinstance(value, str):
            whole[key] = str(Path(value).expanduser().resolve())
        else:
            whole[key] = value
    return whole


def setting_words(settings: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Nested settings as `parse_settings` takes them."""
    words = []
    for key, value in settings.items():
        if isinstance(value, Mapping):
            words += setting_words(value, f"{prefix}{key}.")
        else:
            words.append(f"{prefix}{key}={value if _is_plain_word(value) else json.dumps(value)}")
    return words


def _is_plain_word(value: Any) -> bool:
    """Whether it is text that no JSON could be meant by."""
    if not isinstance(value, str):
        return False
    try:
        json.loads(value)
    except json.JSONDecodeError:
        return True
    return False
