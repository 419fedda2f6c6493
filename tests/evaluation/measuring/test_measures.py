"""Measures of two masks against values computed by hand, and against medpy on the whole image."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from medpy.metric import binary

from nnunetv2_semiseg.evaluation.measuring.measures import dice, jaccard, surface_distances

Mask = npt.NDArray[np.bool_]
SHAPES = st.sampled_from([(7,), (6, 5), (2, 8), (4, 3, 5)])
PAIRS = SHAPES.flatmap(lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape)))


def mask(shape: tuple[int, ...], *box: slice) -> Mask:
    made = np.zeros(shape, dtype=bool)
    made[box] = True
    return made


LEFT = mask((5, 6), slice(1, 4), slice(1, 4))
RIGHT = mask((5, 6), slice(1, 4), slice(2, 5))
"""Squares of 3 x 3 pixels, one pixel apart; their surfaces are rings of 8 pixels."""


def test_overlap_of_two_squares() -> None:
    assert dice(LEFT, RIGHT) == pytest.approx(2 * 6 / 18)
    assert jaccard(LEFT, RIGHT) == pytest.approx(6 / 12)


def test_distances_of_two_squares_in_pixels() -> None:
    # of the left ring, the outer column is 1 away, and so is the pixel that is the inside of the right square
    assert surface_distances(LEFT, RIGHT) == pytest.approx((1, 4 / 8))


def test_distances_of_two_squares_in_mm() -> None:
    # columns are 2 mm apart: the outer column is 2 away, the pixel inside has a neighbour in its own column
    assert surface_distances(LEFT, RIGHT, (1, 2)) == pytest.approx((2, (3 * 2 + 1) / 8))


def test_distance_of_two_pixels_with_spacing() -> None:
    first, second = mask((4, 6), slice(0, 1), slice(0, 1)), mask((4, 6), slice(3, 4), slice(4, 5))
    assert surface_distances(first, second) == pytest.approx((5, 5))
    assert surface_distances(first, second, (2, 1)) == pytest.approx((math.sqrt(52),) * 2)


def test_asd_goes_from_the_prediction_to_the_reference() -> None:
    pixel, line = mask((3, 5), slice(1, 2), slice(0, 1)), mask((3, 5), slice(1, 2))
    # distances 0 of the pixel, and 0 to 4 of the line: 95 % of the way through six values is 3.75
    assert surface_distances(pixel, line) == pytest.approx((3.75, 0))
    assert surface_distances(line, pixel) == pytest.approx((3.75, 2))


@pytest.mark.parametrize("shape", [(1, 5, 6), (5, 1, 6), (5, 6, 1)])
def test_an_axis_of_length_one_does_not_count(shape: tuple[int, ...]) -> None:
    spacing = tuple(999.0 if length == 1 else {5: 1.0, 6: 2.0}[length] for length in shape)
    measured = surface_distances(LEFT.reshape(shape), RIGHT.reshape(shape), spacing)
    assert measured == surface_distances(LEFT, RIGHT, (1, 2))


def test_a_single_pixel_image() -> None:
    pixel = np.ones((1, 1), dtype=bool)
    assert surface_distances(pixel, pixel, (999, 1)) == (0, 0)


def test_empty_masks() -> None:
    empty = np.zeros_like(LEFT)
    assert dice(LEFT, empty) == dice(empty, LEFT) == jaccard(LEFT, empty) == jaccard(empty, LEFT) == 0
    assert math.isnan(dice(empty, empty))
    assert math.isnan(jaccard(empty, empty))
    for pair in ((LEFT, empty), (empty, LEFT), (empty, empty)):
        assert all(math.isnan(value) for value in surface_distances(*pair))


@given(PAIRS)
def test_overlap_is_bounded_and_symmetric(pair: tuple[Mask, Mask]) -> None:
    first, second = pair
    assume(first.any() or second.any())
    assert 0 <= dice(first, second) <= 1
    assert dice(first, second) == dice(second, first)
    assert jaccard(first, second) == jaccard(second, first)
    assert jaccard(first, second) == pytest.approx(dice(first, second) / (2 - dice(first, second)))


@settings(deadline=None)
@given(PAIRS, st.sampled_from([None, (3.0, 0.5, 1.0)]))
def test_distances_are_those_of_medpy_on_the_whole_image(pair: tuple[Mask, Mask], steps: Any) -> None:
    first, second = pair
    assume(first.any() and second.any())
    spacing = None if steps is None else steps[: first.ndim]
    hd95, asd = surface_distances(first, second, spacing)
    assert hd95 == pytest.approx(binary.hd95(first, second, voxelspacing=spacing))
    assert asd == pytest.approx(binary.asd(first, second, voxelspacing=spacing))
    assert hd95 == pytest.approx(surface_distances(second, first, spacing)[0])
    assert surface_distances(first, first, spacing) == (0, 0)
    assert hd95 >= 0
    assert asd >= 0
