"""Which samples and slices of a step are shown, and in which gray values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from samples import make_batch

from nnunetv2_semiseg.methods.step import Panel
from nnunetv2_semiseg.trainers.watching.rows import MOST_ROWS, make_rows

SIZE = 8


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_different_cases_come_first() -> None:
    cases = ("a", "a", "b", "b", "c", "a")
    rows = make_rows(make_batch(noise(6, 1, SIZE, SIZE), cases), {}, in_color=False)
    assert [row.case for row in rows] == ["a", "a", "b", "c"]
    assert len(rows) == MOST_ROWS


def test_one_sample_is_enough() -> None:
    (row,) = make_rows(make_batch(noise(1, 1, SIZE, SIZE), ("a",)), {}, in_color=False)
    assert row.place == ""
    assert [cell.image.shape for cell in row.cells.values() if cell.image is not None] == [(SIZE, SIZE)] * 2


def test_a_row_has_one_window_so_that_the_strong_view_differs() -> None:
    ramp = torch.linspace(0, 100, SIZE * SIZE).reshape(1, 1, SIZE, SIZE)
    (row,) = make_rows(make_batch(ramp, ("a",)), {}, in_color=False)
    weak, strong = (cell.image for cell in row.cells.values())
    assert weak is not None
    assert strong is not None
    assert weak.min() == 0
    assert weak.max() == 1
    assert strong.max() == pytest.approx(0.5, abs=0.02)


def test_padding_does_not_take_the_gray_values() -> None:
    images = torch.linspace(1, 2, SIZE * SIZE).reshape(1, 1, SIZE, SIZE).clone()
    images[..., :2] = -1000
    inside = torch.ones(1, 1, SIZE, SIZE, dtype=torch.bool)
    inside[..., :2] = False
    with_padding, without = (
        make_rows(make_batch(images, ("a",), mask), {}, in_color=False)[0].cells["weak view"].image
        for mask in (None, inside)
    )
    assert with_padding is not None
    assert without is not None
    assert np.ptp(with_padding[:, 2:]) < 0.01
    assert np.ptp(without[:, 2:]) > 0.9


def test_three_channels_are_colors_or_the_first_is_shown() -> None:
    batch = make_batch(noise(1, 3, SIZE, SIZE), ("a",))
    for in_color, shape in ((True, (SIZE, SIZE, 3)), (False, (SIZE, SIZE))):
        image = make_rows(batch, {}, in_color)[0].cells["weak view"].image
        assert image is not None
        assert image.shape == shape
        assert image.min() >= 0
        assert image.max() <= 1


@pytest.mark.parametrize(("foreground", "expected"), [((), 4), ((1,), 1), ((2, 6), 6)])
def test_the_slice_with_most_foreground_is_shown(foreground: tuple[int, ...], expected: int) -> None:
    """The middle one where there is none; the last of ``foreground`` has more of it."""
    depth = 8
    images = torch.arange(depth).float().reshape(1, 1, depth, 1, 1).expand(1, 1, depth, SIZE, SIZE)
    classes = torch.zeros(1, depth, SIZE, SIZE, dtype=torch.int64)
    for number, index in enumerate(foreground, start=1):
        classes[0, index, :number] = 2
    panels = {"empty": Panel(images, torch.zeros_like(classes)), "pseudo-label": Panel(images, classes)}
    (row,) = make_rows(make_batch(images, ("a",)), panels, in_color=False)
    assert row.place == f"slice {expected + 1} of {depth}"
    cell = row.cells["pseudo-label"]
    assert cell.classes is not None
    assert (cell.classes == classes[0, expected].numpy()).all()
    assert cell.caption == ("" if foreground else "no foreground")
    assert row.cells["empty"].caption == "no foreground"


def test_trust_has_its_share_below() -> None:
    trusted = torch.zeros(1, SIZE, SIZE, dtype=torch.bool)
    trusted[:, :2] = True
    panels = {"mask": Panel(trust=trusted), "confidence": Panel(trust=trusted * 0.5)}
    (row,) = make_rows(make_batch(noise(1, 1, SIZE, SIZE), ("a",)), panels, in_color=False)
    assert row.cells["mask"].caption == "25% of the patch"
    assert row.cells["confidence"].caption == "mean 0.12"


def test_half_precision_and_infinite_values_are_shown() -> None:
    images = noise(1, 1, SIZE, SIZE).to(torch.bfloat16)
    images[0, 0, 0, 0], images[0, 0, 0, 1] = torch.inf, torch.nan
    (row,) = make_rows(make_batch(images, ("a",)), {}, in_color=False)
    assert all(cell.image is not None and np.isfinite(cell.image).all() for cell in row.cells.values())
