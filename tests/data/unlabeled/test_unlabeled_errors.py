"""What a user can get wrong with unlabeled images: one sentence that names it."""

from __future__ import annotations

import json
import shutil

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from skimage import io
from threads import use_threads
from unlabeled_fixtures import RGB, VOLUME, make_dataset

from nnunetv2_semiseg.data.unlabeled.finding import naming


@pytest.fixture
def dataset(request, tmp_path, tmp_path_factory, monkeypatch):
    use_threads(monkeypatch)
    return make_dataset(getattr(request, "param", RGB), tmp_path, tmp_path_factory, monkeypatch)


@pytest.mark.parametrize("empty", [True, False])
def test_no_images(dataset, empty):
    shutil.rmtree(dataset.raw / "imagesUn")
    if empty:
        (dataset.raw / "imagesUn").mkdir()
    with pytest.raises(FileNotFoundError, match=r"put them into .*imagesUn.*nnUNetv2_semiseg_hide_labels"):
        dataset.preprocess()


def test_case_both_labeled_and_unlabeled(dataset):
    dataset.write("b")
    with pytest.raises(ValueError, match=r"case b: labeled and unlabeled in .*remove the case"):
        dataset.preprocess()


def test_case_labeled_outside_of_imagestr(dataset):
    dataset_json = dataset.dataset_json
    dataset_json["dataset"] = {"u1": {"images": ["elsewhere.png"], "label": "label.png"}}
    (dataset.preprocessed / "dataset.json").write_text(json.dumps(dataset_json))
    with pytest.raises(ValueError, match="case u1: labeled and unlabeled"):
        dataset.preprocess()


@pytest.mark.parametrize("dataset", [VOLUME], indirect=True)
def test_missing_channel_file(dataset):
    (dataset.raw / "imagesUn" / "u2_0001.nii.gz").unlink()
    with pytest.raises(ValueError, match=r"case u2 lacks a channel: add .*u2_0001\.nii\.gz"):
        dataset.preprocess()


def test_channel_file_too_many(dataset):
    image = dataset.raw / "imagesUn" / "u1_0000.png"
    shutil.copy(image, image.with_name("u1_0001.png"))
    with pytest.raises(ValueError, match=r"u1_0001\.png: the labeled cases have no channel 0001"):
        dataset.preprocess()


def test_channels_where_nothing_is_labeled_here(dataset):
    shutil.rmtree(dataset.raw / "imagesTr")
    assert dataset.preprocess().cases == ("u1", "u2", "u3")


def test_file_without_channel_number(dataset):
    image = dataset.raw / "imagesUn" / "u1_0000.png"
    image.rename(image.with_name("u1.png"))
    with pytest.raises(ValueError, match=r"u1\.png has no channel number: rename it"):
        dataset.preprocess()


def test_name_that_nnunet_takes_for_a_segmentation(dataset):
    dataset.write("u1_seg")
    with pytest.raises(ValueError, match="must not end in '_seg'"):
        dataset.preprocess()


def test_files_of_another_kind_are_left_out_aloud(dataset):
    (dataset.raw / "imagesUn" / "u9_0000.jpg").touch()
    (dataset.raw / "imagesUn" / ".DS_Store").touch()
    dataset.preprocess()
    assert "left out 1 file(s)" in dataset.log[0]
    assert "u9_0000.jpg" in dataset.log[0]


def test_wrong_number_of_channels_in_a_file(dataset):
    io.imsave(dataset.raw / "imagesUn" / "u2_0000.png", np.ones((40, 44), np.uint8), check_contrast=False)
    with pytest.raises(ValueError, match=r"case u2 \(it has 1 channels, but the dataset has 3\)"):
        dataset.preprocess()


def test_broken_image_is_named_and_the_others_are_done(dataset):
    broken = dataset.raw / "imagesUn" / "u2_0000.png"
    broken.write_bytes(broken.read_bytes()[:60])
    for _ in range(2):
        with pytest.raises(ValueError, match=r"case u2 \(.+\) cannot be used: replace or remove"):
            dataset.preprocess()
        assert set(dataset.manifest()["cases"]) == {"u1", "u3"}
    dataset.write("u2")
    assert dataset.preprocess().cases == ("u1", "u2", "u3")


