"""Masks that are thresholded, and masks whose values are classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from nnunetv2_semiseg.data.conversion.image_files import read_binary_mask, read_class_mask

CLASSES = ("cup", "rim")


def stripes(*values: int | tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """A mask of a stripe of 8 rows for each value."""
    return np.repeat(np.repeat(np.array(values, dtype=np.uint8)[:, None], 24, axis=1), 8, axis=0)


def saved(path: Path, image: Image.Image) -> Path:
    image.save(path)
    return path


def found(labels: npt.NDArray[np.uint8]) -> list[int]:
    """Labels in the middle of each stripe."""
    return [int(value) for value in labels[4::8, 12]]


@pytest.mark.parametrize(("threshold", "expected"), [(99, [1, 1, 1]), (127, [0, 1, 1]), (128, [0, 0, 1])])
def test_values_above_the_threshold_are_foreground(
    tmp_path: Path, threshold: int, expected: list[int]
) -> None:
    path = saved(tmp_path / "mask.png", Image.fromarray(stripes(100, 128, 255)))
    assert found(read_binary_mask(path, threshold)) == expected


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_artefacts_of_jpeg_are_cleared(tmp_path: Path, mode: str) -> None:
    disc = np.add.outer((np.arange(32) - 16) ** 2, (np.arange(32) - 16) ** 2) < 100
    path = saved(tmp_path / "mask.jpg", Image.fromarray(np.uint8(255) * disc).convert(mode))
    assert len(np.unique(np.asarray(Image.open(path)))) > 2
    assert (read_binary_mask(path, 127) != disc).mean() < 0.01


def test_jpeg_masks_without_foreground_may_have_artefacts(tmp_path: Path) -> None:
    path = saved(tmp_path / "mask.jpg", Image.fromarray(stripes(0, 3, 0)))
    assert found(read_binary_mask(path, 127)) == [0, 0, 0]


def test_jpeg_masks_whose_foreground_is_too_dark_are_not_taken_for_empty_ones(tmp_path: Path) -> None:
    path = saved(tmp_path / "mask.jpg", Image.fromarray(stripes(0, 100, 0)))
    with pytest.raises(ValueError, match=r"mask\.jpg: its highest value is 1\d\d, so nothing is above"):
        read_binary_mask(path, 127)
    assert found(read_binary_mask(path, 50)) == [0, 1, 0]


def test_empty_masks_are_masks(tmp_path: Path) -> None:
    path = saved(tmp_path / "mask.png", Image.fromarray(stripes(0, 0)))
    assert found(read_binary_mask(path, 127)) == [0, 0]


def test_masks_of_0_and_1_are_not_taken_for_empty_ones(tmp_path: Path) -> None:
    path = saved(tmp_path / "mask.png", Image.fromarray(stripes(0, 1)))
    with pytest.raises(ValueError, match=r"mask\.png: its highest value is 1, so nothing is above .* 127"):
        read_binary_mask(path, 127)
    assert found(read_binary_mask(path, 0)) == [0, 1]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA"])
def test_opaque_grey_masks_of_all_modes_are_read(tmp_path: Path, mode: str) -> None:
    path = saved(tmp_path / "mask.png", Image.fromarray(stripes(0, 255)).convert(mode))
    assert found(read_binary_mask(path, 127)) == [0, 1]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA"])
def test_classes_are_values(tmp_path: Path, mode: str) -> None:
    path = saved(tmp_path / "mask.png", Image.fromarray(stripes(0, 2, 1)).convert(mode))
    assert found(read_class_mask(path, CLASSES)) == [0, 2, 1]


def test_classes_are_indices_into_a_palette(tmp_path: Path) -> None:
    image = Image.new("P", (24, 24))
    image.putdata(stripes(2, 0, 1).ravel().tolist())
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    assert found(read_class_mask(saved(tmp_path / "mask.png", image), CLASSES)) == [2, 0, 1]


def test_black_and_white_masks_have_one_class(tmp_path: Path) -> None:
    path = saved(tmp_path / "mask.png", Image.fromarray(stripes(0, 255)).convert("1"))
    assert found(read_class_mask(path, CLASSES)) == [0, 1]


def test_values_that_are_no_class_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "mask.png", Image.fromarray(stripes(0, 3)))
    with pytest.raises(ValueError, match="mask value 3 is unknown; valid are 0 for background to 2 for rim"):
        read_class_mask(path, CLASSES)


def test_jpeg_masks_of_several_classes_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "mask.jpg", Image.fromarray(stripes(0, 1)))
    with pytest.raises(ValueError, match=r"mask\.jpg: JPEG changes the numbers of classes; save masks"):
        read_class_mask(path, CLASSES)


def test_coloured_masks_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "mask.png", Image.fromarray(stripes((0, 0, 0), (255, 0, 0))))
    with pytest.raises(ValueError, match=r"mask\.png: the mask is coloured; save it in grey"):
        read_binary_mask(path, 127)
    with pytest.raises(ValueError, match="the mask is coloured"):
        read_class_mask(path, CLASSES)


def test_transparent_masks_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "mask.png", Image.fromarray(stripes((255, 255, 255, 0), (255, 255, 255, 255))))
    with pytest.raises(ValueError, match=r"mask\.png: the mask is transparent in places; save it without"):
        read_binary_mask(path, 127)
