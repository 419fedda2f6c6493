"""Finding datasets, refusing ids that are taken, linking files."""

from __future__ import annotations

import pytest

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.data.raw.folders import (
    dataset_name,
    find_raw_dataset,
    link_or_copy,
    new_dataset_folder,
    preprocessed_folder,
    raw_folder,
    results_folder,
)


def add_dataset(parent, name="Dataset027_ACDC"):
    (parent / name).mkdir(parents=True)
    (parent / name / "dataset.json").write_text("{}")
    return parent / name


@pytest.mark.parametrize(
    ("variable", "folder"),
    [("raw", raw_folder), ("preprocessed", preprocessed_folder), ("results", results_folder)],
)
def test_unset_folder_is_an_error(monkeypatch, tmp_path, variable, folder):
    monkeypatch.setenv(f"nnUNet_{variable}", str(tmp_path))
    assert folder() == tmp_path
    monkeypatch.delenv(f"nnUNet_{variable}")
    with pytest.raises(UserError, match=f"nnUNet_{variable} is not set; let it name the folder of your"):
        folder()


@pytest.mark.parametrize("dataset", [27, "27", "Dataset027_ACDC"])
def test_datasets_are_found_by_id_and_name(raw_parent, dataset):
    folder = add_dataset(raw_parent)
    assert find_raw_dataset(dataset) == folder


def test_neither_id_nor_name(raw_parent):
    with pytest.raises(UserError, match="'ACDC' is neither an id nor a name such as"):
        find_raw_dataset("ACDC")


def test_missing_dataset_is_named(raw_parent):
    with pytest.raises(FileNotFoundError, match="no dataset with id 28"):
        find_raw_dataset("28")


def test_a_dataset_that_is_only_preprocessed_has_a_name(raw_parent, tmp_path, monkeypatch):
    (tmp_path / "nnUNet_preprocessed" / "Dataset027_ACDC").mkdir()
    monkeypatch.delenv("nnUNet_raw")
    assert dataset_name("27") == "Dataset027_ACDC"
    with pytest.raises(UserError, match="nnUNet_preprocessed has no dataset with id 28"):
        dataset_name("28")


def test_no_folder_is_set(monkeypatch):
    for name in ("raw", "preprocessed", "results"):
        monkeypatch.delenv(f"nnUNet_{name}", raising=False)
    with pytest.raises(UserError, match="nnUNet_raw is not set"):
        dataset_name("28")


def test_ambiguous_id_lists_the_datasets(raw_parent):
    add_dataset(raw_parent)
    add_dataset(raw_parent, "Dataset027_Other")
    with pytest.raises(ValueError, match="Dataset027_ACDC, Dataset027_Other"):
        find_raw_dataset(27)


def test_dataset_that_is_only_preprocessed_is_not_raw(raw_parent, tmp_path):
    (tmp_path / "nnUNet_preprocessed" / "Dataset027_ACDC").mkdir()
    with pytest.raises(FileNotFoundError, match=r"Dataset027_ACDC has no dataset\.json"):
        find_raw_dataset(27)


@pytest.mark.parametrize("place", ["nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"])
def test_id_of_another_dataset_is_refused(raw_parent, tmp_path, place):
    (tmp_path / place / "Dataset501_Other").mkdir()
    with pytest.raises(ValueError, match="id 501 is taken by Dataset501_Other"):
        new_dataset_folder(raw_parent, 501, "Fundus", overwrite=True)


def test_leftover_preprocessing_is_warned_of(raw_parent, tmp_path):
    (tmp_path / "nnUNet_preprocessed" / "Dataset501_Fundus").mkdir()
    with pytest.warns(UserWarning, match="delete it before planning again"):
        assert new_dataset_folder(raw_parent, 501, "Fundus") == raw_parent / "Dataset501_Fundus"


@pytest.mark.parametrize(("dataset_id", "name"), [(0, "A"), (1000, "A"), (5, "a b"), (5, "../a"), (5, "")])
def test_invalid_ids_and_names_are_refused(raw_parent, dataset_id, name):
    with pytest.raises(ValueError, match=r"not between 1 and 999|may have only letters"):
        new_dataset_folder(raw_parent, dataset_id, name)


@pytest.mark.parametrize("copy", [False, True])
def test_files_are_linked_or_copied(tmp_path, copy):
    source = tmp_path / "a"
    source.write_text("content")
    (tmp_path / "pointer").symlink_to(source)
    link_or_copy(tmp_path / "pointer", tmp_path / "b", copy)
    assert (tmp_path / "b").read_text() == "content"
    assert not (tmp_path / "b").is_symlink()
    assert (tmp_path / "b").samefile(source) is not copy


def test_disks_without_links_get_copies(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    (tmp_path / "a").write_text("content")
    link_or_copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "content"
    assert not (tmp_path / "b").samefile(tmp_path / "a")
