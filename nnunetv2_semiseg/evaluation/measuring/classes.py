"""The classes of a dataset that can be measured: plain labels, and nnU-Net's regions of several labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnunetv2_semiseg.core.errors import UserError

IGNORE = "ignore"
"""nnU-Net's name for the label of unannotated pixels, which are left out of every measure."""


@dataclass(frozen=True)
class LabelClass:
    """A foreground class.

    Attributes:
        name: Name in dataset.json.
        values: Labels of the class: one, or several if it is a region.

    Examples:
        >>> whole_tumor = LabelClass("whole tumor", (1, 2))
        >>> whole_tumor.mask(np.array([[0, 1], [2, 3]])).tolist()
        [[False, True], [True, False]]
    """

    name: str
    values: tuple[int, ...]

    def mask(self, labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Pixels of this class in a label map: bool, of the same shape."""
        if len(self.values) == 1:
            return np.asarray(labels == self.values[0])
        return np.isin(labels, self.values)


def foreground_classes(labels: Mapping[str, Any]) -> list[LabelClass]:
    """All classes but the background and the ignore label, in the order of dataset.json.

    Args:
        labels: ``labels`` of dataset.json: a label, or the labels of a region, by name.

    Raises:
        UserError: A label is not an integer, or there is no foreground class.

    Examples:
        >>> foreground_classes({"background": 0, "tumor": [1, 2], "core": 2, "ignore": 3})
        [LabelClass(name='tumor', values=(1, 2)), LabelClass(name='core', values=(2,))]
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
    """The label of unannotated pixels; None if the dataset has none."""
    return _values(IGNORE, labels[IGNORE])[0] if IGNORE in labels else None


def predictable_values(labels: Mapping[str, Any]) -> set[int]:
    """All labels that a prediction may have: background and foreground, but not the ignore label."""
    return {0, *(value for entry in foreground_classes(labels) for value in entry.values)}


def _values(name: str, value: Any) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    if not values or any(isinstance(entry, bool) or not isinstance(entry, int) for entry in values):
        raise UserError(f"label '{name}' of dataset.json is {value!r}: give it an integer or a list of them")
    return values
