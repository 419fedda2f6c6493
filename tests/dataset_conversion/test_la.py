"""The converter of the left atrium."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import SimpleITK as sitk
from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
from released_files import names, read_values

SPACING = (0.625, 0.625, 0.625)


@pytest.fixture
def challenge(source, release):
    """Five cases as the challenge has them."""
    for case in "ABCDE":
        release.volume(source / case / "lgemri.nrrd", (30, 60), SPACING)
        release.volume(source / case / "laendo.nrrd", (0, 255), SPACING)
    return source


@pytest.fixture
def h5_copies(source):
    """Five cases in the form of the papers."""
    for case in "ABCDE":
        (source / case).mkdir()
        with h5py.File(source / case / "mri_norm2.h5", "w") as file:
            file["image"] = np.random.default_rng(0).normal(size=(6, 7, 5)).astype(np.float32)
            file["label"] = np.resize(np.array([0, 1, 1], dtype=np.uint8), (6, 7, 5))
    return source


@pytest.fixture
def convert(converter, raw_parent):
    module = converter("Dataset512_LA")

    def run(source, count=1, **more):
        options = module.AtriumOptions(source=source, num_labeled=count, dataset_id=512, **more)
        return module.convert(options, raw_parent)

    return run


def test_challenge(challenge, convert):
    folder = convert(challenge, 2)
    assert names(folder / "labelsTr") == ["LA_A.nii.gz", "LA_B.nii.gz"]
    assert names(folder / "imagesUn") == ["LA_C_0000.nii.gz", "LA_D_0000.nii.gz"]
    assert names(folder / "labelsTs") == ["LA_E.nii.gz"]
    assert set(np.unique(read_values(folder / "labelsTr" / "LA_A.nii.gz"))) == {0, 1}
    image = sitk.ReadImage(str(folder / "imagesTr" / "LA_A_0000.nii.gz"))
    np.testing.assert_allclose(image.GetSpacing(), SPACING)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), read_values(challenge / "A" / "lgemri.nrrd"))
    verify_dataset_integrity(str(folder), 1)


def test_h5(h5_copies, convert):
    folder = convert(h5_copies)
    with h5py.File(h5_copies / "A" / "mri_norm2.h5") as file:
        np.testing.assert_array_equal(
            read_values(folder / "imagesTr" / "LA_A_0000.nii.gz"), file["image"][()]
        )
        np.testing.assert_array_equal(read_values(folder / "labelsTr" / "LA_A.nii.gz"), file["label"][()])
    verify_dataset_integrity(str(folder), 1)


def test_lists(h5_copies, convert, tmp_path):
    (tmp_path / "labeled.txt").write_text("D\nE/mri_norm2.h5\n")
    (tmp_path / "test.txt").write_text("B\n")
    folder = convert(h5_copies, None, labeled_list=tmp_path / "labeled.txt", test_list=tmp_path / "test.txt")
    assert names(folder / "labelsTr") == ["LA_D.nii.gz", "LA_E.nii.gz"]
    assert names(folder / "labelsTs") == ["LA_B.nii.gz"]


def test_list_with_an_unknown_case(challenge, convert, tmp_path):
    (tmp_path / "test.txt").write_text("B\nF\n")
    with pytest.raises(ValueError, match=r"test\.txt: line 2 is 'F', which is none of the 5 cases"):
        convert(challenge, test_list=tmp_path / "test.txt")


def test_case_without_label(challenge, convert):
    (challenge / "A" / "laendo.nrrd").unlink()
    assert names(convert(challenge) / "labelsTr") == ["LA_B.nii.gz"]
    (challenge / "E" / "laendo.nrrd").unlink()
    with pytest.raises(ValueError, match=r"E/lgemri\.nrrd: a test image needs a mask"):
        convert(challenge, overwrite=True)


def test_label_of_another_grid(challenge, convert, release):
    release.volume(challenge / "A" / "laendo.nrrd", (0, 255), SPACING, shape=(4, 6, 9))
    with pytest.raises(ValueError, match=r"A/laendo\.nrrd: mask of size"):
        convert(challenge)


def test_unreadable_files(challenge, convert):
    (challenge / "A" / "lgemri.nrrd").write_bytes(b"no volume")
    with pytest.raises(ValueError, match=r"A/lgemri\.nrrd cannot be read"):
        convert(challenge)


def test_the_command_leads_on_to_3d(challenge, raw_parent, run_script):
    output = run_script("Dataset512_LA", "-i", challenge, "--num-labeled", 1)
    assert output.endswith("Next: nnUNetv2_plan_and_preprocess -d 512 -c 3d_fullres\n")


def test_other_folders_are_refused(source, convert):
    with pytest.raises(
        FileNotFoundError, match=r"expected CASE/lgemri\.nrrd and CASE/laendo\.nrrd or CASE/mri"
    ):
        convert(source)
