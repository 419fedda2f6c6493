"""The samples of a step as rows of a picture: chosen, cut into slices, scaled, and brought to the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.methods.step import Panel, Panels

MOST_ROWS = 4

WINDOW = (1.0, 99.0)
"""Percentiles of the weak view's intensities that become black and white in all of its row."""

Pixels = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Cell:
    """A panel of one sample in 2D; what is None is not drawn.

    Attributes:
        image: ``H x W`` or ``H x W x 3``, 0 to 1.
        classes: ``H x W``, integers.
        trust: ``H x W``, 0 to 1.
        caption: A line below, about the whole patch, which may have more slices.
        note: Text in the place of a picture.
    """

    image: Pixels | None = None
    classes: npt.NDArray[np.int64] | None = None
    trust: Pixels | None = None
    caption: str = ""
    note: str = ""


@dataclass(frozen=True)
class Row:
    """An unlabeled sample: its name, which of its slices this is, and a cell for each column."""

    case: str
    place: str
    cells: Mapping[str, Cell]


def make_rows(batch: SemiSegBatch, panels: Panels, in_color: bool) -> list[Row]:
    """Rows of some samples of a step, with both views and the method's panels for columns.

    Args:
        batch: Batch of the step, on any device.
        panels: Panels of its unlabeled samples.
        in_color: Whether the images' three channels are red, green and blue; otherwise the first is shown.

    Returns:
        At most `MOST_ROWS`, of different cases where the step has so many.
    """
    columns = {"weak view": Panel(batch.unlabeled_weak), "strong view": Panel(batch.unlabeled_strong)}
    columns.update(panels)
    return [_row(batch, columns, sample, in_color) for sample in _chosen(batch.unlabeled_cases)]


def _chosen(cases: Sequence[str]) -> list[int]:
    """Samples of different cases first."""
    first = list({case: index for index, case in reversed(list(enumerate(cases)))}.values())
    others = [index for index in range(len(cases)) if index not in first]
    return sorted([*sorted(first), *others][:MOST_ROWS])


def _row(batch: SemiSegBatch, columns: Panels, sample: int, in_color: bool) -> Row:
    shape = batch.unlabeled_weak.shape[2:]
    cut: tuple[int, ...] = (sample,)
    place = ""
    if len(shape) == 3:
        index = _slice_to_show(columns, sample, shape[0])
        cut, place = (sample, index), f"slice {index + 1} of {shape[0]}"
    weak = _image(batch.unlabeled_weak, cut, in_color)
    window = _window(weak, batch.inside[:, 0][cut].cpu().numpy())
    cells = {title: _cell(panel, cut, in_color, window) for title, panel in columns.items()}
    return Row(batch.unlabeled_cases[sample], place, cells)


def _slice_to_show(columns: Panels, sample: int, depth: int) -> int:
    """The slice with most foreground in the first column that has any; the middle one where none has."""
    for panel in columns.values():
        if panel.classes is not None:
            counts = (panel.classes[sample] > 0).flatten(1).sum(1)
            if counts.any():
                return int(counts.argmax())
    return depth // 2


def _cell(panel: Panel, cut: tuple[int, ...], in_color: bool, window: tuple[float, float]) -> Cell:
    low, high = window
    image = None
    if panel.image is not None:
        raw = _image(panel.image, cut, in_color)
        image = np.clip((raw - low) / max(high - low, 1e-8), 0, 1).astype(np.float32)
    return Cell(
        image,
        None if panel.classes is None else panel.classes[cut].cpu().numpy().astype(np.int64),
        None if panel.trust is None else panel.trust[cut].float().cpu().numpy(),
        _caption(panel, cut[0]),
        panel.note,
    )


def _caption(panel: Panel, sample: int) -> str:
    """How much is trusted; or that there is no foreground, which is how many trainings go wrong."""
    if panel.trust is not None and panel.image is None:
        mean = float(panel.trust[sample].float().mean())
        return f"{mean:.0%} of the patch" if panel.trust.dtype == torch.bool else f"mean {mean:.2f}"
    if panel.classes is not None and not (panel.classes[sample] > 0).any():
        return "no foreground"
    return ""


def _image(images: torch.Tensor, cut: tuple[int, ...], in_color: bool) -> Pixels:
    """``H x W`` or ``H x W x 3``; pixels that are not finite as 0."""
    channels = images[cut[0]] if len(cut) == 1 else images[cut[0]][:, cut[1]]
    channels = channels.float().nan_to_num(0, 0, 0)
    chosen = channels.movedim(0, -1) if in_color else channels[0]
    return np.asarray(chosen.cpu().numpy())


def _window(image: Pixels, inside: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """What becomes black and white; padding around the image does not count."""
    seen = image[inside] if inside.any() else image
    low, high = np.percentile(seen, WINDOW)
    return float(low), float(high)