def test_image_that_breaks_later_is_not_kept_in_its_old_state(dataset):
    dataset.preprocess()
    (dataset.raw / "imagesUn" / "u2_0000.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="case u2"):
        dataset.preprocess()
    assert not (dataset.folder / "u2.b2nd").exists()


def test_many_broken_images(dataset):
    for number in range(7):
        (dataset.raw / "imagesUn" / f"v{number}_0000.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"cases v0 \(.*v4 \(.* and 2 more cannot be used"):
        dataset.preprocess()


@pytest.mark.parametrize("dataset", [VOLUME], indirect=True)
def test_flat_image_among_volumes(dataset):
    for channel in range(2):
        image = sitk.GetImageFromArray(np.ones((28, 30), np.float32))
        sitk.WriteImage(image, str(dataset.raw / "imagesUn" / f"u2_{channel:04d}.nii.gz"))
    with pytest.raises(ValueError, match=r"case u2 \(it is 2D, but the labeled images are 3D\)"):
        dataset.preprocess()


@pytest.mark.parametrize("dataset", [VOLUME], indirect=True)
@pytest.mark.parametrize("fingerprint", [True, False])
def test_flat_image_among_volumes_whose_axes_the_plans_exchange(dataset, fingerprint):
    """Depth is the first axis of an image, wherever the plans put it."""

    def turned(plans):
        plans["transpose_forward"], plans["transpose_backward"] = [2, 0, 1], [1, 2, 0]
        shape = plans["original_median_shape_after_transp"]
        plans["original_median_shape_after_transp"] = [shape[axis] for axis in (2, 0, 1)]

    dataset.change_plans(turned)
    if not fingerprint:
        (dataset.preprocessed / "dataset_fingerprint.json").unlink()
    for channel in range(2):
        image = sitk.GetImageFromArray(np.ones((28, 30), np.float32))
        sitk.WriteImage(image, str(dataset.raw / "imagesUn" / f"u2_{channel:04d}.nii.gz"))
    with pytest.raises(ValueError, match=r"case u2 \(it is 2D, but the labeled images are 3D\)"):
        dataset.preprocess()


@pytest.mark.parametrize("dataset", [VOLUME], indirect=True)
def test_single_slice_where_labeled_images_have_one_as_well(dataset):
    """What add_unlabeled accepts, as some labeled images are volumes and some are not."""
    file = dataset.preprocessed / "dataset_fingerprint.json"
    content = json.loads(file.read_text())
    content["shapes_after_crop"][0][0] = 1
    file.write_text(json.dumps(content))
    for channel in range(2):
        image = sitk.GetImageFromArray(np.ones((1, 28, 30), np.float32))
        image.SetSpacing((1.0, 1.1, 3.0))
        sitk.WriteImage(image, str(dataset.raw / "imagesUn" / f"u2_{channel:04d}.nii.gz"))
    assert dataset.preprocess().cases == ("u1", "u2", "u3")


def test_volume_among_flat_images(dataset):
    dataset.change_plans(lambda plans: plans.update(image_reader_writer="Tiff3DIO"))
    tifffile.imwrite(dataset.raw / "imagesUn" / "u1_0000.tif", np.ones((5, 40, 44), np.uint8))
    dataset_json = {**dataset.dataset_json, "channel_names": {"0": "grey"}, "file_ending": ".tif"}
    (dataset.preprocessed / "dataset.json").write_text(json.dumps(dataset_json))
    with pytest.raises(ValueError, match=r"u1 \(it is 3D, but the labeled images are 2D\)"):
        dataset.preprocess()


def test_black_image_is_no_error(dataset):
    io.imsave(dataset.raw / "imagesUn" / "u2_0000.png", np.zeros((40, 44, 3), np.uint8), check_contrast=False)
    assert dataset.preprocess().cases == ("u1", "u2", "u3")


def test_naming():
    assert naming(["a"]) == "case a"
    assert naming("abcde") == "cases a, b, c, d, e"
    assert naming("abcdefg") == "cases a, b, c, d, e and 2 more"


@pytest.mark.parametrize("dataset", [VOLUME], indirect=True)
def test_value_that_would_spoil_all_weights(dataset):
    dataset.change_plans(lambda plans: plans.update(image_reader_writer="NibabelIO"))  # ITK reads NaN as 0
    file = dataset.raw / "imagesUn" / "u2_0000.nii.gz"
    image = nib.load(file)
    values = image.get_fdata(dtype=np.float32)
    values[1, 1, 1] = np.nan
    nib.save(nib.Nifti1Image(values, image.affine), file)
    with pytest.raises(ValueError, match=r"case u2 \(it has values that are NaN or infinite\)"):
        dataset.preprocess()
