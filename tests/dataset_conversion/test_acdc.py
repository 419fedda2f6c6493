"""The converter of ACDC: two layouts, labels by patient, lists of the parts."""

from __future__ import annotations

import json
import subprocess
import sys

import h5py
import numpy as np
import pytest
import SimpleITK as sitk
from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
from released_files import names

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


def write_list(source, name, *patients, ending="_frame01"):
    (source / name).write_text("".join(f"patient{number:03d}{ending}\n" for number in patients))


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


@pytest.fixture
def challenge(source, release):
    """Four training patients and one test patient in the challenge's folders."""
    for part, patients in (("training", range(1, 5)), ("testing", [101])):
        for patient in patients:
            folder = source / part / f"patient{patient:03d}"
            release.volume(folder / f"{folder.name}_4d.nii.gz")
            (folder / "Info.cfg").write_text("ED: 1\nES: 12\nGroup: DCM\n")
            for frame in ("frame01", "frame12"):
                release.volume(folder / f"{folder.name}_{frame}.nii.gz", (90, 80, 70, 60))
                release.volume(folder / f"{folder.name}_{frame}_gt.nii.gz", (0, 1, 2, 3))
    return source


@pytest.fixture
def convert(converter, raw_parent):
    module = converter("Dataset505_ACDC")

    def run(source, count=1, **more):
        options = module.AcdcOptions(source=source, num_labeled=count, dataset_id=505, **more)
        return module.convert(options, raw_parent)

    return run


def patients(folder):
    return sorted({name.split("_")[1] for name in names(folder)}) if folder.is_dir() else []


