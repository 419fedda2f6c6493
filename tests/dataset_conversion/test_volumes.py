"""The converters on volumes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
from released_files import names

SPACING = (0.5, 0.6, 3.0)


def values(path):
    return set(np.unique(sitk.GetArrayFromImage(sitk.ReadImage(str(path)))))


@pytest.fixture
def prostate(source, release):
    """Two sites of six volumes without a split."""
    for site in ("HK", "UCL"):
        for number in range(6):
            suffix = "_segmentation" if number % 2 else "_Segmentation"
            release.volume(source / site / f"Case{number:02d}.nii.gz", (100, 7))
            release.volume(source / site / f"Case{number:02d}{suffix}.nii.gz", (0, 1, 2))
    return source


def test_prostate(prostate, convert_domains):
    folder = convert_domains("Dataset502_Prostate", prostate, "HK", 2)
    assert names(folder / "labelsTr") == ["HK_Case00.nii.gz", "HK_Case01.nii.gz"]
    assert names(folder / "imagesTs") == ["HK_Case05_0000.nii.gz", "UCL_Case05_0000.nii.gz"]
    assert len(names(folder / "imagesUn")) == 8
    assert values(folder / "labelsTr" / "HK_Case01.nii.gz") == {0, 1}
    image = sitk.ReadImage(str(folder / "imagesTr" / "HK_Case00_0000.nii.gz"))
    np.testing.assert_allclose(image.GetSpacing(), SPACING)
    assert json.loads((folder / "dataset.json").read_text())["file_ending"] == ".nii.gz"
    verify_dataset_integrity(str(folder), 1)


def test_mnms_with_given_splits(source, release, convert_domains):
    for vendor in ("vendorA", "vendorB"):
        for split in ("train", "test"):
            release.volume(source / vendor / split / "X1_sa.nii.gz", (50,))
            release.volume(source / vendor / split / "X1_sa_gt.nii.gz", (0, 1, 2, 3))
    folder = convert_domains("Dataset503_MNMs", source, "vendorB")
    assert names(folder / "imagesTr") == ["vendorB_train_X1_sa_0000.nii.gz"]
    assert names(folder / "imagesUn") == ["vendorA_train_X1_sa_0000.nii.gz"]
    assert names(folder / "labelsTs") == ["vendorA_test_X1_sa.nii.gz", "vendorB_test_X1_sa.nii.gz"]
    assert values(folder / "labelsTr" / "vendorB_train_X1_sa.nii.gz") == {0, 1, 2, 3}


def test_volume_without_mask_is_unlabeled(prostate, convert_domains):
    (prostate / "HK" / "Case00_Segmentation.nii.gz").unlink()
    folder = convert_domains("Dataset502_Prostate", prostate, "HK")
    assert names(folder / "labelsTr") == ["HK_Case01.nii.gz"]
    assert "HK_Case00_0000.nii.gz" in names(folder / "imagesUn")


def test_size_is_refused(prostate, convert_domains):
    with pytest.raises(ValueError, match="volumes are not resized"):
        convert_domains("Dataset502_Prostate", prostate, "HK", size=384)


def test_mask_under_another_name_is_not_taken_for_an_image(prostate, convert_domains):
    path = prostate / "HK" / "Case01_segmentation.nii.gz"
    path.rename(path.with_name("Case01_seg.nii.gz"))
    with pytest.raises(ValueError, match=r"Case01_seg\.nii\.gz: looks like a mask"):
        convert_domains("Dataset502_Prostate", prostate, "HK")


def test_unknown_value_is_refused(prostate, convert_domains, release):
    release.volume(prostate / "UCL" / "Case05_segmentation.nii.gz", (0, 3))
    with pytest.raises(
        ValueError, match=r"Case05_segmentation\.nii\.gz: mask value 3 is unknown; valid are 0, 1, 2"
    ):
        convert_domains("Dataset502_Prostate", prostate, "HK")


@pytest.mark.parametrize("wrong", [{"shape": (4, 6, 9)}, {"spacing": (0.5, 0.6, 3.3)}])
def test_mask_of_another_grid_is_refused(prostate, convert_domains, release, wrong):
    release.volume(prostate / "UCL" / "Case05_segmentation.nii.gz", (0, 1), **wrong)
    with pytest.raises(ValueError, match=r"Case05_segmentation\.nii\.gz: mask of size"):
        convert_domains("Dataset502_Prostate", prostate, "HK")


def test_unreadable_volume_is_named(prostate, convert_domains):
    (prostate / "UCL" / "Case02.nii.gz").write_bytes(b"no volume")
    with pytest.raises(ValueError, match=r"UCL/Case02\.nii\.gz cannot be read"):
        convert_domains("Dataset502_Prostate", prostate, "HK")


def test_time_series_are_refused(prostate, convert_domains):
    series = sitk.GetImageFromArray(np.zeros((3, 4, 6, 8), dtype=np.int16), isVector=False)
    sitk.WriteImage(series, str(prostate / "UCL" / "Case02.nii.gz"))
    with pytest.raises(NotImplementedError, match=r"Case02\.nii\.gz: 4 dimensions"):
        convert_domains("Dataset502_Prostate", prostate, "HK")


def test_split_without_volumes_is_named(prostate, convert_domains):
    (prostate / "HK" / "train").mkdir()
    with pytest.raises(FileNotFoundError, match="HK/train: no volumes"):
        convert_domains("Dataset502_Prostate", prostate, "HK")
