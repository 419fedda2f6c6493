"""The classes of a dataset that can be measured: plain labels, and nnU-Net's regions of several labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnunetv2_semiseg.core.errors import UserError

IGNORE = "ignore"
"""nnU-Net's name of the label of unannotated pixels, which count for nothing."""


@dataclass(frozen=True)
class LabelClass:
    """A foreground class.

    Attributes:
        name: From dataset.json.
        values: The labels that it consists of: one, or several where it is a region.
    """

    name: str
    values: tuple[int, ...]

    def mask(self, labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Where a label map shows this class; bool, of the same shape."""
        if len(self.values) == 1:
            return np.asarray(labels == self.values[0])
        return np.isin(labels, self.values)


def foreground_classes(labels: Mapping[str, Any]) -> list[LabelClass]:
    """All classes but the background and the ignore label, in the order of dataset.json.

    Args:
        labels: ``labels`` of dataset.json: a value, or the values of a region, by name.

    Raises:
        UserError: A value is no integer, or there is no foreground.
    """
    classes = [
        LabelClass(name, values)
        for name, values in ((name, _values(name, value)) for name, value in labels.items())
        if name != IGNORE and set(values) != {0}
    ]
    if not classes:
        raise UserError("'labels' of dataset.json has no foreground class, so there is nothing to measure")
    return classes


def ignore_value(labels: Mapping[str, Any]) -> int | None:
    """The label of unannotated pixels; None where the dataset has none."""
    return _values(IGNORE, labels[IGNORE])[0] if IGNORE in labels else None


def predictable_values(labels: Mapping[str, Any]) -> set[int]:
    """All labels that a prediction may have: background and foreground, but not the ignore label."""
    return {0, *(value for entry in foreground_classes(labels) for value in entry.values)}


def _values(name: str, value: Any) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    if not values or any(isinstance(entry, bool) or not isinstance(entry, int) for entry in values):
        raise UserError(f"label '{name}' of dataset.json is {value!r}: give it an integer or a list of them")
    return values
