"""Datasets that cannot be compared on, and folds that do not exist."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nnunetv2_semiseg.comparing.data_checks import check_folds, held_out_images

DATASET: dict[str, Any] = {
    "channel_names": {"0": "a", "1": "b"},
    "labels": {"background": 0, "x": 1},
    "file_ending": ".png",
}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "Dataset502_P"
    for name in ("imagesTs/a_0000", "imagesTs/a_0001", "imagesTs/b_0000", "imagesTs/b_0001"):
        (folder / "imagesTs").mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.png").touch()
    (folder / "labelsTs").mkdir()
    for case in ("a", "b"):
        (folder / "labelsTs" / f"{case}.png").touch()
    return folder


def test_all_test_cases_with_their_channels(raw: Path) -> None:
    found = held_out_images(raw, DATASET)
    assert {case: len(files) for case, files in found.items()} == {"a": 2, "b": 2}


def test_without_test_images(raw: Path) -> None:
    for file in (raw / "imagesTs").iterdir():
        file.unlink()
    with pytest.raises(FileNotFoundError, match=r"imagesTs has no test images \(CASE_0000\.png\)"):
        held_out_images(raw, DATASET)
    (raw / "imagesTs").rmdir()
    with pytest.raises(FileNotFoundError, match="cases that no training has seen"):
        held_out_images(raw, DATASET)


def test_a_test_case_without_domain_where_others_have_one(raw: Path) -> None:
    with pytest.raises(ValueError, match=r"case 'b' has no domain: add it to 'domains' in dataset\.json"):
        held_out_images(raw, {**DATASET, "domains": {"a": "A"}})


@pytest.mark.parametrize("folder", ["imagesTr", "imagesUn"])
def test_a_test_case_that_trainings_see(raw: Path, folder: str) -> None:
    (raw / folder).mkdir()
    for name in ("b_0000", "c_0000"):
        (raw / folder / f"{name}.png").touch()
    with pytest.raises(ValueError, match=f"test case 'b' is in .*imagesTs and in .*{folder}: remove it from"):
        held_out_images(raw, DATASET)


def test_without_test_labels(raw: Path) -> None:
    for file in (raw / "labelsTs").iterdir():
        file.unlink()
    with pytest.raises(FileNotFoundError, match=r"has no label images ending with \.png"):
        held_out_images(raw, DATASET)
    (raw / "labelsTs").rmdir()
    with pytest.raises(FileNotFoundError, match="labelsTs does not exist: put the true label maps"):
        held_out_images(raw, DATASET)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("labelsTs/b.png", "'b' is in .*imagesTs and not in"),
        ("imagesTs/b_", "'b' is in .*labelsTs and not in"),
    ],
)
def test_images_and_labels_of_other_cases(raw: Path, missing: str, message: str) -> None:
    for file in raw.glob(f"{missing}*"):
        file.unlink()
    with pytest.raises(ValueError, match=message):
        held_out_images(raw, DATASET)


@pytest.mark.parametrize("key", ["tasks", "case_tasks"])
def test_a_merged_dataset(raw: Path, key: str) -> None:
    with pytest.raises(NotImplementedError, match="nnUNetv2_semiseg_evaluate_tasks"):
        held_out_images(raw, {**DATASET, key: {}})


def test_folds(tmp_path: Path) -> None:
    check_folds(tmp_path, ["all"], {"numTraining": 1})
    check_folds(tmp_path, ["0", "4"], {"numTraining": 5})
    with pytest.raises(ValueError, match=r"fold 5 does not exist: nnU-Net makes 5, 0 to 4; .* -f all"):
        check_folds(tmp_path, ["5"], {"numTraining": 5})
    with pytest.raises(ValueError, match="4 labeled cases cannot be split"):
        check_folds(tmp_path, ["0"], {"numTraining": 4})


@pytest.mark.parametrize("fold", ["-1", "x", "1.0", "ALL", ""])
def test_what_is_no_fold(tmp_path: Path, fold: str) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        check_folds(tmp_path, [fold], {"numTraining": 5})


@pytest.mark.parametrize("folds", [("all", "0"), ("0", "0"), ("all", "all")])
def test_folds_that_do_not_fit_together(tmp_path: Path, folds: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="give all, or numbers of folds, each once"):
        check_folds(tmp_path, folds, {"numTraining": 5})


def test_folds_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "splits_final.json"
    file.write_text(json.dumps([{"train": ["a"], "val": ["b"]}] * 2))
    check_folds(tmp_path, ["1"], {"numTraining": 2})
    with pytest.raises(ValueError, match=r"fold 2 does not exist: .*splits_final\.json has 2, 0 to 1"):
        check_folds(tmp_path, ["2"], {"numTraining": 2})
    file.write_text("[")
    with pytest.raises(ValueError, match=r"splits_final\.json is damaged"):
        check_folds(tmp_path, ["0"], {"numTraining": 5})