def read(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def test_volumes_are_labeled_by_patient(volumes, convert):
    folder = convert(volumes, 2)
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


def test_h5_volumes_keep_their_values_and_get_a_spacing_of_one(volumes, convert):
    folder = convert(volumes)
    image = sitk.ReadImage(str(folder / "imagesTr" / "ACDC_patient001_frame01_0000.nii.gz"))
    with h5py.File(volumes / "data" / "patient001_frame01.h5") as file:
        np.testing.assert_array_equal(sitk.GetArrayFromImage(image), file["image"][()])
    assert image.GetSpacing() == (1, 1, 1)
    np.testing.assert_array_equal(
        read(folder / "labelsTr" / "ACDC_patient001_frame01.nii.gz"), labeled_slices()
    )


def test_random_selection_is_of_patients_too(volumes, convert):
    chosen = [
        patients(convert(volumes, 2, selection="random", seed=seed, overwrite=True) / "labelsTr")
        for seed in range(6)
    ]
    assert all(len(pair) == 2 for pair in chosen)
    assert len({tuple(pair) for pair in chosen}) > 1


def test_slices_come_from_slice_files_and_else_from_volumes(slices, convert):
    folder = convert(slices, form="slices")
    assert len(names(folder / "imagesTr")) == 6
    assert names(folder / "labelsTs")[:3] == [
        f"ACDC_patient010_frame01_slice_{index:02d}.nii.gz" for index in range(3)
    ]
    image = read(folder / "imagesTr" / "ACDC_patient001_frame01_slice_02_0000.nii.gz")
    assert image.shape == SHAPE[1:]
    assert set(np.unique(image)) == {4}
    assert set(np.unique(read(folder / "labelsTs" / "ACDC_patient010_frame12_slice_01.nii.gz"))) == {2}
    verify_dataset_integrity(str(folder), 1)


def test_slices_lie_in_the_order_of_their_numbers(source, convert):
    for index in (0, 2, 10):
        h5(source / "ACDC_training_slices" / f"patient001_frame01_slice_{index}.h5", *(np.ones((5, 6)),) * 2)
    with pytest.warns(UserWarning, match=r"has no test\.list"):
        folder = convert(source, form="slices")
    assert [name.split("_")[4][:2] for name in names(folder / "labelsTr")] == ["00", "02", "10"]


@pytest.mark.parametrize(
    ("use", "unlabeled", "tested"), [("skip", 0, 0), ("unlabeled", 1, 0), ("test", 0, 1)]
)
def test_validation_patients_are_never_labeled(volumes, convert, use, unlabeled, tested):
    folder = convert(volumes, 8 if use != "unlabeled" else 7, validation=use)
    assert "patient009" not in patients(folder / "labelsTr")
    assert patients(folder / "imagesUn").count("patient009") == unlabeled
    assert patients(folder / "labelsTs").count("patient009") == tested
    domains = json.loads((folder / "dataset.json").read_text())["domains"]
    assert ("val_patient009_frame01" in domains) == (use != "skip")


def test_without_lists_the_last_fifth_of_the_patients_is_test_data(volumes, convert):
    for path in volumes.glob("*.list"):
        path.unlink()
    with pytest.warns(UserWarning, match="the last 20 % of the patients become test data"):
        folder = convert(volumes)
    assert patients(folder / "labelsTs") == ["patient009", "patient010"]


def test_patients_in_no_list_are_left_out(volumes, convert):
    write_list(volumes, "train_slices.list", 1, 2, 3, ending="_frame12_slice_0.h5")
    assert patients(convert(volumes) / "imagesUn") == ["patient002", "patient003"]


def test_without_a_list_for_training_the_others_are_training_patients(volumes, convert):
    (volumes / "train_slices.list").unlink()
    assert patients(convert(volumes) / "imagesUn") == [f"patient{number:03d}" for number in range(2, 9)]


def test_lists_without_one_for_test_are_refused(volumes, convert):
    (volumes / "test.list").unlink()
    with pytest.raises(FileNotFoundError, match=r"train_slices\.list but no test\.list; add it, or move"):
        convert(volumes)


def test_a_patient_in_two_parts_is_refused(volumes, convert):
    write_list(volumes, "test.list", 10, 3)
    with pytest.raises(ValueError, match=r"test\.list names patient003, who is also in a list for train"):
        convert(volumes)


def test_a_listed_frame_without_file_is_named(volumes, convert):
    write_list(volumes, "test.list", 10, 77)
    with pytest.raises(FileNotFoundError, match=r"test\.list names patient077_frame01, but there is no file"):
        convert(volumes)


def test_a_line_that_names_no_case_is_refused(volumes, convert):
    (volumes / "val.list").write_text("patient009_frame01\n\nImage 9\n")
    with pytest.raises(ValueError, match=r"val\.list: line 3 is 'Image 9'; a line names a case such as"):
        convert(volumes)


def test_volumes_that_do_not_exist_are_named(slices, convert):
    (slices / "data" / "patient002_frame12.h5").unlink()
    with pytest.raises(FileNotFoundError, match=r"add patient002_frame12\.h5 or use --form slices"):
        convert(slices)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": np.full(SHAPE, 4, dtype=np.uint8)}, "mask value 4 is unknown; valid are 0, 1, 2, 3"),
        ({"label": np.zeros((3, 10, 13), dtype=np.uint8)}, r"label of shape \(3, 10, 13\), but its image"),
        ({"image": np.full(SHAPE, np.nan, dtype=np.float32)}, "values that are NaN or infinite"),
        ({"image": np.zeros((10, 12)), "label": np.zeros((10, 12))}, "2 dimensions instead of 3"),
    ],
)
def test_bad_h5_files_are_named_and_nothing_is_left(volumes, convert, raw_parent, change, message):
    h5(volumes / "data" / "patient010_frame01.h5", **change)
    with pytest.raises(ValueError, match=rf"patient010_frame01\.h5: .*{message}"):
        convert(volumes)
    assert names(raw_parent) == []


def test_unreadable_h5_file_is_named(volumes, convert):
    (volumes / "data" / "patient003_frame01.h5").write_bytes(b"no file")
    with pytest.raises(ValueError, match=r"patient003_frame01\.h5: cannot be read as an HDF5 file"):
        convert(volumes)


def test_h5_file_of_another_data_set_is_refused(volumes, convert):
    with h5py.File(volumes / "data" / "patient001_frame01.h5", "w") as file:
        file["image"] = np.zeros(SHAPE)
    with pytest.raises(ValueError, match=r"patient001_frame01\.h5: has no array 'label', only image"):
        convert(volumes)


def test_challenge_volumes_are_copied_with_their_spacing(challenge, convert):
    folder = convert(challenge, 2)
    assert patients(folder / "labelsTr") == ["patient001", "patient002"]
    assert len(names(folder / "imagesTr")) == len(names(folder / "imagesUn")) == 4
    assert patients(folder / "labelsTs") == ["patient101"]
    written = folder / "imagesTr" / "ACDC_patient001_frame12_0000.nii.gz"
    assert (
        written.read_bytes()
        == (challenge / "training" / "patient001" / "patient001_frame12.nii.gz").read_bytes()
    )
    assert set(np.unique(read(folder / "labelsTr" / "ACDC_patient001_frame12.nii.gz"))) == {0, 1, 2, 3}
    verify_dataset_integrity(str(folder), 1)


