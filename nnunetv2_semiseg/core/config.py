"""Hyper-parameters: typed, checked, and read from nnU-Net's plans.

They stand under the key ``semiseg`` of a configuration in the plans file. Keys of that dictionary are the
fields of `TrainingConfig` and one sub-dictionary for each method, named like the method::

    "2d_long": {"inherits_from": "2d", "semiseg": {"epochs": 100, "synfoc": {"threshold": 0.9}}}
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, cast

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from nnunetv2_semiseg.core.errors import UserError

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
"""Rules of every configuration dataclass: keys that no field has are errors, and so are infinite numbers."""

SECTION = "semiseg"
"""The key of a plans configuration under which this package's hyper-parameters stand."""

HALF_OF_THE_CHANNELS = "once drawn, each channel changes with probability 1/2, as in nnU-Net"

ConfigT = TypeVar("ConfigT")

Precision = Literal["nnunet", "float32", "bfloat16"]
"""``nnunet``: mixed float16 on CUDA, float32 elsewhere; ``bfloat16``: mixed, not in 3D on a CPU."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ViewsConfig:
    """How often and how far the strong view changes intensities. Ranges are (lowest, highest)."""

    brightness_range: tuple[float, float] = Field(default=(0.5, 1.5), description="factor on all intensities")
    brightness_probability: float = Field(default=0.8, ge=0, le=1)
    contrast_range: tuple[float, float] = Field(
        default=(0.5, 1.5), description="factor on distances to the mean"
    )
    contrast_probability: float = Field(default=0.8, ge=0, le=1)
    gamma_range: tuple[float, float] = Field(default=(0.5, 2.0), description="exponent of the gamma change")
    gamma_probability: float = Field(default=0.5, ge=0, le=1)
    blur_probability: float = Field(default=0.5, ge=0, le=1, description=HALF_OF_THE_CHANNELS)
    noise_probability: float = Field(default=0.3, ge=0, le=1)
    low_resolution_probability: float = Field(default=0.3, ge=0, le=1, description=HALF_OF_THE_CHANNELS)

    @model_validator(mode="after")
    def _ranges_are_ordered(self) -> ViewsConfig:
        for name in ("brightness_range", "contrast_range", "gamma_range"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise UserError(
                    f"{name} must be two positive numbers, the lower one first; got ({low}, {high})"
                )
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TrainingConfig:
    """Hyper-parameters that every method's training has: its length, its batch and its views."""

    epochs: int = Field(default=1000, ge=1, description="nnU-Net epochs")
    iterations_per_epoch: int = Field(default=250, ge=1, description="optimizer steps an epoch")
    validation_iterations_per_epoch: int = Field(default=50, ge=1, description="validation batches an epoch")
    labeled_batch_size: int | None = Field(
        default=None, ge=1, description="labeled samples a step; null: the method's own"
    )
    unlabeled_batch_size: int | None = Field(
        default=None, ge=1, description="unlabeled samples a step; null: the method's own"
    )
    save_every: int = Field(default=50, ge=1, description="epochs between two writings of checkpoint_latest")
    measure_gradient_every: int | None = Field(
        default=None,
        ge=1,
        description="epochs between measurements of the unsupervised gradient's norm, each by one more pass "
        "in float32, which may be the peak of GPU memory",
    )
    picture_every: int | None = Field(
        default=10, ge=1, description="epochs between two pictures of unlabeled images; null: none"
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        lt=2**32,
        description="start of all random streams; reproducible only with nnUNet_n_proc_DA=0 on a CPU",
    )
    precision: Precision = Field(
        default="nnunet",
        description="nnunet: float16 mixed on CUDA, else float32; float32; bfloat16: mixed, 2D only on a CPU",
    )
    views: ViewsConfig = Field(default_factory=ViewsConfig)


