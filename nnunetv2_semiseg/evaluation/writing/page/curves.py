"""The chapter of training curves: a plot for each logged value, with the models that have logged it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from nnunetv2_semiseg.evaluation.results.history import LOSS, MEASURE, RATE, FoldHistory
from nnunetv2_semiseg.evaluation.writing.page.drawing import WIDTH, Picture, new_figure, page_style, vector
from nnunetv2_semiseg.evaluation.writing.page.model_styles import ModelStyle, plot_name

COLUMNS = 3

LONGEST_TITLE = 48
"""Number of letters that have place above a plot."""

USUAL = {
    "train_losses": "training loss, all terms",
    "val_losses": "validation loss",
    "ema_fg_dice": "pseudo Dice of the validation, moving mean",
}
"""Titles of nnU-Net's own values that are shown."""

TITLES = {
    "alpha": "α",  # noqa: RUF001, as the papers write it
    "confident_share": "share of confident pixels",
    "foundation_confident_share": "share of confident pixels (foundation)",
    "certain_share": "share of certain pixels",
    "teacher_confidence": "mean confidence of the teacher",
    "agreement": "agreement of pseudo-labels",
    "self_confidence": "agreement of student and teacher",
    "mutual_confidence": "agreement of both teachers",
    "subnet_agreement": "agreement of both subnets",
    "sam_agreement": "agreement with SAM",
    "unsupervised_gradient_norm": "gradient norm of unsupervised terms",
}
"""Titles of measures; other measures have their names in the log as titles."""

GROUPS = (
    ("Losses and Dice", ""),
    ("Loss terms, unweighted", LOSS),
    ("Measures", MEASURE),
    ("Learning rates", RATE),
)
"""Titles of pictures and prefixes of their keys."""


@dataclass(frozen=True)
class TrainingCurves:
    """The chapter.

    Attributes:
        folds: Trainers and folds in words, by the model that has curves.
        together: Models that were trained together with one that has curves.
        missing: Models whose training is not known.
        pictures: Pictures by title.
    """

    folds: dict[str, str]
    together: list[str]
    missing: list[str]
    pictures: dict[str, Picture]


def training_curves(
    trainings: Mapping[str, Sequence[FoldHistory]], styles: Mapping[str, ModelStyle]
) -> TrainingCurves:
    """A picture for each group of values.

    Args:
        trainings: Histories by model; of a model that was trained together with another one there are none.
        styles: Styles of all models.
    """
    shown = {model: folds for model, folds in trainings.items() if folds}
    groups = {title: keys for title, prefix in GROUPS if (keys := _keys(prefix, shown))}
    return TrainingCurves(
        folds={model: _describe_folds(folds) for model, folds in shown.items()},
        together=[model for model in trainings if model not in shown],
        missing=[model for model in styles if model not in trainings],
        pictures={title: _plot(title, keys, shown, styles) for title, keys in groups.items()},
    )


def _plot(
    title: str,
    keys: list[str],
    trainings: Mapping[str, Sequence[FoldHistory]],
    styles: Mapping[str, ModelStyle],
) -> Picture:
    """A picture with a plot for each key."""
    rows = math.ceil(len(keys) / COLUMNS)
    having = {
        model: folds
        for model, folds in trainings.items()
        if any(key in fold.values for key in keys for fold in folds)
    }
    with page_style():
        sheet = new_figure(WIDTH, 2.5 * rows + 0.3)
        axes = list(sheet.subplots(rows, COLUMNS, squeeze=False).flat)
        for axis in axes[len(keys) :]:
            axis.remove()
        for axis, key in zip(axes, keys, strict=False):
            _draw(axis, key, trainings, styles)
            axis.set_title(plot_name(_title(key), LONGEST_TITLE))
            axis.set_yscale("log" if key.startswith(RATE) else "linear")
        sheet.legend(handles=_legend(having, styles), loc="outside lower left", ncols=3, frameon=False)
        return vector(sheet, f"{title} by epoch: {', '.join(map(_title, keys))}")


def _keys(prefix: str, trainings: Mapping[str, Sequence[FoldHistory]]) -> list[str]:
    """Keys of the values to show that any model has logged, each once."""
    logged = {
        key: None
        for folds in trainings.values()
        for fold in folds
        for key, values in fold.values.items()
        if not all(map(math.isnan, values))
    }
    if not prefix:
        return [key for key in USUAL if key in logged]
    return sorted(key for key in logged if key.startswith(prefix))


def _draw(
    axis: Axes, key: str, trainings: Mapping[str, Sequence[FoldHistory]], styles: Mapping[str, ModelStyle]
) -> None:
    """Draw one value."""
    for model, folds in trainings.items():
        for values in (fold.values[key] for fold in folds if key in fold.values):
            axis.plot(
                range(1, len(values) + 1),
                values,
                markersize=3.5,
                markevery=max(1, len(values) // 12),
                **styles[model].curve,
            )
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlabel("epoch")
    axis.grid()


def _title(key: str) -> str:
    for prefix in (LOSS, MEASURE, RATE):
        if key.startswith(prefix):
            name = key.removeprefix(prefix)
            if prefix == RATE:
                return f"learning rate of {name}"
            return TITLES.get(name, name.replace("_", " "))
    return USUAL[key]


def _legend(trainings: Mapping[str, Sequence[FoldHistory]], styles: Mapping[str, ModelStyle]) -> list[Line2D]:
    return [
        Line2D([], [], markersize=4, label=plot_name(model), **styles[model].curve) for model in trainings
    ]


def _describe_folds(folds: Sequence[FoldHistory]) -> str:
    """``nnUNetTrainerCPS: fold_0, fold_1``."""
    trainers = dict.fromkeys(fold.trainer for fold in folds if fold.trainer)
    names = ", ".join(fold.fold for fold in folds)
    return f"{' and '.join(trainers)}: {names}" if trainers else names
