"""The converter of BUSI, which has no split, several masks an image and odd file modes."""

from __future__ import annotations

from functools import partial

import pytest
from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
from PIL import Image
from released_files import labels, names

from nnunetv2_semiseg.data.conversion.splits import last_fifth


@pytest.fixture
def busi(source, release):
    """Eleven benign, two malignant and one normal image."""
    for domain, count in (("benign", 11), ("malignant", 2), ("normal", 1)):
        for number in range(1, count + 1):
            release.png(source / domain / f"{domain} ({number}).png", (90, 90, 90), mode="RGB")
            release.png(source / domain / f"{domain} ({number})_mask.png", 1, mode="1")
    return source


@pytest.fixture
def convert_busi(convert_domains):
    return partial(convert_domains, "Dataset504_BUSI")


def test_busi_tests_on_the_last_fifth_by_number(busi, convert_busi):
    folder = convert_busi(busi, "benign", 2)
    assert names(folder / "imagesTs") == [
        "benign_0010_0000.png",
        "benign_0011_0000.png",
        "malignant_0002_0000.png",
    ]
    assert names(folder / "labelsTr") == ["benign_0001.png", "benign_0002.png"]
    assert len(names(folder / "imagesUn")) == 8
    with Image.open(folder / "imagesTr" / "benign_0001_0000.png") as image:
        assert (image.mode, image.getpixel((0, 0))) == ("L", 90)
    verify_dataset_integrity(str(folder), 1)


def test_busi_joins_masks_of_all_modes(busi, convert_busi, release):
    release.mask(busi / "benign" / "benign (1)_mask.png", [255, 0, 0, 0])
    release.mask(busi / "benign" / "benign (1)_mask_1.png", [(0, 0, 0, 255)] * 3 + [(255, 255, 255, 255)])
    folder = convert_busi(busi, "benign")
    assert labels(folder / "labelsTr" / "benign_0001.png") == [1, 0, 1]


@pytest.mark.parametrize(("mode", "fill"), [("RGBA", (7, 7, 7, 0)), ("LA", (7, 0)), ("P", 0), ("1", 0)])
def test_busi_images_of_odd_modes_become_grey(busi, convert_busi, release, mode, fill):
    release.png(busi / "benign" / "benign (1).png", fill, mode=mode)
    folder = convert_busi(busi, "benign")
    with Image.open(folder / "imagesTr" / "benign_0001_0000.png") as image:
        assert image.mode == "L"


@pytest.mark.parametrize(
    ("count", "held_out"), [(0, 0), (1, 0), (2, 1), (9, 1), (10, 2), (437, 87), (210, 42)]
)
def test_last_fifth(count, held_out):
    stems = [f"{number:03d}" for number in range(count)]
    assert last_fifth(stems) == set(stems[count - held_out :])
