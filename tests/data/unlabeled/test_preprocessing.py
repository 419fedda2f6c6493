"""Preprocessing of unlabeled images: what is done, what is left alone."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
from filelock import FileLock
from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class, nnUNetDatasetBlosc2
from skimage import io
from threads import use_threads
from unlabeled_fixtures import IGNORE, RGB, UNLABELED, VOLUME, make_dataset

from nnunetv2_semiseg.data.unlabeled.store import UnlabeledStore

NAMES = [f"{case}{suffix}" for case in UNLABELED for suffix in (".b2nd", ".pkl", "_seg.b2nd")]


@pytest.fixture
def dataset(request, tmp_path, tmp_path_factory, monkeypatch):
    use_threads(monkeypatch)
    return make_dataset(getattr(request, "param", RGB), tmp_path, tmp_path_factory, monkeypatch)


@pytest.mark.parametrize("dataset", [RGB, IGNORE, VOLUME], indirect=True)
def test_cases_are_what_nnunet_makes_of_a_labeled_image(dataset):
    case = "d"
    for file in (dataset.raw / "imagesTr").glob(f"{case}_*"):
        shutil.copy(file, dataset.raw / "imagesUn" / file.name.replace(f"{case}_", "same_"))
    data = dataset.preprocess()
    labeled_folder = dataset.preprocessed / f"nnUNetPlans_{dataset.configuration}"
    expected, _, _, labeled_properties = nnUNetDatasetBlosc2(str(labeled_folder), [case]).load_case(case)
    image, seg, _, properties = nnUNetDatasetBlosc2(str(data.folder), ["same"]).load_case("same")
    np.testing.assert_array_equal(image[:], expected[:])
    assert (image.dtype, seg.dtype) == (np.float32, np.int16)
    assert set(np.unique(seg[:])) <= {-1, 0}
    assert properties["class_locations"] == {}
    assert properties["spacing"] == labeled_properties["spacing"]


def test_folder_holds_nnunets_files_and_nothing_else(dataset):
    data = dataset.preprocess()
    assert data.folder == dataset.folder
    assert data.cases == UNLABELED
    assert sorted(file.name for file in data.folder.iterdir()) == sorted(NAMES)
    assert infer_dataset_class(str(data.folder)) is nnUNetDatasetBlosc2
    assert sorted(nnUNetDatasetBlosc2.get_identifiers(str(data.folder))) == list(UNLABELED)
    assert not dataset.folder.with_name(dataset.folder.name + ".tmp").exists()


def test_2d_configuration_of_volumes(dataset, tmp_path, tmp_path_factory, monkeypatch):
    volumes = make_dataset(VOLUME, tmp_path / "volumes", tmp_path_factory, monkeypatch)
    data = volumes.preprocess("2d")
    image, *_ = nnUNetDatasetBlosc2(str(data.folder), ["u1"]).load_case("u1")
    assert image.shape[:2] == (2, 10)


def test_unchanged_images_touch_no_file(dataset):
    first = dataset.preprocess()
    before = dataset.modified()
    lock = dataset.folder.with_name(dataset.folder.name + ".lock").stat().st_mtime_ns
    assert dataset.preprocess() == first
    assert dataset.modified() == before
    assert dataset.folder.with_name(dataset.folder.name + ".lock").stat().st_mtime_ns == lock
    assert "all 3 cases are up to date" in dataset.log[-1]


def test_only_a_changed_image_is_redone(dataset):
    dataset.preprocess()
    before = dataset.modified()
    dataset.write("u2", seed=5)
    dataset.preprocess()
    after = dataset.modified()
    changed = {name for name in NAMES if before[name] != after[name]}
    assert changed == {"u2.b2nd", "u2_seg.b2nd", "u2.pkl"}
    assert "1 cases preprocessed, 2 were up to date" in dataset.log[-1]


def test_a_copy_with_other_times_touches_no_case(dataset):
    dataset.preprocess()
    before = dataset.modified()
    copied = dataset.raw / "imagesUn" / "u2_0000.png"
    os.utime(copied, ns=(0, 0))
    dataset.preprocess()
    assert "all 3 cases are up to date" in dataset.log[-1]
    after = dataset.modified()
    assert {name for name in after if after[name] != before[name]} == {dataset.manifest_file.name}
    # read once: the new times are noted
    copied.write_bytes(bytes(copied.stat().st_size))
    os.utime(copied, ns=(0, 0))
    dataset.preprocess()
    assert dataset.modified() == after


def test_no_times_are_noted_on_a_disk_without_locks(dataset, monkeypatch):
    """Another process may be writing the manifest."""
    dataset.preprocess()
    before = dataset.modified()
    os.utime(dataset.raw / "imagesUn" / "u1_0000.png", ns=(0, 0))

    def refuse(*_, **__):
        raise OSError("no locks here")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    assert dataset.preprocess().cases == ("u1", "u2", "u3")
    assert dataset.modified() == before


def test_other_content_of_the_same_size_and_an_old_record(dataset):
    dataset.preprocess()
    image = dataset.raw / "imagesUn" / "u2_0000.png"
    content = dataset.manifest()
    del content["cases"]["u1"][0]["sha256"]
    dataset.manifest_file.write_text(json.dumps(content))
    os.utime(dataset.raw / "imagesUn" / "u1_0000.png", ns=(0, 0))  # without digest, times decide
    pixels = io.imread(image)
    io.imsave(image, 255 - pixels)
    with image.open("ab") as file:  # what follows the image is ignored
        file.write(bytes(content["cases"]["u2"][0]["size"] - image.stat().st_size))
    dataset.preprocess()
    assert "2 cases preprocessed, 1 were up to date" in dataset.log[-1]


def test_new_images_are_added_and_gone_ones_removed(dataset):
    dataset.preprocess()
    before = dataset.modified()
    dataset.write("u4")
    (dataset.raw / "imagesUn" / "u1_0000.png").unlink()
    assert dataset.preprocess().cases == ("u2", "u3", "u4")
    assert sorted(nnUNetDatasetBlosc2.get_identifiers(str(dataset.folder))) == ["u2", "u3", "u4"]
    assert {name for name in before if name in dataset.modified() and "u1" not in name} >= {"u2.b2nd"}
    assert dataset.modified()["u2.b2nd"] == before["u2.b2nd"]
    assert any("gone" in line and "u1" in line for line in dataset.log)


def test_removal_alone(dataset):
    dataset.preprocess()
    (dataset.raw / "imagesUn" / "u1_0000.png").unlink()
    assert dataset.preprocess().cases == ("u2", "u3")
    assert set(dataset.manifest()["cases"]) == {"u2", "u3"}


def test_changed_plans_redo_all_and_say_why(dataset):
    dataset.preprocess()
    before = dataset.modified()

    def change(plans):
        plans["configurations"]["2d"]["normalization_schemes"] = ["NoNormalization"] * 3

    dataset.change_plans(change)
    dataset.preprocess()
    assert all(dataset.modified()[name] != before[name] for name in NAMES)
    assert any("plans changed (normalization_schemes)" in line for line in dataset.log)


def test_plan_fields_that_preprocessing_ignores_change_nothing(dataset):
    dataset.preprocess()
    before = dataset.modified()
    dataset.change_plans(
        lambda plans: plans["configurations"]["2d"].update(batch_size=3, patch_size=[32, 32])
    )
    dataset.preprocess()
    assert dataset.modified() == before


def test_inheriting_configuration_shares_the_cases(dataset):
    dataset.preprocess()
    before = dataset.modified()
    dataset.change_plans(lambda plans: plans["configurations"].update({"2d_long": {"inherits_from": "2d"}}))
    assert dataset.preprocess("2d_long").folder == dataset.folder
    assert dataset.modified() == before


def test_missing_or_foreign_files_are_put_right(dataset):
    dataset.preprocess()
    before = dataset.modified()
    (dataset.folder / "u3_seg.b2nd").unlink()
    (dataset.folder / "stray.b2nd").write_bytes(b"from a killed run")
    dataset.preprocess()
    # u3 had to be redone; without that, a foreign file alone is removed at the next change
    after = dataset.modified()
    assert set(after) == set(before)
    assert after["u1.b2nd"] == before["u1.b2nd"]
    assert after["u3.b2nd"] != before["u3.b2nd"]


def test_unreadable_manifest_means_doing_all_again(dataset):
    dataset.preprocess()
    dataset.manifest_file.write_text('{"cases": {"u1"')
    dataset.preprocess()
    assert set(dataset.manifest()["cases"]) == set(UNLABELED)
    assert "3 cases preprocessed" in dataset.log[-1]


def test_without_raw_images_earlier_cases_are_used(dataset, monkeypatch):
    first = dataset.preprocess()
    monkeypatch.delenv("nnUNet_raw")
    assert dataset.preprocess() == first
    assert "no raw images of Dataset901_Rgb here: using the 3 unlabeled cases" in dataset.log[-1]


def test_without_raw_dataset_in_nnunet_raw(dataset):
    first = dataset.preprocess()
    shutil.rmtree(dataset.raw)
    assert dataset.preprocess() == first


def test_without_raw_images_nothing_may_be_missing(dataset, monkeypatch):
    monkeypatch.delenv("nnUNet_raw")
    with pytest.raises(FileNotFoundError, match=r"no unlabeled images in .*set nnUNet_raw to a folder with"):
        dataset.preprocess()


def test_without_raw_images_files_must_be_there(dataset, monkeypatch):
    dataset.preprocess()
    monkeypatch.delenv("nnUNet_raw")
    (dataset.folder / "u2.pkl").unlink()
    with pytest.raises(FileNotFoundError, match="case u2: files are missing"):
        dataset.preprocess()


def test_without_raw_images_plans_must_fit(dataset, monkeypatch):
    dataset.preprocess()
    monkeypatch.delenv("nnUNet_raw")
    dataset.change_plans(lambda plans: plans["configurations"]["2d"].update(spacing=[2.0, 2.0]))
    with pytest.raises(ValueError, match=r"with other plans \(different: spacing\): set nnUNet_raw"):
        dataset.preprocess()


def test_image_appears_last(dataset, tmp_path):
    """A kill between two renames must not leave a case that nnU-Net would discover."""
    store = UnlabeledStore(tmp_path, "x")
    store.keep_only(set(), {})
    written = store.new_temporary()
    for suffix in ("_seg.b2nd", ".pkl"):
        (written / f"case{suffix}").touch()
    with pytest.raises(FileNotFoundError):  # the image is what is missing
        store.adopt("case", written, [])
    assert nnUNetDatasetBlosc2.get_identifiers(str(store.folder)) == []
    assert store.complete_cases() == []