def parse_config(kind: type[ConfigT], values: Mapping[str, Any], where: str) -> ConfigT:
    """Build a configuration dataclass from a dictionary.

    Args:
        kind: The dataclass, `TrainingConfig` or a method's own.
        values: Values of the fields by name; missing ones keep their defaults.
        where: How to name the place in an error, for example ``configuration '2d_long', semiseg.synfoc``.

    Returns:
        The checked configuration.

    Raises:
        UserError: A key is unknown (the message lists the valid ones) or a value is out of range.

    Examples:
        >>> parse_config(TrainingConfig, {"epochs": 100}, "plans").epochs
        100
        >>> parse_config(TrainingConfig, {"epoch": 100}, "plans")
        Traceback (most recent call last):
        ...
        nnunetv2_semiseg.core.errors.UserError: plans: unknown key 'epoch'; valid keys are epochs, ...
    """
    try:
        return TypeAdapter(kind).validate_python(dict(values))
    except ValidationError as error:
        raise UserError(f"{where}: {_explain(kind, error)}") from None


def config_values(config: Any) -> dict[str, Any]:
    """The fields of a configuration dataclass as plain JSON values."""
    return cast("dict[str, Any]", TypeAdapter(type(config)).dump_python(config, mode="json"))


def merged_section(plans: Mapping[str, Any], configuration: str) -> dict[str, Any]:
    """The ``semiseg`` dictionaries along the ``inherits_from`` chain; where keys collide, the child's wins.

    Args:
        plans: Content of a plans file.
        configuration: Name of a configuration in it.

    Returns:
        The merged dictionary, empty where no configuration of the chain has one.

    Raises:
        UserError: A configuration does not exist, the chain is circular, or a configuration or its section
            is not a dictionary.
    """
    merged: dict[str, Any] = {}
    for name in _inheritance_chain(plans, configuration):
        section = plans["configurations"][name].get(SECTION, {})
        if not isinstance(section, Mapping):
            raise UserError(f"configuration '{name}': '{SECTION}' must be a dictionary, got {section!r}")
        merged = merge_nested(merged, section)
    return merged


def merge_nested(base: Mapping[str, Any], update: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with the values of ``update``, dictionaries in both merged key by key."""
    merged = dict(base)
    for key, value in update.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            merged[key] = merge_nested(old, value)
        else:
            merged[key] = value
    return merged


def _inheritance_chain(plans: Mapping[str, Any], configuration: str) -> list[str]:
    """Names from the oldest ancestor down to ``configuration``."""
    configurations = plans.get("configurations")
    if not isinstance(configurations, Mapping):
        raise UserError("the plans have no dictionary 'configurations': plan the dataset again")
    chain: list[str] = []
    name: str | None = configuration
    while name is not None:
        if name in chain:
            raise UserError(f"configuration '{name}' inherits from itself: {' -> '.join([*chain, name])}")
        if not isinstance(name, str) or name not in configurations:
            known = ", ".join(configurations)
            raise UserError(f"configuration '{name}' is not in the plans; they have: {known}")
        if not isinstance(configurations[name], Mapping):
            raise UserError(f"configuration '{name}' must be a dictionary, got {configurations[name]!r}")
        chain.append(name)
        name = configurations[name].get("inherits_from")
    return chain[::-1]


def _explain(kind: type[Any], error: ValidationError) -> str:
    """The first complaint as one sentence."""
    complaint = error.errors()[0]
    path = [str(part) for part in complaint["loc"]]
    key = ".".join(path)
    if complaint["type"] == "unexpected_keyword_argument":
        return f"unknown key '{key}'; valid keys are {_valid_keys(kind, path[:-1])}"
    if complaint["type"] == "dataclass_type":
        return (
            f"{key} = {complaint['input']!r}: should be a dictionary, whose valid keys are "
            f"{_valid_keys(kind, path)}"
        )
    problem = complaint["msg"].removeprefix("Value error, ")
    problem = problem[:1].lower() + problem[1:]
    return f"{key} = {complaint['input']!r}: {problem}" if key else problem


def _valid_keys(kind: type[Any], path: list[str]) -> str:
    return ", ".join(field.name for field in dataclasses.fields(_dataclass_at(kind, path)))


def _dataclass_at(kind: type[Any], path: list[str]) -> type[Any]:
    """The dataclass of the field that ``path`` leads to from ``kind``."""
    for name in path:
        hint = typing.get_type_hints(kind)[name]
        options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        kind = next(
            option for option in options if isinstance(option, type) and dataclasses.is_dataclass(option)
        )
    return kind
