"""Dice by class and domain, from folders of label images."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from nnunetv2.evaluation.evaluate_predictions import compute_metrics
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
from PIL import Image

from nnunetv2_semiseg.evaluation.dice import case_dice, per_domain_dice

DATASET = {
    "channel_names": {"0": "MRI"},
    "labels": {"background": 0, "disc": 1, "cup": 2},
    "file_ending": ".png",
    "domains": {"A_1": "A", "A_2": "A", "B_1": "B"},
}


def write(folder: Path, **cases: Any) -> Path:
    folder.mkdir()
    for case, labels in cases.items():
        Image.fromarray(np.array(labels, dtype=np.uint8)).save(folder / f"{case}.png")
    return folder


def test_means_by_class_and_domain(tmp_path: Path) -> None:
    truth = write(tmp_path / "truth", A_1=[[1, 1], [2, 0]], A_2=[[1, 0], [0, 0]], B_1=[[2, 2], [2, 2]])
    predictions = write(tmp_path / "pred", A_1=[[1, 0], [2, 2]], A_2=[[1, 1], [1, 0]], B_1=[[0, 0], [0, 0]])

    result = per_domain_dice(predictions, truth, DATASET)

    assert list(result) == ["A", "B"]
    assert result["A"].cases == 2
    assert result["A"].dice == pytest.approx({1: (2 / 3 + 1 / 2) / 2, 2: 2 / 3})
    assert result["A"].mean == pytest.approx((7 / 12 + 2 / 3) / 2)
    assert result["B"].dice[2] == 0


def test_class_absent_in_both_is_left_out_and_counted(tmp_path: Path) -> None:
    truth = write(tmp_path / "truth", A_1=[[1, 2]], A_2=[[1, 0]], B_1=[[1, 0]])
    predictions = write(tmp_path / "pred", A_1=[[1, 2]], A_2=[[1, 0]], B_1=[[1, 0]])

    result = per_domain_dice(predictions, truth, DATASET)

    assert result["A"].dice == {1: 1.0, 2: 1.0}
    assert result["A"].absent == {1: 0, 2: 1}
    assert math.isnan(result["B"].dice[2])
    assert result["B"].absent == {1: 0, 2: 1}
    assert result["B"].mean == 1.0


def test_class_absent_in_truth_only_counts_as_zero(tmp_path: Path) -> None:
    truth = write(tmp_path / "truth", A_1=[[1, 0]])
    predictions = write(tmp_path / "pred", A_1=[[1, 2]])

    result = per_domain_dice(predictions, truth, DATASET)["A"]

    assert result.dice[2] == 0
    assert result.absent[2] == 0


def test_ignored_pixels_count_for_nothing(tmp_path: Path) -> None:
    dataset = {**DATASET, "labels": {"background": 0, "disc": 1, "ignore": 2}}
    truth = write(tmp_path / "truth", A_1=[[1, 2, 2]])
    predictions = write(tmp_path / "pred", A_1=[[1, 1, 0]])

    assert case_dice(predictions, truth, dataset)[0].dice == {1: 1.0}


def test_without_domains_all_cases_are_one_group(tmp_path: Path) -> None:
    dataset = {key: value for key, value in DATASET.items() if key != "domains"}
    truth = write(tmp_path / "truth", A_1=[[1]], B_1=[[1]])

    assert per_domain_dice(truth, truth, dataset)["all"].cases == 2


def test_volumes_agree_with_nnunet(tmp_path: Path) -> None:
    dataset = {**DATASET, "file_ending": ".nii.gz"}
    rng = np.random.default_rng(0)
    files = [tmp_path / folder / "A_1.nii.gz" for folder in ("truth", "pred")]
    for file in files:
        file.parent.mkdir()
        sitk.WriteImage(sitk.GetImageFromArray(rng.integers(0, 3, (4, 5, 6)).astype(np.uint8)), str(file))

    ours = case_dice(files[1].parent, files[0].parent, dataset)[0].dice
    theirs = compute_metrics(str(files[0]), str(files[1]), SimpleITKIO(), [1, 2])["metrics"]

    assert ours == pytest.approx({label: theirs[label]["Dice"] for label in (1, 2)})


def test_missing_prediction_is_refused(tmp_path: Path) -> None:
    truth = write(tmp_path / "truth", A_1=[[1]], A_2=[[1]])
    predictions = write(tmp_path / "pred", A_1=[[1]])

    with pytest.raises(FileNotFoundError, match=r"A_2\.png does not exist"):
        per_domain_dice(predictions, truth, DATASET)


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no label images"):
        per_domain_dice(tmp_path, tmp_path, DATASET)


def test_other_size_is_refused_even_where_numpy_would_broadcast(tmp_path: Path) -> None:
    truth = write(tmp_path / "truth", A_1=[[1, 1], [1, 1]])
    predictions = write(tmp_path / "pred", A_1=[[1, 1]])

    with pytest.raises(ValueError, match="has the size"):
        per_domain_dice(predictions, truth, DATASET)


def test_case_without_domain_is_refused(tmp_path: Path) -> None:
    truth = write(tmp_path / "truth", A_1=[[1]], C_1=[[1]])

    with pytest.raises(ValueError, match="'C_1' has no domain"):
        per_domain_dice(truth, truth, DATASET)


def test_regions_are_refused(tmp_path: Path) -> None:
    dataset = {**DATASET, "labels": {"background": 0, "whole": [1, 2]}}
    truth = write(tmp_path / "truth", A_1=[[1]])

    with pytest.raises(NotImplementedError, match="'whole' is a region"):
        per_domain_dice(truth, truth, dataset)
