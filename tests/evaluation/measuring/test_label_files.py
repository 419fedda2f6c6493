"""Which predictions belong to which true label maps, and folders that do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nnunetv2_semiseg.evaluation.measuring.label_files import check_labels, label_files, match_cases

LABELS = {"background": 0, "disc": 1}


def folder(path: Path, *cases: str) -> Path:
    path.mkdir()
    for case in cases:
        (path / f"{case}.png").touch()
    return path


def write_dataset_json(path: Path, labels: dict[str, int]) -> None:
    content = {"channel_names": {"0": "MRI"}, "labels": labels, "file_ending": ".png"}
    (path / "dataset.json").write_text(json.dumps(content))


def test_other_files_are_no_label_maps(tmp_path: Path) -> None:
    made = folder(tmp_path / "pred", "a", ".hidden")
    (made / "a.npz").touch()
    (made / "plans.json").touch()
    assert label_files(made, ".png") == {"a": made / "a.png"}


def test_match(tmp_path: Path) -> None:
    true, one, two = (folder(tmp_path / name, "b", "a") for name in ("true", "one", "two"))
    matched = match_cases(true, [two, one], ".png")
    assert [files.case for files in matched.cases] == ["a", "b"]
    assert matched.cases[0].reference == true / "a.png"
    assert matched.cases[0].predictions == (two / "a.png", one / "a.png")
    assert matched.left_out == ()


def test_missing_prediction(tmp_path: Path) -> None:
    true, one = folder(tmp_path / "true", "a", "b", "c"), folder(tmp_path / "one", "b")
    with pytest.raises(
        FileNotFoundError, match=r"one lacks 2 of 3 cases .* 'a': predict them, or .*--common"
    ):
        match_cases(true, [one], ".png")


def test_extra_prediction(tmp_path: Path) -> None:
    true, one = folder(tmp_path / "true", "a"), folder(tmp_path / "one", "a", "x")
    with pytest.raises(ValueError, match=r"one has 1 cases without true labels .* 'x': remove them"):
        match_cases(true, [one], ".png")


def test_common_cases_name_what_is_left_out(tmp_path: Path) -> None:
    true = folder(tmp_path / "true", "a", "b", "c")
    one, two = folder(tmp_path / "one", "a", "b", "x"), folder(tmp_path / "two", "b", "c")
    matched = match_cases(true, [one, two], ".png", common=True)
    assert [files.case for files in matched.cases] == ["b"]
    assert matched.left_out == ("a", "c", "x")


def test_folders_without_a_common_case(tmp_path: Path) -> None:
    true = folder(tmp_path / "true", "a", "b")
    one, two = folder(tmp_path / "one", "a"), folder(tmp_path / "two", "b")
    with pytest.raises(ValueError, match="no case is in all of"):
        match_cases(true, [one, two], ".png", common=True)


@pytest.mark.parametrize("common", [False, True])
def test_case_names_of_another_dataset(tmp_path: Path, common: bool) -> None:
    true, one = folder(tmp_path / "true", "a"), folder(tmp_path / "one", "heart_1")
    with pytest.raises(ValueError, match=r"no case of .* 'heart_1': is it of another dataset"):
        match_cases(true, [one], ".png", common)


def test_labels_of_another_dataset(tmp_path: Path) -> None:
    one = folder(tmp_path / "one", "a")
    check_labels(one, {"labels": LABELS})
    write_dataset_json(one, LABELS)
    check_labels(one, {"labels": LABELS})
    write_dataset_json(one, {"background": 0, "heart": 1})
    with pytest.raises(ValueError, match="predictions of another dataset"):
        check_labels(one, {"labels": LABELS})


def test_folders_without_label_maps(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="not a folder"):
        label_files(tmp_path / "nowhere", ".png")
    with pytest.raises(FileNotFoundError, match=r"no label images ending with \.nii\.gz"):
        label_files(folder(tmp_path / "png", "a"), ".nii.gz")
