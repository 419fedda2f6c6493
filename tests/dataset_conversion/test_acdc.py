"""The converter of ACDC on the challenge's own folders."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
from released_files import names, patients, read_values


@pytest.fixture
def challenge(source, release):
    """Four training patients and one test patient in the challenge's folders."""
    for part, numbers in (("training", range(1, 5)), ("testing", [101])):
        for patient in numbers:
            folder = source / part / f"patient{patient:03d}"
            release.volume(folder / f"{folder.name}_4d.nii.gz")
            (folder / "Info.cfg").write_text("ED: 1\nES: 12\nGroup: DCM\n")
            for frame in ("frame01", "frame12"):
                release.volume(folder / f"{folder.name}_{frame}.nii.gz", (90, 80, 70, 60))
                release.volume(folder / f"{folder.name}_{frame}_gt.nii.gz", (0, 1, 2, 3))
    return source


def test_challenge_volumes_are_copied_with_their_spacing(challenge, convert_acdc):
    folder = convert_acdc(challenge, 2)
    assert patients(folder / "labelsTr") == ["patient001", "patient002"]
    assert len(names(folder / "imagesTr")) == len(names(folder / "imagesUn")) == 4
    assert patients(folder / "labelsTs") == ["patient101"]
    written = folder / "imagesTr" / "ACDC_patient001_frame12_0000.nii.gz"
    assert (
        written.read_bytes()
        == (challenge / "training" / "patient001" / "patient001_frame12.nii.gz").read_bytes()
    )
    assert set(np.unique(read_values(folder / "labelsTr" / "ACDC_patient001_frame12.nii.gz"))) == {0, 1, 2, 3}
    verify_dataset_integrity(str(folder), 1)


def test_challenge_slices_keep_the_spacing_in_their_plane(challenge, convert_acdc):
    folder = convert_acdc(challenge, form="slices")
    assert len(names(folder / "imagesTr")) == 8
    image = sitk.ReadImage(str(folder / "imagesTr" / "ACDC_patient001_frame01_slice_02_0000.nii.gz"))
    np.testing.assert_allclose(image.GetSpacing(), (0.5, 0.6))
    assert set(np.unique(sitk.GetArrayFromImage(image))) == {70}
    assert set(np.unique(read_values(folder / "labelsTr" / "ACDC_patient001_frame01_slice_02.nii.gz"))) == {2}
    verify_dataset_integrity(str(folder), 1)


def test_labeled_patients_may_be_listed(challenge, convert_acdc, tmp_path):
    (tmp_path / "labeled.txt").write_text("patient003\npatient002_frame01\n")
    folder = convert_acdc(challenge, None, labeled_list=tmp_path / "labeled.txt")
    assert patients(folder / "labelsTr") == ["patient002", "patient003"]
    (tmp_path / "labeled.txt").write_text("patient101\n")
    with pytest.raises(
        ValueError, match="'patient101', which is none of the 4 training patients with a mask"
    ):
        convert_acdc(challenge, None, labeled_list=tmp_path / "labeled.txt", overwrite=True)


def test_patients_without_a_split_are_split(challenge, convert_acdc):
    folder = convert_acdc(challenge / "training")
    assert patients(folder / "labelsTs") == ["patient004"]
    assert patients(folder / "imagesUn") == ["patient002", "patient003"]


def test_a_patient_with_one_frame_without_mask_is_unlabeled(challenge, convert_acdc):
    (challenge / "training" / "patient001" / "patient001_frame12_gt.nii.gz").unlink()
    folder = convert_acdc(challenge, 3)
    assert patients(folder / "labelsTr") == ["patient002", "patient003", "patient004"]
    assert len(names(folder / "imagesUn")) == 2


def test_more_patients_than_there_are_is_refused(challenge, convert_acdc):
    (challenge / "training" / "patient001" / "patient001_frame12_gt.nii.gz").unlink()
    with pytest.raises(
        ValueError, match=r"only 3 training patients with a mask .*patient001_frame12\.nii\.gz"
    ):
        convert_acdc(challenge, 4)


def test_a_test_patient_without_mask_is_refused(challenge, convert_acdc):
    (challenge / "testing" / "patient101" / "patient101_frame01_gt.nii.gz").unlink()
    with pytest.raises(ValueError, match=r"patient101_frame01\.nii\.gz: a test image needs a mask"):
        convert_acdc(challenge)


def test_training_without_testing_is_refused(challenge, convert_acdc):
    (challenge / "testing").rename(challenge / "elsewhere")
    with pytest.raises(FileNotFoundError, match=r"testing: no patients; add them, or give .*training as"):
        convert_acdc(challenge)


def test_a_patient_without_frames_is_named(challenge, convert_acdc):
    (challenge / "training" / "patient005").mkdir()
    with pytest.raises(FileNotFoundError, match="patient005: no frames; expected"):
        convert_acdc(challenge)


@pytest.mark.parametrize("form", ["volumes", "slices"])
def test_unreadable_volume_is_named(challenge, convert_acdc, form):
    (challenge / "training" / "patient003" / "patient003_frame01.nii.gz").write_bytes(b"no volume")
    with pytest.raises(ValueError, match=r"patient003_frame01\.nii\.gz cannot be read"):
        convert_acdc(challenge, form=form)


@pytest.mark.parametrize("form", ["volumes", "slices"])
def test_mask_of_another_grid_is_refused(challenge, convert_acdc, release, form):
    release.volume(challenge / "testing" / "patient101" / "patient101_frame01_gt.nii.gz", shape=(4, 6, 9))
    with pytest.raises(ValueError, match=r"patient101_frame01_gt\.nii\.gz: mask of size \(9, 6, 4\)"):
        convert_acdc(challenge, form=form)


@pytest.mark.parametrize("form", ["volumes", "slices"])
def test_size_is_refused(challenge, convert_acdc, form):
    with pytest.raises(ValueError, match="volumes are not resized"):
        convert_acdc(challenge, form=form, size=256)


def test_validation_patients_that_do_not_exist_cannot_be_used(challenge, convert_acdc):
    with pytest.raises(ValueError, match="has no validation cases; leave --val test out"):
        convert_acdc(challenge, validation="test")


@pytest.mark.parametrize("folder", ["", "nowhere"])
def test_folder_without_the_layout_is_refused(source, convert_acdc, folder):
    with pytest.raises(FileNotFoundError, match=r"is not laid out as ACDC: expected|is not a folder"):
        convert_acdc(source / folder)
