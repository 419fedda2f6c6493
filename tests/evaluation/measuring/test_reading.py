"""Label maps that are read, and those that are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from label_images import write_nifti, write_png
from PIL import Image

from nnunetv2_semiseg.data.raw.reading import reader_for
from nnunetv2_semiseg.evaluation.measuring.reading import read_label_map, read_pair

PNG: dict[str, Any] = {"file_ending": ".png"}
NIFTI: dict[str, Any] = {"file_ending": ".nii.gz"}
TIFF: dict[str, Any] = {"file_ending": ".tif"}
VOLUME = np.arange(30).reshape(2, 3, 5) % 3


def test_png_has_no_spacing(tmp_path: Path) -> None:
    file = write_png(tmp_path, a=[[0, 1], [2, 0]]) / "a.png"
    read = read_label_map(reader_for(PNG, file), file)
    assert read.labels.tolist() == [[[0, 1], [2, 0]]]
    assert read.spacing is None


def test_nifti_has_spacing_in_the_order_of_the_axes(tmp_path: Path) -> None:
    file = write_nifti(tmp_path, spacing=(3, 0.5, 0.25), a=VOLUME) / "a.nii.gz"
    read = read_label_map(reader_for(NIFTI, file), file)
    assert read.labels.tolist() == VOLUME.tolist()
    assert read.spacing == (3, 0.5, 0.25)


def test_tiff_has_spacing_where_a_json_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.tif"
    tifffile.imwrite(file, VOLUME.astype(np.uint8))
    reader = reader_for(TIFF, file)
    assert read_label_map(reader, file).spacing is None
    (tmp_path / "a.json").write_text(json.dumps({"spacing": [3, 1, 1]}))
    assert read_label_map(reader, file).spacing == (3, 1, 1)
    assert capsys.readouterr() == ("", "")


def test_pair(tmp_path: Path) -> None:
    true, predicted = write_png(tmp_path / "true", a=[[0, 2]]), write_png(tmp_path / "pred", a=[[1, 1]])
    reader = reader_for(PNG, true / "a.png")
    pair = read_pair(reader, true / "a.png", predicted / "a.png", {0, 1}, ignore=2)
    assert [entry.labels.tolist() for entry in pair] == [[[[0, 2]]], [[[1, 1]]]]


def refused(tmp_path: Path, true: Any, predicted: Any, match: str) -> None:
    folders = write_png(tmp_path / "true", a=true), write_png(tmp_path / "pred", a=predicted)
    files = [folder / "a.png" for folder in folders]
    with pytest.raises(ValueError, match=match):
        read_pair(reader_for(PNG, files[0]), *files, {0, 1}, ignore=3)


def test_unknown_label_in_a_prediction(tmp_path: Path) -> None:
    refused(tmp_path, [[0, 1]], [[0, 255]], r"pred/a\.png has the label 255, .* 0, 1: is it of another")


def test_unknown_label_in_the_reference(tmp_path: Path) -> None:
    refused(tmp_path, [[0, 2]], [[0, 1]], r"true/a\.png has the label 2, .* 0, 1, 3")


def test_ignore_label_in_a_prediction(tmp_path: Path) -> None:
    refused(tmp_path, [[0, 3]], [[0, 3]], r"pred/a\.png has the label 3")


def test_other_size_even_where_numpy_would_broadcast(tmp_path: Path) -> None:
    refused(tmp_path, [[1, 1], [1, 1]], [[1, 1]], r"has the size \(1, 1, 2\), but .* \(1, 2, 2\)")


def test_several_channels(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    Image.new("RGB", (2, 2)).save(file)
    with pytest.raises(ValueError, match="has 3 channels"):
        read_label_map(reader_for(PNG, file), file)


def test_other_spacing(tmp_path: Path) -> None:
    true = write_nifti(tmp_path / "true", spacing=(3, 1, 1), a=VOLUME) / "a.nii.gz"
    predicted = write_nifti(tmp_path / "pred", spacing=(1, 1, 3), a=VOLUME) / "a.nii.gz"
    with pytest.raises(ValueError, match="has the spacing"):
        read_pair(reader_for(NIFTI, true), true, predicted, {0, 1, 2}, None)


@pytest.mark.parametrize("value", [0.5, float("nan"), float("inf")])
def test_values_that_are_no_labels(tmp_path: Path, value: float) -> None:
    file = tmp_path / "a.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(np.full((2, 2, 2), value, dtype=np.float32)), str(file))
    with pytest.raises(ValueError, match="integers only"):
        read_label_map(reader_for({"file_ending": ".nrrd"}, file), file)


def test_negative_and_distant_labels(tmp_path: Path) -> None:
    file = tmp_path / "a.nii.gz"
    values = np.array([[[0, -5], [100_000, 1]]], dtype=np.int32)
    sitk.WriteImage(sitk.GetImageFromArray(values), str(file))
    with pytest.raises(ValueError, match="has the label -5"):
        read_pair(reader_for(NIFTI, file), file, file, {0, 1}, None)


def test_broken_file(tmp_path: Path) -> None:
    good, bad = write_png(tmp_path, a=[[0]]) / "a.png", tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"bad\.png cannot be read"):
        read_label_map(reader_for(PNG, good), bad)
    with pytest.raises(ValueError, match=r"bad\.png can be read by none"):
        reader_for(PNG, bad)
