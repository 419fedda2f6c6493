"""The converter of NIH Pancreas-CT: DICOM folders and volumes, and labels whose voxels may be reversed."""

from __future__ import annotations

import json
import locale
import warnings

import numpy as np
import pytest
import SimpleITK as sitk
from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
from released_files import names, read_values

SPACING, SHAPE = (0.7, 0.7, 2.0), (6, 10, 12)
ORGAN = (slice(3, 5), slice(1, 4), slice(2, 8))
"""Where the pancreas is: on one side of the middle in y, so that a reversed label lies elsewhere."""


def pancreas_image():
    array = np.full(SHAPE, -900, dtype=np.int16)
    array[ORGAN] = 80
    return array


def pancreas_label():
    array = np.zeros(SHAPE, dtype=np.uint8)
    array[ORGAN] = 1
    return array


def write(path, array, origin=(1.0, 2.0, 3.0), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1)):
    path.parent.mkdir(parents=True, exist_ok=True)
    volume = sitk.GetImageFromArray(array)
    volume.SetSpacing(SPACING)
    volume.SetOrigin(origin)
    volume.SetDirection(direction)
    sitk.WriteImage(volume, str(path))
    return path


def write_dicom(folder, array, uid="1.2.3.4"):
    """A series whose files are not in the order of the slices."""
    folder.mkdir(parents=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for index, values in enumerate(array):
        image = sitk.GetImageFromArray(values[None])
        image.SetSpacing(SPACING)
        tags = {
            "0008|0060": "CT",
            "0020|000e": uid,
            "0020|000d": f"{uid}.1",
            "0008|0018": f"{uid}.{index + 10}",
            "0020|0032": f"1\\2\\{3 + SPACING[2] * index}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
            "0020|0013": str(index),
            "0028|0030": f"{SPACING[1]}\\{SPACING[0]}",
            "0018|0050": str(SPACING[2]),
        }
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"1-{len(array) - index:03d}.dcm"))
        writer.Execute(image)


@pytest.fixture
def scans(source):
    """Five volumes with labels beside them, and a sixth without."""
    for number in range(1, 7):
        write(source / f"PANCREAS_{number:04d}.nii.gz", pancreas_image())
        if number < 6:
            write(source / "labels" / f"label{number:04d}.nii.gz", pancreas_label())
    (source / "test.txt").write_text("image0002\n")
    return source


@pytest.fixture
def convert(converter, raw_parent):
    module = converter("Dataset511_NIHPancreas")

    def run(source, count=1, lists=True, **more):
        lists = {"test_list": source / "test.txt"} if lists else {}
        options = module.PancreasOptions(source=source, num_labeled=count, dataset_id=511, **lists, **more)
        return module.convert(options, raw_parent)

    return run


def test_volumes(scans, convert):
    folder = convert(scans, 2)
    assert names(folder / "labelsTr") == ["NIHPancreas_0001.nii.gz", "NIHPancreas_0003.nii.gz"]
    assert names(folder / "labelsTs") == ["NIHPancreas_0002.nii.gz"]
    assert "NIHPancreas_0006_0000.nii.gz" in names(folder / "imagesUn")
    image = folder / "imagesTr" / "NIHPancreas_0001_0000.nii.gz"
    assert image.read_bytes() == (scans / "PANCREAS_0001.nii.gz").read_bytes()
    assert json.loads((folder / "dataset.json").read_text())["channel_names"] == {"0": "CT"}
    verify_dataset_integrity(str(folder), 1)


