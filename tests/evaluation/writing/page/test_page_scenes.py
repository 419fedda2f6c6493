"""Which planes of a case are shown, which way up and how wide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_images import write_nifti, write_png

from nnunetv2_semiseg.evaluation.writing.page.scenes import Plane, read_scene

SPACING = (4.0, 1.0, 2.0)
NIFTI: dict[str, Any] = {"file_ending": ".nii.gz"}


def scene(folder: Path, true: Any, predicted: Any) -> list[Plane]:
    """Of a volume whose gray values grow with the column."""
    image = np.broadcast_to(np.arange(true.shape[2]), true.shape)
    files = [
        write_nifti(folder / name, SPACING, a=content) / "a.nii.gz"
        for name, content in (("image", image), ("true", true), ("one", predicted))
    ]
    return read_scene(files[:1], files[1:], NIFTI)


def test_slices_with_most_foreground_of_all_label_maps(tmp_path: Path) -> None:
    true, predicted = np.zeros((2, 8, 20, 12), dtype=int)
    true[2, 3:5, 4] = 1
    predicted[6, 5:9, 7:10] = 2
    planes = scene(tmp_path, true, predicted)
    assert [plane.title for plane in planes] == ["slice 7 of 8", "row 6 of 20", "column 8 of 12"]
    for axis, (plane, index) in enumerate(zip(planes, (6, 5, 7), strict=True)):
        for shown, volume in zip(plane.labels, (true, predicted), strict=True):
            assert np.array_equal(shown, volume.take(index, axis))
    assert np.array_equal(planes[0].image, planes[0].image[:1].repeat(20, axis=0))
    assert (np.diff(planes[0].image[0]) >= 0).all()
    assert np.ptp(planes[2].image) == 0, "one column, one gray value"


def test_pixels_keep_their_form_and_the_first_slice_lies_at_the_bottom(tmp_path: Path) -> None:
    volume = np.zeros((4, 6, 5), dtype=int)
    volume[1:3, 2:4, 2:4] = 1
    planes = scene(tmp_path, volume, volume)
    # height of a pixel by its width: rows 1, columns 2, slices 4 mm
    assert [plane.aspect for plane in planes] == [1 / 2, 4 / 2, 4 / 1]
    assert [plane.upright for plane in planes] == [False, True, True]


def test_the_middle_of_a_volume_without_foreground(tmp_path: Path) -> None:
    nothing = np.zeros((4, 6, 9), dtype=int)
    planes = scene(tmp_path, nothing, nothing)
    assert [plane.title for plane in planes] == ["slice 3 of 4", "row 4 of 6", "column 5 of 9"]
    assert planes[0].window == (slice(0, 6), slice(0, 9)), "all of it"


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (slice(40, 60), slice(37, 63)),  # 15 % around it
        (slice(50, 52), slice(38, 64)),  # a quarter of the image at least
        (slice(0, 20), slice(0, 23)),  # and no more than the image
    ],
)
def test_the_window_is_around_all_outlines(tmp_path: Path, place: slice, expected: slice) -> None:
    true, predicted = np.zeros((2, 100, 100), dtype=np.uint8)
    true[place, 30:50] = predicted[place, 50:70] = 1
    files = [
        write_png(tmp_path / name, a=content) / "a.png"
        for name, content in (("image", true), ("true", true), ("one", predicted))
    ]
    (plane,) = read_scene(files[:1], files[1:], {"file_ending": ".png"})
    assert plane.title == ""
    assert plane.aspect == 1
    assert plane.window == (expected, slice(24, 76))
    assert plane.ratio == 52 / (expected.stop - expected.start)
