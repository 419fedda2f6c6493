"""The converter of folders of images and masks: what goes where, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
from PIL import ExifTags, Image
from released_files import SIZE, labels, names

GREY, COLOUR = 90, (90, 60, 30)


@pytest.fixture
def folders(source, release):
    """Two labeled, two unlabeled and one validation image, and two test sets; the same names everywhere."""
    for folder in ("labeled", "unlabeled", "val", "TestDataset/CVC-300", "TestDataset/Kvasir"):
        for stem in ("1", "2"):
            release.png(source / folder / "image" / f"{stem}.jpg", COLOUR, mode="RGB")
            release.mask(source / folder / "mask" / f"{stem}.png", [0, 255])
    (source / "labeled" / "ATTRIBUTION.txt").write_text("of somebody")
    (source / "labeled" / "image" / "LICENSE.txt").write_text("some")
    (source / "labeled" / "image" / ".hidden").touch()
    return source


@pytest.fixture
def convert(converter, raw_parent):
    module = converter("DatasetXXX_ImageMaskFolders")

    def run(source, **more):
        options = module.FolderOptions(source=source, name="Polyp", dataset_id=507, **more)
        return module.convert(options, raw_parent)

    return run


def replace_file(path, content):
    """Give a file another image, whose ending decides the format."""
    for other in path.parent.glob(f"{path.stem}.*"):
        other.unlink()
    content.save(path)


def test_parts_names_and_domains(folders, convert):
    folder = convert(folders)
    assert folder.name == "Dataset507_Polyp"
    assert names(folder / "imagesTr") == ["train_labeled_1_0000.png", "train_labeled_2_0000.png"]
    assert names(folder / "imagesUn") == ["train_unlabeled_1_0000.png", "train_unlabeled_2_0000.png"]
    assert names(folder / "labelsTs") == [
        "CVC-300_test_1.png",
        "CVC-300_test_2.png",
        "Kvasir_test_1.png",
        "Kvasir_test_2.png",
    ]
    assert names(folder) == ["dataset.json", "imagesTr", "imagesTs", "imagesUn", "labelsTr", "labelsTs"]
    content = json.loads((folder / "dataset.json").read_text())
    assert content["domains"]["CVC-300_test_1"] == "CVC-300"
    assert content["domains"]["train_unlabeled_2"] == "train"
    assert content["labels"] == {"background": 0, "foreground": 1}
    assert content["channel_names"] == {"0": "R", "1": "G", "2": "B"}
    assert labels(folder / "labelsTr" / "train_labeled_1.png") == [0, 1]
    verify_dataset_integrity(str(folder), 1)


@pytest.mark.parametrize(
    ("use", "part", "domain"),
    [("skip", None, None), ("unlabeled", "imagesUn", "val"), ("test", "imagesTs", "val")],
)
def test_validation_images_are_never_labeled(folders, convert, use, part, domain):
    folder = convert(folders, validation=use)
    for name in ("imagesTr", "imagesUn", "imagesTs"):
        assert ("val_val_1_0000.png" in names(folder / name)) == (name == part)
    assert json.loads((folder / "dataset.json").read_text())["domains"].get("val_val_1") == domain


def test_unlabeled_validation_images_need_no_masks(folders, convert):
    (folders / "val" / "mask").rename(folders / "val" / "elsewhere")
    assert len(names(convert(folders, validation="unlabeled") / "imagesUn")) == 4


def test_validation_images_that_do_not_exist_cannot_be_used(folders, convert):
    (folders / "val").rename(folders / "elsewhere")
    with pytest.raises(ValueError, match="has no validation cases; leave --val test out"):
        convert(folders, validation="test")


def test_validation_images_are_not_put_together_with_a_test_set(folders, convert):
    (folders / "TestDataset" / "Kvasir").rename(folders / "TestDataset" / "val")
    with pytest.raises(ValueError, match=r"TestDataset/val: .* domain 'val' .* rename the folder"):
        convert(folders, validation="test")
    domains = json.loads((convert(folders) / "dataset.json").read_text())["domains"]
    assert domains["val_test_1"] == "val"


def test_val_and_test_folders_and_masks_of_unlabeled_images_may_be_missing(folders, convert):
    for name in ("val", "TestDataset", "unlabeled/mask"):
        (folders / name).rename(folders / name.replace("/", "_").upper())
    assert names(convert(folders)) == ["dataset.json", "imagesTr", "imagesUn", "labelsTr"]


def test_folders_may_be_named_in_the_plural(folders, convert):
    for folder in folders.rglob("image"):
        folder.rename(folder.with_name("images"))
    (folders / "labeled" / "mask").rename(folders / "labeled" / "masks")
    assert len(names(convert(folders) / "labelsTr")) == 2


def test_masks_may_have_a_suffix(folders, convert):
    for mask in folders.rglob("mask/*.png"):
        mask.rename(mask.with_name(f"{mask.stem}_segmentation.png"))
    assert len(names(convert(folders, mask_suffix="_segmentation") / "labelsTs")) == 4


@pytest.mark.parametrize("ending", ["png", "PNG", "jpeg", "bmp", "tif"])
def test_image_formats(folders, convert, release, ending):
    (folders / "labeled" / "image" / "1.jpg").unlink()
    release.png(folders / "labeled" / "image" / f"1.{ending}", COLOUR, mode="RGB")
    folder = convert(folders)
    with Image.open(folder / "imagesTr" / "train_labeled_1_0000.png") as image:
        assert np.abs(np.array(image.getpixel((0, 0))) - COLOUR).max() <= 2


def test_grey_images_stay_grey(folders, convert, release):
    for path in folders.rglob("image/*.jpg"):
        release.png(path, GREY)
    folder = convert(folders)
    assert json.loads((folder / "dataset.json").read_text())["channel_names"] == {"0": "grey"}
    with Image.open(folder / "imagesUn" / "train_unlabeled_1_0000.png") as image:
        assert image.mode == "L"
    verify_dataset_integrity(str(folder), 1)


@pytest.mark.parametrize(
    ("mode", "fill"), [("L", GREY), ("RGBA", (*COLOUR, 0)), ("LA", (GREY, 9)), ("P", 3), ("1", 1)]
)
def test_mixed_images_all_become_rgb(folders, convert, mode, fill):
    replace_file(folders / "unlabeled" / "image" / "1.png", Image.new(mode, SIZE[::-1], fill))
    if mode in ("L", "LA", "1"):
        with pytest.warns(UserWarning, match=r"1 images are grey, such as .*1\.png, and 7 in colour"):
            folder = convert(folders)
    else:
        folder = convert(folders)
    for name in ("1", "2"):
        with Image.open(folder / "imagesUn" / f"train_unlabeled_{name}_0000.png") as image:
            assert image.mode == "RGB"


def test_one_class_is_thresholded(folders, convert, release):
    release.mask(folders / "labeled" / "mask" / "1.png", [0, 100, 0])
    with pytest.raises(ValueError, match=r"labeled/mask/1\.png: its highest value is 100"):
        convert(folders)
    folder = convert(folders, threshold=99)
    assert labels(folder / "labelsTr" / "train_labeled_1.png") == [0, 1, 0]


def test_several_classes_are_values(folders, convert, release):
    with pytest.raises(
        ValueError, match="mask value 255 is unknown; valid are 0 for background to 2 for rim"
    ):
        convert(folders, classes=("cup", "rim"))
    for mask in folders.rglob("mask/*.png"):
        release.mask(mask, [0, 1, 2])
    folder = convert(folders, classes=("cup", "rim"))
    assert labels(folder / "labelsTr" / "train_labeled_1.png") == [0, 1, 2]
    content = json.loads((folder / "dataset.json").read_text())
    assert content["labels"] == {"background": 0, "cup": 1, "rim": 2}
    verify_dataset_integrity(str(folder), 1)


def test_images_rotated_by_exif_are_refused(folders, convert):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", SIZE[::-1], COLOUR).save(folders / "labeled" / "image" / "1.jpg", exif=exif)
    with pytest.raises(ValueError, match=r"labeled/image/1\.jpg: is rotated by its EXIF tag only"):
        convert(folders)


def test_mask_of_another_size_is_refused_and_nothing_left(folders, convert, release, raw_parent):
    release.mask(folders / "TestDataset" / "Kvasir" / "mask" / "2.png", [0, 255], size=(20, 31))
    with pytest.raises(
        ValueError, match=r"Kvasir/mask/2\.png: mask of 31x20 pixels, but its image has 30x20"
    ):
        convert(folders)
    assert names(raw_parent) == []


def test_image_without_mask_is_refused(folders, convert):
    (folders / "labeled" / "mask" / "2.png").unlink()
    with pytest.raises(
        ValueError, match=r"labeled/image/2\.jpg: no mask named 2 \(1 images without a mask\)"
    ):
        convert(folders)


def test_mask_without_image_is_refused(folders, convert):
    (folders / "TestDataset" / "Kvasir" / "image" / "2.jpg").unlink()
    with pytest.raises(ValueError, match=r"Kvasir/mask/2\.png: no image for this mask"):
        convert(folders)


def test_two_files_of_one_name_are_refused(folders, convert, release):
    release.png(folders / "unlabeled" / "image" / "1.png", GREY)
    with pytest.raises(ValueError, match=r"unlabeled/image/1\.png: has the name of 1\.jpg; rename or remove"):
        convert(folders)


def test_names_that_become_equal_are_refused(folders, convert, release):
    for name in ("a b", "a_b"):
        release.png(folders / "unlabeled" / "image" / f"{name}.jpg", COLOUR, mode="RGB")
    with pytest.raises(ValueError, match="case name 'train_unlabeled_a_b' appears 2 times"):
        convert(folders)


@pytest.mark.parametrize("name", ["3.gif", "more"])
def test_other_files_are_refused(folders, convert, name):
    (folders / "unlabeled" / "image" / name).mkdir()
    with pytest.raises(ValueError, match=rf"unlabeled/image/{name}: is not one of \.png, \.jpg"):
        convert(folders)


@pytest.mark.parametrize("part", ["image", "mask"])
def test_unreadable_files_are_named(folders, convert, part):
    path = next((folders / "labeled" / part).glob("1.*"))
    path.write_bytes(b"no image")
    with pytest.raises(ValueError, match=rf"{part}/{path.name} cannot be read"):
        convert(folders)


def test_size_resizes_images_and_masks(folders, convert):
    folder = convert(folders, size=16)
    for path in (
        folder / "imagesTr" / "train_labeled_1_0000.png",
        folder / "labelsTr" / "train_labeled_1.png",
    ):
        assert Image.open(path).size == (16, 16)


@pytest.mark.parametrize("missing", ["labeled", "unlabeled", "labeled/mask", "TestDataset/Kvasir/image"])
def test_missing_folders_are_named(folders, convert, missing):
    (folders / missing).rename(folders / "elsewhere")
    with pytest.raises(
        FileNotFoundError, match=r"has no folder '(image|mask)'; expected \{labeled,unlabeled"
    ):
        convert(folders)


def test_empty_folders_are_named(folders, convert):
    for path in (folders / "unlabeled" / "image").iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"unlabeled/image: no images; expected \.png"):
        convert(folders)


def test_test_data_without_sets_is_refused(folders, convert):
    (folders / "TestDataset").rename(folders / "elsewhere")
    (folders / "TestDataset").mkdir()
    with pytest.raises(FileNotFoundError, match="TestDataset: has no folder for each test set"):
        convert(folders)


def test_folders_of_both_names_are_refused(folders, convert):
    (folders / "labeled" / "images").mkdir()
    with pytest.raises(ValueError, match="labeled: has both image and images; keep one of them"):
        convert(folders)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"threshold": 255}, "threshold 255 is not between 0 and 254"),
        ({"threshold": -1}, "threshold -1 is not between"),
        ({"classes": ("cup", "cup")}, "classes cup, cup must be different names"),
        ({"classes": ("background",)}, "none of them 'background'"),
        ({"classes": ()}, "must be different names"),
        ({"size": 0}, "size 0 must be a positive"),
    ],
)
def test_impossible_choices_are_refused(folders, convert, choice, message):
    with pytest.raises(ValueError, match=message):
        convert(folders, **choice)


def test_folder_that_does_not_exist_is_refused(source, convert):
    with pytest.raises(FileNotFoundError, match="nowhere is not a folder"):
        convert(source / "nowhere")


def test_script_runs(folders, raw_parent):
    script = "dataset_conversion/DatasetXXX_ImageMaskFolders.py"
    command = [sys.executable, script, "-i", str(folders), "-d", "507", "--name", "Polyp"]
    done = subprocess.run([*command, "--classes", "polyp"], capture_output=True, text=True, check=True)
    assert "nnUNetv2_plan_and_preprocess -d 507" in done.stdout
    content = json.loads((raw_parent / "Dataset507_Polyp" / "dataset.json").read_text())
    assert content["labels"] == {"background": 0, "polyp": 1}
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "Dataset507_Polyp exists; use --overwrite" in failed.stderr
