"""The converter of ACDC on the HDF5 files of SSL4MIS: labels by patient, lists of the parts."""

from __future__ import annotations

import json
import subprocess
import sys

import h5py
import numpy as np
import pytest
import SimpleITK as sitk
from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
from released_files import names, patients, read_values

SHAPE = (3, 10, 12)


def h5(path, image=None, label=None):
    """A file whose slice z has the label z + 1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["image"] = np.random.default_rng(0).random(SHAPE, dtype=np.float32) if image is None else image
        file["label"] = labeled_slices() if label is None else label
        file["scribble"] = np.full(SHAPE, 4, dtype=np.uint16)
    return path


def labeled_slices():
    return np.broadcast_to(np.arange(1, 4, dtype=np.uint8)[:, None, None], SHAPE)


def write_list(source, name, *numbers, ending="_frame01"):
    (source / name).write_text("".join(f"patient{number:03d}{ending}\n" for number in numbers))


@pytest.fixture
def volumes(source):
    """Ten patients with two volumes each in the layout of SSL4MIS; 9 is for validation, 10 for test."""
    for patient in range(1, 11):
        for frame in (1, 12):
            h5(source / "data" / f"patient{patient:03d}_frame{frame:02d}.h5")
    write_list(source, "train_slices.list", *range(1, 9), ending="_frame01_slice_1")
    write_list(source, "val.list", 9)
    write_list(source, "test.list", 10)
    return source


@pytest.fixture
def slices(volumes):
    """The same with slices, which have another intensity, of all but the test patient."""
    for path in sorted((volumes / "data").glob("*.h5")):
        if not path.name.startswith("patient010"):
            for index in range(3):
                image = np.full(SHAPE[1:], 2 + index, dtype=np.float32)
                h5(path.parent / "slices" / f"{path.stem}_slice_{index}.h5", image, labeled_slices()[index])
    return volumes


def test_volumes_are_labeled_by_patient(volumes, convert_acdc):
    folder = convert_acdc(volumes, 2)
    assert names(folder / "labelsTr") == [
        "ACDC_patient001_frame01.nii.gz",
        "ACDC_patient001_frame12.nii.gz",
        "ACDC_patient002_frame01.nii.gz",
        "ACDC_patient002_frame12.nii.gz",
    ]
    assert patients(folder / "imagesUn") == [f"patient{number:03d}" for number in range(3, 9)]
    assert names(folder / "labelsTs") == ["ACDC_patient010_frame01.nii.gz", "ACDC_patient010_frame12.nii.gz"]
    content = json.loads((folder / "dataset.json").read_text())
    assert content["labels"] == {
        "background": 0,
        "right ventricle": 1,
        "myocardium": 2,
        "left ventricle": 3,
    }
    assert content["description"].startswith("2 labeled patients")
    verify_dataset_integrity(str(folder), 1)


def test_h5_volumes_keep_their_values_and_get_a_spacing_of_one(volumes, convert_acdc):
    folder = convert_acdc(volumes)
    image = sitk.ReadImage(str(folder / "imagesTr" / "ACDC_patient001_frame01_0000.nii.gz"))
    with h5py.File(volumes / "data" / "patient001_frame01.h5") as file:
        np.testing.assert_array_equal(sitk.GetArrayFromImage(image), file["image"][()])
    assert image.GetSpacing() == (1, 1, 1)
    np.testing.assert_array_equal(
        read_values(folder / "labelsTr" / "ACDC_patient001_frame01.nii.gz"), labeled_slices()
    )


def test_random_selection_is_of_patients_too(volumes, convert_acdc):
    chosen = [
        patients(convert_acdc(volumes, 2, selection="random", seed=seed, overwrite=True) / "labelsTr")
        for seed in range(6)
    ]
    assert all(len(pair) == 2 for pair in chosen)
    assert len({tuple(pair) for pair in chosen}) > 1


def test_slices_come_from_slice_files_and_else_from_volumes(slices, convert_acdc):
    folder = convert_acdc(slices, form="slices")
    assert len(names(folder / "imagesTr")) == 6
    assert names(folder / "labelsTs")[:3] == [
        f"ACDC_patient010_frame01_slice_{index:02d}.nii.gz" for index in range(3)
    ]
    image = read_values(folder / "imagesTr" / "ACDC_patient001_frame01_slice_02_0000.nii.gz")
    assert image.shape == SHAPE[1:]
    assert set(np.unique(image)) == {4}
    assert set(np.unique(read_values(folder / "labelsTs" / "ACDC_patient010_frame12_slice_01.nii.gz"))) == {2}
    verify_dataset_integrity(str(folder), 1)


def test_slices_lie_in_the_order_of_their_numbers(source, convert_acdc):
    for index in (0, 2, 10):
        h5(source / "ACDC_training_slices" / f"patient001_frame01_slice_{index}.h5", *(np.ones((5, 6)),) * 2)
    with pytest.warns(UserWarning, match=r"has no test\.list"):
        folder = convert_acdc(source, form="slices")
    assert [name.split("_")[4][:2] for name in names(folder / "labelsTr")] == ["00", "02", "10"]


@pytest.mark.parametrize(
    ("use", "unlabeled", "tested"), [("skip", 0, 0), ("unlabeled", 1, 0), ("test", 0, 1)]
)
def test_validation_patients_are_never_labeled(volumes, convert_acdc, use, unlabeled, tested):
    folder = convert_acdc(volumes, 8 if use != "unlabeled" else 7, validation=use)
    assert "patient009" not in patients(folder / "labelsTr")
    assert patients(folder / "imagesUn").count("patient009") == unlabeled
    assert patients(folder / "labelsTs").count("patient009") == tested
    domains = json.loads((folder / "dataset.json").read_text())["domains"]
    assert ("val_patient009_frame01" in domains) == (use != "skip")


def test_without_lists_the_last_fifth_of_the_patients_is_test_data(volumes, convert_acdc):
    for path in volumes.glob("*.list"):
        path.unlink()
    with pytest.warns(UserWarning, match="the last 20 % of the patients become test data"):
        folder = convert_acdc(volumes)
    assert patients(folder / "labelsTs") == ["patient009", "patient010"]


def test_patients_in_no_list_are_left_out(volumes, convert_acdc):
    write_list(volumes, "train_slices.list", 1, 2, 3, ending="_frame12_slice_0.h5")
    assert patients(convert_acdc(volumes) / "imagesUn") == ["patient002", "patient003"]


def test_without_a_list_for_training_the_others_are_training_patients(volumes, convert_acdc):
    (volumes / "train_slices.list").unlink()
    assert patients(convert_acdc(volumes) / "imagesUn") == [f"patient{number:03d}" for number in range(2, 9)]


def test_lists_without_one_for_test_are_refused(volumes, convert_acdc):
    (volumes / "test.list").unlink()
    with pytest.raises(FileNotFoundError, match=r"train_slices\.list but no test\.list; add it, or move"):
        convert_acdc(volumes)


def test_a_patient_in_two_parts_is_refused(volumes, convert_acdc):
    write_list(volumes, "test.list", 10, 3)
    with pytest.raises(ValueError, match=r"test\.list names patient003, who is also in a list for train"):
        convert_acdc(volumes)


def test_a_listed_frame_without_file_is_named(volumes, convert_acdc):
    write_list(volumes, "test.list", 10, 77)
    with pytest.raises(FileNotFoundError, match=r"test\.list names patient077_frame01, but there is no file"):
        convert_acdc(volumes)


def test_a_line_that_names_no_case_is_refused(volumes, convert_acdc):
    (volumes / "val.list").write_text("patient009_frame01\n\nImage 9\n")
    with pytest.raises(ValueError, match=r"val\.list: line 3 is 'Image 9'; a line names a case such as"):
        convert_acdc(volumes)


def test_volumes_that_do_not_exist_are_named(slices, convert_acdc):
    (slices / "data" / "patient002_frame12.h5").unlink()
    with pytest.raises(FileNotFoundError, match=r"add patient002_frame12\.h5 or use --form slices"):
        convert_acdc(slices)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": np.full(SHAPE, 4, dtype=np.uint8)}, "mask value 4 is unknown; valid are 0, 1, 2, 3"),
        ({"label": np.zeros((3, 10, 13), dtype=np.uint8)}, r"label of shape \(3, 10, 13\), but its image"),
        ({"image": np.full(SHAPE, np.nan, dtype=np.float32)}, "values that are NaN or infinite"),
        ({"image": np.zeros((10, 12)), "label": np.zeros((10, 12))}, "2 dimensions instead of 3"),
    ],
)
def test_bad_h5_files_are_named_and_nothing_is_left(volumes, convert_acdc, raw_parent, change, message):
    h5(volumes / "data" / "patient010_frame01.h5", **change)
    with pytest.raises(ValueError, match=rf"patient010_frame01\.h5: .*{message}"):
        convert_acdc(volumes)
    assert names(raw_parent) == []


def test_unreadable_h5_file_is_named(volumes, convert_acdc):
    (volumes / "data" / "patient003_frame01.h5").write_bytes(b"no file")
    with pytest.raises(ValueError, match=r"patient003_frame01\.h5 cannot be read"):
        convert_acdc(volumes)


def test_h5_file_of_another_data_set_is_refused(volumes, convert_acdc):
    with h5py.File(volumes / "data" / "patient001_frame01.h5", "w") as file:
        file["image"] = np.zeros(SHAPE)
    with pytest.raises(ValueError, match=r"patient001_frame01\.h5: has no array 'label', only image"):
        convert_acdc(volumes)


def test_script_runs(volumes, raw_parent):
    script = "dataset_conversion/Dataset505_ACDC.py"
    command = [sys.executable, script, "-i", str(volumes), "--val", "test", "--num-labeled"]
    done = subprocess.run([*command, "3"], capture_output=True, text=True, check=True)
    assert "nnUNetv2_plan_and_preprocess -d 505" in done.stdout
    assert len(names(raw_parent / "Dataset505_ACDC" / "labelsTs")) == 4
    failed = subprocess.run([*command, "9", "--overwrite"], capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert failed.stderr.startswith(
        "error: 9 labeled cases asked for, but there are only 8 training patients"
    )
