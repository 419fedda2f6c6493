"""The Medical Segmentation Decathlon: nnU-Net's own converter, the choice of labeled cases, merging."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from nnunetv2.dataset_conversion import convert_MSD_dataset
from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
from released_files import names, read_values

from nnunetv2_semiseg.data.merging.merge_tasks import merge_tasks
from nnunetv2_semiseg.data.merging.tasks import read_tasks
from nnunetv2_semiseg.data.raw.hide_labels import hide_labels

RELEASES = {"Task09_Spleen": ("spleen", "spleen"), "Task06_Lung": ("lung", "cancer")}
"""Beginning of the cases' names, and the structure."""


@pytest.fixture
def decathlon(source: Path, release, raw_parent: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Raw datasets 6 and 9, as nnU-Net converts them."""
    monkeypatch.setattr(convert_MSD_dataset, "nnUNet_raw", str(raw_parent))
    for folder, (case, structure) in RELEASES.items():
        for number in (2, 3, 10):
            release.volume(source / folder / "imagesTr" / f"{case}_{number}.nii.gz", (-200, 300))
            release.volume(source / folder / "labelsTr" / f"{case}_{number}.nii.gz", (0, 1))
        release.volume(source / folder / "imagesTs" / f"{case}_1.nii.gz", (-200, 300))
        content = {
            "name": case,
            "modality": {"0": "CT"},
            "labels": {"0": "background", "1": structure},
            "numTraining": 3,
            "licence": "CC-BY-SA 4.0",
            "training": [],
            "test": [],
        }
        (source / folder / "dataset.json").write_text(json.dumps(content))
        convert_MSD_dataset.convert_msd_dataset(str(source / folder), num_processes=1)
    return raw_parent


def test_published_lists_then_merged(decathlon: Path, tmp_path: Path) -> None:
    (tmp_path / "spleen.txt").write_text("spleen_10\nspleen_2\n")
    (tmp_path / "lung.txt").write_text("imagesTr/lung_3.nii.gz\n")
    folders = [
        hide_labels(decathlon / "Dataset009_Spleen", 513, "Spleen", labeled_list=tmp_path / "spleen.txt"),
        hide_labels(decathlon / "Dataset006_Lung", 514, "Lung", labeled_list=tmp_path / "lung.txt"),
    ]
    assert names(folders[0] / "labelsTr") == ["spleen_10.nii.gz", "spleen_2.nii.gz"]
    assert names(folders[0] / "imagesUn") == ["spleen_3_0000.nii.gz"]
    merged = merge_tasks(folders, 510, "Decathlon")
    assert not merged.notes
    content = json.loads((merged.folder / "dataset.json").read_text())
    assert content["labels"] == {"background": 0, "spleen": 1, "cancer": 2}
    assert content["channel_names"] == {"0": "CT"}
    assert content["sources"]["Dataset514_Lung"]["licence"] == "CC-BY-SA 4.0"
    table = read_tasks(content, merged.folder / "dataset.json")
    assert [task.name for task in table.of_case("Dataset514_Lung_lung_3")] == ["cancer"]
    assert names(merged.folder / "imagesUn") == [
        "Dataset513_Spleen_spleen_3_0000.nii.gz",
        *(f"Dataset514_Lung_lung_{number}_0000.nii.gz" for number in (10, 2)),
    ]
    assert len(names(merged.folder / "imagesTs")) == 2
    label = read_values(merged.folder / "labelsTr" / "Dataset514_Lung_lung_3.nii.gz")
    assert set(np.unique(label)) == {0, 2}
    verify_dataset_integrity(str(merged.folder), 1)
