"""Files that are images of 8 bits a channel, and those that are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from nnunetv2_semiseg.data.conversion.image_files import file_mode, read_image

SIZE = (30, 20)


@pytest.mark.parametrize(
    ("image", "pixel_type"),
    [
        (Image.fromarray(np.full((20, 30), 4000, dtype=np.uint16)), "I;16"),
        (Image.fromarray(np.full((20, 30), 0.5, dtype=np.float32)), "F"),
        (Image.new("CMYK", SIZE), "CMYK"),
    ],
)
def test_other_pixel_types_are_refused(tmp_path: Path, image: Image.Image, pixel_type: str) -> None:
    image.save(tmp_path / "1.tif")
    with pytest.raises(
        ValueError, match=rf"1\.tif: pixel type {pixel_type} is not supported; convert it to 8"
    ):
        read_image(tmp_path / "1.tif", "RGB")


def test_files_of_several_images_are_refused(tmp_path: Path) -> None:
    pages = [Image.new("RGB", SIZE)] * 2
    pages[0].save(tmp_path / "1.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(ValueError, match=r"1\.tif: holds several images; save each one"):
        read_image(tmp_path / "1.tif", "RGB")


@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_images_rotated_by_exif_are_refused(tmp_path: Path, ending: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = tmp_path / f"1.{ending}"
    Image.new("RGB", SIZE).save(path, exif=exif)
    with pytest.raises(ValueError, match=rf"1\.{ending}: is rotated by its EXIF tag only; rotate its pixels"):
        read_image(path, "RGB")


def test_upright_exif_is_accepted(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 1
    Image.new("RGB", SIZE).save(tmp_path / "1.jpg", exif=exif)
    assert read_image(tmp_path / "1.jpg", "L").size == SIZE


@pytest.mark.parametrize(
    ("mode", "expected"), [("1", "L"), ("L", "L"), ("LA", "L"), ("P", "RGB"), ("RGB", "RGB"), ("RGBA", "RGB")]
)
def test_mode_of_a_file(tmp_path: Path, mode: str, expected: str) -> None:
    Image.new(mode, SIZE).save(tmp_path / "1.png")
    assert file_mode(tmp_path / "1.png") == expected


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"no image")
    for read in (file_mode, lambda path: read_image(path, "L")):
        with pytest.raises(ValueError, match=r"1\.png cannot be read"):
            read(tmp_path / "1.png")