def test_challenge_slices_keep_the_spacing_in_their_plane(challenge, convert):
    folder = convert(challenge, form="slices")
    assert len(names(folder / "imagesTr")) == 8
    image = sitk.ReadImage(str(folder / "imagesTr" / "ACDC_patient001_frame01_slice_02_0000.nii.gz"))
    np.testing.assert_allclose(image.GetSpacing(), (0.5, 0.6))
    assert set(np.unique(sitk.GetArrayFromImage(image))) == {70}
    assert set(np.unique(read(folder / "labelsTr" / "ACDC_patient001_frame01_slice_02.nii.gz"))) == {2}
    verify_dataset_integrity(str(folder), 1)


def test_patients_without_a_split_are_split(challenge, convert):
    folder = convert(challenge / "training")
    assert patients(folder / "labelsTs") == ["patient004"]
    assert patients(folder / "imagesUn") == ["patient002", "patient003"]


def test_a_patient_with_one_frame_without_mask_is_unlabeled(challenge, convert):
    (challenge / "training" / "patient001" / "patient001_frame12_gt.nii.gz").unlink()
    folder = convert(challenge, 3)
    assert patients(folder / "labelsTr") == ["patient002", "patient003", "patient004"]
    assert len(names(folder / "imagesUn")) == 2


def test_more_patients_than_there_are_is_refused(challenge, convert):
    (challenge / "training" / "patient001" / "patient001_frame12_gt.nii.gz").unlink()
    with pytest.raises(
        ValueError, match=r"only 3 training patients with a mask .*patient001_frame12\.nii\.gz"
    ):
        convert(challenge, 4)


def test_a_test_patient_without_mask_is_refused(challenge, convert):
    (challenge / "testing" / "patient101" / "patient101_frame01_gt.nii.gz").unlink()
    with pytest.raises(ValueError, match=r"patient101_frame01\.nii\.gz: a test image needs a mask"):
        convert(challenge)


def test_training_without_testing_is_refused(challenge, convert):
    (challenge / "testing").rename(challenge / "elsewhere")
    with pytest.raises(FileNotFoundError, match=r"testing: no patients; add them, or give .*training as"):
        convert(challenge)


def test_a_patient_without_frames_is_named(challenge, convert):
    (challenge / "training" / "patient005").mkdir()
    with pytest.raises(FileNotFoundError, match="patient005: no frames; expected"):
        convert(challenge)


@pytest.mark.parametrize("form", ["volumes", "slices"])
def test_unreadable_volume_is_named(challenge, convert, form):
    (challenge / "training" / "patient003" / "patient003_frame01.nii.gz").write_bytes(b"no volume")
    with pytest.raises(ValueError, match=r"patient003_frame01\.nii\.gz: cannot be read as a volume"):
        convert(challenge, form=form)


@pytest.mark.parametrize("form", ["volumes", "slices"])
def test_mask_of_another_grid_is_refused(challenge, convert, release, form):
    release.volume(challenge / "testing" / "patient101" / "patient101_frame01_gt.nii.gz", shape=(4, 6, 9))
    with pytest.raises(ValueError, match=r"patient101_frame01_gt\.nii\.gz: mask of size \(9, 6, 4\)"):
        convert(challenge, form=form)


@pytest.mark.parametrize("form", ["volumes", "slices"])
def test_size_is_refused(challenge, convert, form):
    with pytest.raises(ValueError, match="volumes are not resized"):
        convert(challenge, form=form, size=256)


def test_validation_patients_that_do_not_exist_cannot_be_used(challenge, convert):
    with pytest.raises(ValueError, match="has no validation cases; leave --val test out"):
        convert(challenge, validation="test")


@pytest.mark.parametrize("folder", ["", "nowhere"])
def test_folder_without_the_layout_is_refused(source, convert, folder):
    with pytest.raises(FileNotFoundError, match=r"is not laid out as ACDC: expected|is not a folder"):
        convert(source / folder)


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