def test_volumes_that_are_not_compressed(scans, convert):
    for stem in ("PANCREAS_0001", "labels/label0001"):
        path = scans / f"{stem}.nii.gz"
        sitk.WriteImage(sitk.ReadImage(str(path)), str(scans / f"{stem}.nii"))
        path.unlink()
    folder = convert(scans)
    assert names(folder / "labelsTr") == ["NIHPancreas_0001.nii.gz"]
    image = sitk.ReadImage(str(folder / "imagesTr" / "NIHPancreas_0001_0000.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), pancreas_image())
    np.testing.assert_allclose(image.GetSpacing(), SPACING)
    np.testing.assert_array_equal(
        read_values(folder / "labelsTr" / "NIHPancreas_0001.nii.gz"), pancreas_label()
    )


@pytest.fixture(autouse=True)
def same_locale():
    """Writing DICOM, as these tests do, sets it to "C", after which all text is read as ASCII."""
    before = locale.setlocale(locale.LC_ALL)
    yield
    locale.setlocale(locale.LC_ALL, before)


def test_dicom_folders(scans, convert):
    (scans / "PANCREAS_0001.nii.gz").unlink()
    write_dicom(scans / "PANCREAS_0001" / "11-24-2015" / "Pancreas-18957", pancreas_image())
    folder = convert(scans)
    image = sitk.ReadImage(str(folder / "imagesTr" / "NIHPancreas_0001_0000.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), pancreas_image())
    np.testing.assert_allclose(image.GetSpacing(), SPACING)
    np.testing.assert_array_equal(
        read_values(folder / "labelsTr" / "NIHPancreas_0001.nii.gz"), pancreas_label()
    )
    verify_dataset_integrity(str(folder), 1)


def test_a_label_that_lists_voxels_in_another_order_is_placed_by_its_header(scans, convert):
    last_row = 2.0 + SPACING[1] * (SHAPE[1] - 1)
    path = scans / "labels" / "label0001.nii.gz"
    write(path, pancreas_label()[:, ::-1], (1.0, last_row, 3.0), (1, 0, 0, 0, -1, 0, 0, 0, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folder = convert(scans)
    written = folder / "labelsTr" / "NIHPancreas_0001.nii.gz"
    np.testing.assert_array_equal(read_values(written), pancreas_label())


def test_headers_that_contradict_each_other_are_refused(scans, convert):
    write(scans / "labels" / "label0001.nii.gz", pancreas_label()[:, ::-1], (0.0, 0.0, 0.0))
    message = r"label0001\.nii\.gz: by its header .* --flip-labels .*: none 0%, x 0%, y 100%, z 0%"
    with pytest.raises(ValueError, match=message):
        convert(scans)


def test_labels_are_reversed_on_demand(scans, convert):
    for number in range(1, 6):
        path = scans / "labels" / f"label{number:04d}.nii.gz"
        write(path, pancreas_label()[::-1, ::-1], (0.0, 0.0, 0.0))
    folder = convert(scans, flip_labels="yz")
    written = folder / "labelsTr" / "NIHPancreas_0001.nii.gz"
    np.testing.assert_array_equal(read_values(written), pancreas_label())
    verify_dataset_integrity(str(folder), 1)


def test_a_label_that_would_fit_better_reversed_is_warned_of(scans, convert):
    write(scans / "labels" / "label0001.nii.gz", pancreas_label()[:, ::-1])
    with pytest.warns(
        UserWarning, match=r"label0001\.nii\.gz: 0% of the label lie on .* --flip-labels y it would be 100%"
    ):
        convert(scans)


def test_missing_slice(scans, convert):
    write(scans / "labels" / "label0001.nii.gz", pancreas_label()[1:])
    with pytest.raises(
        ValueError, match=r"label0001\.nii\.gz: label of size \(12, 10, 5\), but its image has"
    ):
        convert(scans)


def test_unknown_value(scans, convert):
    write(scans / "labels" / "label0001.nii.gz", pancreas_label() * 2)
    with pytest.raises(ValueError, match=r"label0001\.nii\.gz: mask value 2 is unknown"):
        convert(scans)


def test_label_without_image(scans, convert):
    (scans / "PANCREAS_0004.nii.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"label0004\.nii\.gz: there is no image PANCREAS_0004"):
        convert(scans)


def test_image_twice(scans, convert):
    (scans / "PANCREAS_0004").mkdir()
    with pytest.raises(ValueError, match=r"PANCREAS_0004\.nii\.gz and .*PANCREAS_0004 have the same number"):
        convert(scans)


def test_folder_without_dicom_files(scans, convert):
    (scans / "PANCREAS_0007").mkdir()
    with pytest.raises(FileNotFoundError, match=r"PANCREAS_0007: no \.dcm files"):
        convert(scans)


def test_two_series(scans, convert):
    for uid in ("1.2.3.4", "1.2.3.5"):
        write_dicom(scans / "PANCREAS_0007" / uid, pancreas_image(), uid)
    with pytest.raises(ValueError, match="PANCREAS_0007: 2 DICOM series instead of one"):
        convert(scans)


def test_without_a_list_the_last_fifth_is_test_data(scans, convert):
    (scans / "PANCREAS_0006.nii.gz").unlink()
    assert names(convert(scans, lists=False) / "labelsTs") == ["NIHPancreas_0005.nii.gz"]


def test_labeled_list(scans, convert):
    (scans / "labeled.txt").write_text("PANCREAS_0004\nlabel0005.nii.gz\n")
    folder = convert(scans, None, labeled_list=scans / "labeled.txt")
    assert names(folder / "labelsTr") == ["NIHPancreas_0004.nii.gz", "NIHPancreas_0005.nii.gz"]


def test_the_command_leads_on_to_3d(scans, raw_parent, run_script):
    output = run_script(
        "Dataset511_NIHPancreas", "-i", scans, "--num-labeled", 1, "--test-list", scans / "test.txt"
    )
    assert output.endswith("Next: nnUNetv2_plan_and_preprocess -d 511 -c 3d_fullres\n")
    assert (raw_parent / "Dataset511_NIHPancreas").is_dir()


def test_other_folders_are_refused(source, convert):
    with pytest.raises(FileNotFoundError, match="is not laid out as NIHPancreas: expected PANCREAS_0001/"):
        convert(source, lists=False)
