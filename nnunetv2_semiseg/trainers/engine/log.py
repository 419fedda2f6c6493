"""Loss terms, measures and learning rates: means of an epoch, lines of the log, and a plot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import torch
from matplotlib.ticker import MaxNLocator

from nnunetv2_semiseg.core.memory import peak_memory
from nnunetv2_semiseg.evaluation.results.history import LOSS, MEASURE, MEMORY, PREFIX, RATE

if TYPE_CHECKING:  # reports read what is logged, and need not wait for the import
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

PLOT_FILE = "progress_semiseg.png"

LINES = (
    ("Loss terms", LOSS),
    ("Measures", MEASURE),
    ("Learning rates", RATE),
    ("Peak memory in GiB", MEMORY),
)
"""Titles of the lines of the text log, and prefixes of their keys."""


def step_values(
    total: torch.Tensor, terms: Mapping[str, torch.Tensor], measures: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The scalars of a step under their keys, detached, on the device."""
    values = {"loss": total}
    values.update({LOSS + name: value for name, value in terms.items()})
    values.update({MEASURE + name: value for name, value in measures.items()})
    return {key: value.detach() for key, value in values.items()}


def epoch_means(steps: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, float]:
    """Mean of each value over the steps of an epoch that have it; one transfer from the device for all."""
    names = list(dict.fromkeys(name for step in steps for name in step))
    if not names:
        return {}
    means = [torch.stack([step[name] for step in steps if name in step]).float().mean() for name in names]
    return dict(zip(names, torch.stack(means).tolist(), strict=True))


def log_epoch(trainer: nnUNetTrainer, means: Mapping[str, float]) -> None:
    """Give an epoch's values and the memory's peak to nnU-Net's logger and to the text log.

    Args:
        trainer: Trainer at the end of an epoch's steps.
        means: Means by key, which begins with one of the prefixes in `LINES`.
    """
    memory = {MEMORY + name: peak for name, peak in peak_memory(trainer.device).items()}
    values = {**means, **memory}
    log_values(trainer.logger, values, trainer.current_epoch)
    for line in log_lines(values):
        trainer.print_to_log_file(line)


def log_values(logger: Any, values: Mapping[str, float], epoch: int) -> None:
    """Give values to nnU-Net's logger under keys that it doesn't know yet.

    Args:
        logger: nnU-Net's `MetaLogger`.
        values: Values by key, which begins with `PREFIX`.
        epoch: The current epoch.
    """
    known = logger.local_logger.my_fantastic_logging
    ours = {key for key in known if key.startswith(PREFIX)}
    for key in sorted(ours | values.keys()):
        # nnU-Net's plot takes the shortest list for the number of epochs: every key gets a value each epoch.
        history = known.setdefault(key, [])
        history.extend([math.nan] * (epoch - len(history)))
        logger.log(key, values.get(key, math.nan), epoch)


def log_lines(values: Mapping[str, float]) -> list[str]:
    """The values as lines for the text log: loss terms, measures, learning rates, memory."""
    lines = []
    for title, prefix in LINES:
        shown = [
            f"{key.removeprefix(prefix)} {value:.4g}"
            for key, value in values.items()
            if key.startswith(prefix)
        ]
        if shown:
            lines.append(f"{title}: {', '.join(shown)}")
    return lines


def plot_progress(logger: Any, folder: str | Path) -> None:
    """Write `PLOT_FILE` beside nnU-Net's progress.png: loss terms, measures and learning rates by epoch.

    Args:
        logger: nnU-Net's `MetaLogger`.
        folder: The fold's output folder.
    """
    history = logger.local_logger.my_fantastic_logging
    panels = (
        ("loss (unweighted)", LOSS, "linear"),
        ("measure", MEASURE, "linear"),
        ("learning rate", RATE, "log"),
    )
    with plt.style.context("default"), plt.rc_context({"axes.grid": True, "font.size": 12}):
        figure, axes = plt.subplots(len(panels), 1, figsize=(12, 18), sharex=True)
        for axis, (title, prefix, scale) in zip(axes, panels, strict=True):
            for key in sorted(key for key in history if key.startswith(prefix)):
                axis.plot(history[key], label=key.removeprefix(prefix), linewidth=2, marker=".")
            axis.set(ylabel=title, yscale=scale)
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            if axis.lines:
                axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        axes[-1].set_xlabel("epoch")
        figure.savefig(Path(folder) / PLOT_FILE, bbox_inches="tight", dpi=80)
        plt.close(figure)
