"""What cannot be merged or split is refused with its name, and nothing is left behind."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from merge_fixtures import files, pancreas, spleen
from threads import use_threads

from nnunetv2_semiseg.data.merging import merge_tasks as merging
from nnunetv2_semiseg.data.merging.merge_tasks import merge_tasks
from nnunetv2_semiseg.data.merging.split_tasks import split_tasks


@pytest.fixture(autouse=True)
def _threads(monkeypatch):
    use_threads(monkeypatch)


@pytest.fixture
def first(raw_parent):
    return pancreas(raw_parent)


def refused(message, first, *others, error=ValueError, dataset_id=510, name="All", **more):
    before = files(first.folder.parent)
    with pytest.raises(error, match=message):
        merge_tasks([first.folder, *(other.folder for other in others)], dataset_id, name, **more)
    assert files(first.folder.parent) == before
    assert not list(first.folder.parent.glob(".Dataset*"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": {"background": 0, "spleen": [1, 2]}}, "Dataset512_Spleen has region labels"),
        ({"labels": {"background": 0, "spleen": 1, "ignore": 2}}, "Dataset512_Spleen has an ignore label"),
        ({"labels": {"0": "background", "1": "spleen"}}, "Dataset512_Spleen: label '0' has the value 'back"),
        ({"labels": {"background": 1, "spleen": 0}}, "Dataset512_Spleen: label 'background' has the value 1"),
        ({"labels": {"background": 0}}, "Dataset512_Spleen: 'labels' in dataset.json must have a structure"),
        ({"labels": {"background": 0, "a": 1, "b": 1}}, "Dataset512_Spleen: .* with a value of its own"),
        ({"tasks": {}}, "Dataset512_Spleen is itself a merged dataset"),
        ({"overwrite_image_reader_writer": "NibabelIO"}, "Dataset512_Spleen and .* have different readers"),
        ({"labels": {"background": 0, "Dataset511_s": 1, "s": 2}}, "'Dataset511_s' cannot be the name"),
    ],
)
def test_dataset_json(first, raw_parent, changes, message):
    if "Dataset511_s" in str(changes):
        first.rewrite(labels={"background": 0, "s": 1, "t": 2})
    second = spleen(raw_parent)
    second.rewrite(**changes)
    refused(message, first, second)


def test_number_of_channels(first, raw_parent):
    second = spleen(raw_parent, channels=("T1", "T2"))
    refused("Dataset512_Spleen has 2 channels and Dataset511_Pancreas has 1", first, second)


def test_natural_images_with_others(first, raw_parent):
    second = spleen(raw_parent, ending=".tif")
    refused(r"Dataset512_Spleen has \.tif files, .* the others have \.nii\.gz", first, second)


def test_values_that_are_not_declared(first, raw_parent):
    second = spleen(raw_parent).case("z", [0, 7])
    refused(r"Dataset512_Spleen/labelsTr/z\.nii\.gz: mask value 7 is unknown; valid are 0, 1", first, second)


def test_labels_are_checked_before_any_image_is_written(first, raw_parent, monkeypatch):
    """Recompressing the images of a large dataset takes hours."""
    second = spleen(raw_parent, ending=".nrrd").case("z", [0, 7])
    monkeypatch.setattr(merging, "_place_image", lambda *arguments: pytest.fail("an image was written"))
    refused(r"Dataset512_Spleen/labelsTr/z\.nrrd: mask value 7 is unknown", first, second)


def test_unreadable_label(first, raw_parent):
    second = spleen(raw_parent)
    (second.folder / "labelsTr" / "a.nii.gz").write_bytes(b"no volume")
    refused(r"labelsTr/a\.nii\.gz cannot be read", first, second)


def test_missing_label(first, raw_parent):
    second = spleen(raw_parent)
    (second.folder / "labelsTr" / "a.nii.gz").unlink()
    refused(r"Dataset512_Spleen/labelsTr/a\.nii\.gz does not exist", first, second, error=FileNotFoundError)


@pytest.mark.parametrize("folder_exists", [True, False])
def test_no_labeled_cases(first, raw_parent, folder_exists):
    second = spleen(raw_parent)
    shutil.rmtree(second.folder / "imagesTr")
    if folder_exists:
        (second.folder / "imagesTr").mkdir()
    refused("Dataset512_Spleen has no (labeled|training) cases", first, second)


def test_channels_without_numbers(first, raw_parent):
    second = spleen(raw_parent)
    file = second.folder / "dataset.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "channel_names": {"first": "CT"}}))
    refused(r"Dataset512_Spleen: the keys of 'channel_names' in dataset\.json", first, second)


def test_same_dataset_twice(first):
    refused("Dataset511_Pancreas and Dataset511_Pancreas have the same number", first, first)


def test_one_dataset(first):
    refused("at least two datasets", first)


def test_unknown_structure(first, raw_parent):
    second = spleen(raw_parent)
    message = "Dataset511_Pancreas has no structure 'duct'; it has 'pancreas', 'tumour'"
    refused(message, first, second, structures={"Dataset511_Pancreas": ["duct"]})


def test_target(first, raw_parent):
    second = spleen(raw_parent)
    merge_tasks([first.folder, second.folder], 510, "All")
    refused("Dataset510_All exists; use --overwrite", first, second)
    refused("dataset id 510 is taken by Dataset510_All", first, second, name="Other")
    refused("cannot replace itself", first, second, dataset_id=512, name="Spleen", overwrite=True)
    merge_tasks([second.folder, first.folder], 510, "All", overwrite=True)


@pytest.fixture
def merged(first, raw_parent):
    return merge_tasks([first.folder, spleen(raw_parent).folder], 510, "All").folder


def test_splitting_a_dataset_without_tasks(first, tmp_path):
    with pytest.raises(ValueError, match=r"Dataset511_Pancreas/dataset\.json has no key 'tasks'"):
        split_tasks(first.folder, first.folder / "labelsTr", tmp_path / "out")


def test_splitting_cases_of_no_source(first, merged, tmp_path):
    message = (
        r"labelsTr/a\.nii\.gz: is no case of Dataset510_All, whose cases begin with Dataset511_Pancreas, D"
    )
    with pytest.raises(ValueError, match=message):
        split_tasks(merged, first.folder / "labelsTr", tmp_path / "out")


def test_splitting_nothing(merged, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no label maps ending with \.nii\.gz"):
        split_tasks(merged, tmp_path, tmp_path / "out")


def test_splitting_onto_an_existing_folder(merged, tmp_path):
    split_tasks(merged, merged / "labelsTr", tmp_path / "out")
    with pytest.raises(ValueError, match=re.escape("out exists; use --overwrite")):
        split_tasks(merged, merged / "labelsTr", tmp_path / "out")
    split_tasks(merged, merged / "labelsTs", tmp_path / "out", overwrite=True)
    assert files(tmp_path / "out") == ["Dataset511_Pancreas/t.nii.gz"]


def test_splitting_unknown_values(first, merged, tmp_path):
    first.case("Dataset511_Pancreas_x", [9], "elsewhere", "predicted")
    with pytest.raises(
        ValueError, match=r"Pancreas_x\.nii\.gz: mask value 9 is unknown; valid are 0, 1, 2, 3"
    ):
        split_tasks(merged, first.folder / "predicted", tmp_path / "out")
    assert not (tmp_path / "out").exists()
