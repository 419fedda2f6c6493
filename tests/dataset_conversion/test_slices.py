"""The converters on 2D releases: what goes where, which label becomes what, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
from PIL import Image
from released_files import labels, names, options

RED, GREEN, BLUE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)


@pytest.fixture
def prostate(source, release):
    """Two sites with three training and one test image each."""
    for site in ("HK", "UCL"):
        for split, stems in (("train", ("00_00", "00_01", "01_00")), ("test", ("00_00",))):
            for stem in stems:
                release.png(source / site / split / "image" / f"{stem}.png", 100)
                release.mask(source / site / split / "mask" / f"{stem}.png", [0, 255])
    return source


@pytest.fixture
def convert_prostate(convert_domains):
    return partial(convert_domains, "Dataset502_Prostate")


def test_parts_and_domains(prostate, convert_prostate):
    folder = convert_prostate(prostate, "UCL", 2)
    assert folder.name == "Dataset501_Prostate"
    assert names(folder / "imagesTr") == ["UCL_train_00_00_0000.png", "UCL_train_00_01_0000.png"]
    assert names(folder / "labelsTr") == ["UCL_train_00_00.png", "UCL_train_00_01.png"]
    assert names(folder / "imagesUn") == [
        "HK_train_00_00_0000.png",
        "HK_train_00_01_0000.png",
        "HK_train_01_00_0000.png",
        "UCL_train_01_00_0000.png",
    ]
    assert names(folder / "labelsTs") == ["HK_test_00_00.png", "UCL_test_00_00.png"]
    content = json.loads((folder / "dataset.json").read_text())
    assert content["domains"]["HK_train_01_00"] == "HK"
    assert len(content["domains"]) == 8
    assert (content["numTraining"], content["channel_names"]) == (2, {"0": "MRI"})
    verify_dataset_integrity(str(folder), 1)


def test_random_selection_follows_the_seed(prostate, convert_prostate):
    chosen = {
        tuple(
            names(
                convert_prostate(prostate, "UCL", 1, selection="random", seed=seed, overwrite=True)
                / "labelsTr"
            )
        )
        for seed in range(8)
    }
    assert len(chosen) > 1


def test_prostate_labels(prostate, convert_prostate):
    folder = convert_prostate(prostate, "HK")
    assert labels(folder / "labelsTr" / "HK_train_00_00.png") == [1, 0]


def test_size_resizes_images_smoothly_and_masks_by_nearest(prostate, convert_prostate, release):
    image = prostate / "HK" / "train" / "image" / "00_00.png"
    release.mask(image, [0, 200], size=(40, 40))
    release.mask(prostate / "HK" / "train" / "mask" / "00_00.png", [0, 255], size=(40, 40))
    folder = convert_prostate(prostate, "HK", size=15)
    picture = np.asarray(Image.open(folder / "imagesTr" / "HK_train_00_00_0000.png"))
    mask = np.asarray(Image.open(folder / "labelsTr" / "HK_train_00_00.png"))
    assert picture.shape == mask.shape == (15, 15)
    assert len(np.unique(picture)) > 2
    assert set(np.unique(mask)) == {0, 1}


def test_native_size_keeps_every_pixel(prostate, convert_prostate):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    Image.fromarray(pixels).save(prostate / "HK" / "train" / "image" / "00_00.png")
    folder = convert_prostate(prostate, "HK")
    written = np.asarray(Image.open(folder / "imagesTr" / "HK_train_00_00_0000.png"))
    np.testing.assert_array_equal(written, pixels)


def test_unknown_domain_lists_those_found(prostate, convert_prostate):
    with pytest.raises(ValueError, match=r"domain 'BMC' is not in .*; found: HK, UCL"):
        convert_prostate(prostate, "BMC")


def test_more_labels_than_exist_are_refused(prostate, convert_prostate):
    with pytest.raises(ValueError, match="4 labeled cases asked for, but there are only 3 training images"):
        convert_prostate(prostate, "UCL", 4)


def test_image_without_mask_is_unlabeled(prostate, convert_prostate):
    (prostate / "UCL" / "train" / "mask" / "00_00.png").unlink()
    folder = convert_prostate(prostate, "UCL", 2)
    assert names(folder / "labelsTr") == ["UCL_train_00_01.png", "UCL_train_01_00.png"]
    assert "UCL_train_00_00_0000.png" in names(folder / "imagesUn")


def test_image_without_mask_that_would_be_labeled_is_named(prostate, convert_prostate):
    (prostate / "UCL" / "train" / "mask" / "00_00.png").unlink()
    with pytest.raises(ValueError, match=r"only 2 .*UCL/train/image/00_00\.png: add it or ask for fewer"):
        convert_prostate(prostate, "UCL", 3)


def test_test_image_without_mask_is_refused(prostate, convert_prostate):
    (prostate / "HK" / "test" / "mask" / "00_00.png").unlink()
    with pytest.raises(ValueError, match=r"HK/test/image/00_00\.png: a test image needs a mask"):
        convert_prostate(prostate, "UCL")


def test_unknown_mask_value_is_refused_and_nothing_left(prostate, convert_prostate, release, raw_parent):
    release.mask(prostate / "UCL" / "test" / "mask" / "00_00.png", [0, 254, 255])
    with pytest.raises(ValueError, match=r"UCL/test/mask/00_00\.png: mask value 254 is unknown; valid are"):
        convert_prostate(prostate, "UCL")
    assert names(raw_parent) == []


def test_mask_of_another_size_is_refused(prostate, convert_prostate, release):
    release.mask(prostate / "UCL" / "test" / "mask" / "00_00.png", [0, 255], size=(20, 31))
    with pytest.raises(ValueError, match=r"mask of 31x20 pixels, but its image has 30x20"):
        convert_prostate(prostate, "UCL")


@pytest.mark.parametrize("content", [b"", b"no png"])
def test_unreadable_image_is_named(prostate, convert_prostate, content):
    (prostate / "HK" / "train" / "image" / "00_00.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"HK/train/image/00_00\.png cannot be read"):
        convert_prostate(prostate, "UCL")


def test_truncated_image_is_named(prostate, convert_prostate):
    path = prostate / "HK" / "train" / "image" / "00_00.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ValueError, match=r"HK/train/image/00_00\.png cannot be read"):
        convert_prostate(prostate, "UCL")


def test_sixteen_bit_images_are_refused(prostate, convert_prostate):
    path = prostate / "HK" / "train" / "image" / "00_00.png"
    Image.fromarray(np.full((20, 30), 4000, dtype=np.uint16)).save(path)
    with pytest.raises(ValueError, match=r"00_00\.png: pixel type I;16 is not supported"):
        convert_prostate(prostate, "UCL")


def test_existing_target_is_refused(prostate, convert_prostate):
    convert_prostate(prostate, "UCL")
    with pytest.raises(ValueError, match="Dataset501_Prostate exists; use --overwrite"):
        convert_prostate(prostate, "UCL")


def test_id_of_another_dataset_is_refused(prostate, convert_prostate, raw_parent):
    (raw_parent / "Dataset501_Other").mkdir()
    with pytest.raises(ValueError, match="id 501 is taken by Dataset501_Other"):
        convert_prostate(prostate, "UCL")


def test_missing_split_is_named(prostate, convert_prostate):
    for path in (prostate / "HK" / "test" / "image").iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match="HK/test/image: no png images"):
        convert_prostate(prostate, "UCL")


@pytest.mark.parametrize("folder", ["", "nowhere"])
def test_folder_without_the_layout_is_refused(source, convert_prostate, folder):
    with pytest.raises(FileNotFoundError, match=r"is not laid out as Prostate: expected|is not a folder"):
        convert_prostate(source / folder, "UCL")


def test_size_must_be_positive(prostate):
    with pytest.raises(ValueError, match="size 0 must be a positive"):
        options(prostate, "UCL", size=0)


def test_fundus(source, release, convert_domains):
    for domain in ("Domain1", "Domain2"):
        for split in ("train", "test"):
            folder = source / domain / split / "ROIs"
            release.png(folder / "image" / "g 1.png", (10, 20, 30), mode="RGB")
            release.mask(folder / "mask" / "g 1.png", [(255,) * 3, (128,) * 3, BLACK])
    folder = convert_domains("Dataset501_Fundus", source, "Domain2")
    assert names(folder / "imagesTr") == ["Domain2_train_g_1_0000.png"]
    assert labels(folder / "labelsTr" / "Domain2_train_g_1.png") == [0, 2, 1]
    assert Image.open(folder / "imagesTr" / "Domain2_train_g_1_0000.png").getpixel((0, 0)) == (10, 20, 30)
    content = json.loads((folder / "dataset.json").read_text())
    assert content["channel_names"] == {"0": "R", "1": "G", "2": "B"}
    assert content["labels"] == {"background": 0, "cup": 1, "disc rim": 2}
    verify_dataset_integrity(str(folder), 1)


def mnms(source, release, colours):
    for split in ("train", "test"):
        release.png(source / "vendorA" / split / "image" / "000001.png", 50)
        release.mask(source / "vendorA" / split / "mask" / "000001.png", colours)


def test_mnms(source, release, convert_domains):
    mnms(source, release, [BLACK, RED, GREEN, BLUE])
    folder = convert_domains("Dataset503_MNMs", source, "vendorA")
    assert labels(folder / "labelsTr" / "vendorA_train_000001.png") == [0, 1, 2, 3]
    verify_dataset_integrity(str(folder), 1)


def test_mnms_refuses_overlapping_channels(source, release, convert_domains):
    mnms(source, release, [BLACK, (255, 255, 0)])
    with pytest.raises(
        ValueError, match=r"mask value \(255, 255, 0\) is unknown; valid are 0, \(255, 0, 0\)"
    ):
        convert_domains("Dataset503_MNMs", source, "vendorA")


def test_script_runs(prostate, raw_parent):
    script = "dataset_conversion/Dataset502_Prostate.py"
    command = [sys.executable, script, "-i", str(prostate), "--num-labeled", "1", "--labeled-domain"]
    done = subprocess.run([*command, "HK"], capture_output=True, text=True, check=True)
    assert "nnUNetv2_plan_and_preprocess -d 502" in done.stdout
    assert (raw_parent / "Dataset502_Prostate" / "dataset.json").is_file()
    failed = subprocess.run([*command, "BMC"], capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: domain 'BMC'")
