"""Tiny datasets, planned by nnU-Net itself, each test with a copy of its own."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from nnunetv2.experiment_planning import plan_and_preprocess_api as api
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from skimage import io
from threads import use_threads

from nnunetv2_semiseg.data.unlabeled import preprocessing as unlabeled

RGB, IGNORE, VOLUME = "Dataset901_Rgb", "Dataset902_Ignore", "Dataset903_Volume"
LABELED = ("a", "b", "c", "d")
UNLABELED = ("u1", "u2", "u3")

PLANNED: dict[str, Path] = {}
"""Planning takes seconds: once a dataset and test session."""


@dataclass
class TinyDataset:
    """A planned dataset; `log` collects what preprocessing says."""

    root: Path
    name: str
    log: list[str] = field(default_factory=list)

    @property
    def raw(self) -> Path:
        return self.root / "raw" / self.name

    @property
    def preprocessed(self) -> Path:
        return self.root / "preprocessed" / self.name

    @property
    def configuration(self) -> str:
        return "3d_fullres" if self.name == VOLUME else "2d"

    @property
    def folder(self) -> Path:
        return self.preprocessed / f"nnUNetPlans_{self.configuration}_unlabeled"

    @property
    def manifest_file(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.json")

    @property
    def plans_file(self) -> Path:
        return self.preprocessed / "nnUNetPlans.json"

    @property
    def plans_manager(self) -> PlansManager:
        return PlansManager(json.loads(self.plans_file.read_text()))

    @property
    def dataset_json(self) -> dict:
        return json.loads((self.preprocessed / "dataset.json").read_text())

    def change_plans(self, change) -> None:
        plans = json.loads(self.plans_file.read_text())
        change(plans)
        self.plans_file.write_text(json.dumps(plans))

    def preprocess(self, configuration: str | None = None, num_processes: int = 2) -> unlabeled.UnlabeledData:
        plans = self.plans_manager
        return unlabeled.preprocess_unlabeled(
            self.name,
            plans,
            plans.get_configuration(configuration or self.configuration),
            self.dataset_json,
            num_processes,
            self.log.append,
        )

    def write(self, case: str, folder: str = "imagesUn", seed: int = 0) -> list[Path]:
        return write_image(self.raw / folder, case, self.name, np.random.default_rng(seed))

    def manifest(self) -> dict:
        return json.loads(self.manifest_file.read_text())

    def modified(self) -> dict[str, int]:
        """Modification times of all that preprocessing wrote."""
        files = [*self.folder.iterdir(), self.manifest_file]
        return {file.name: file.stat().st_mtime_ns for file in files}


def make_dataset(name: str, tmp_path: Path, factory: pytest.TempPathFactory, monkeypatch) -> TinyDataset:
    """A copy of a planned dataset below ``tmp_path``, and nnU-Net's paths set to it."""
    if name not in PLANNED:
        PLANNED[name] = _planned(name, factory.mktemp(name), monkeypatch)
    dataset = TinyDataset(tmp_path / "nnunet", name)
    shutil.copytree(PLANNED[name], dataset.root)
    _set_paths(dataset.root, monkeypatch)
    return dataset


def write_image(folder: Path, case: str, name: str, rng: np.random.Generator) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    if name == VOLUME:
        files = []
        for channel in range(2):
            volume = rng.normal(100, 20, (10, 28, 30)).astype(np.float32)
            volume[:, :5] = 0
            image = sitk.GetImageFromArray(volume)
            image.SetSpacing((1.0, 1.1, 2.0 if case in "ab" else 3.0))
            files.append(folder / f"{case}_{channel:04d}.nii.gz")
            sitk.WriteImage(image, str(files[-1]))
        return files
    shape = (40, 44, 3) if name == RGB else (40, 44)
    file = folder / f"{case}_0000.png"
    io.imsave(file, rng.integers(1, 255, shape).astype(np.uint8), check_contrast=False)
    return [file]


def _write_label(raw: Path, case: str, name: str, rng: np.random.Generator) -> None:
    folder = raw / "labelsTr"
    folder.mkdir(parents=True, exist_ok=True)
    if name == VOLUME:
        label = np.zeros((10, 28, 30), np.uint8)
        label[3:7, 10:20, 10:20] = 1
        image = sitk.GetImageFromArray(label)
        image.CopyInformation(sitk.ReadImage(str(raw / "imagesTr" / f"{case}_0000.nii.gz")))
        sitk.WriteImage(image, str(folder / f"{case}.nii.gz"))
        return
    label = np.zeros((40, 44), np.uint8)
    label[10:20, 10:30] = 1
    if name == IGNORE:
        label[30:] = 2
    io.imsave(folder / f"{case}.png", label, check_contrast=False)


def _planned(name: str, root: Path, monkeypatch) -> Path:
    raw = root / "raw" / name
    rng = np.random.default_rng(0)
    for case in LABELED:
        write_image(raw / "imagesTr", case, name, rng)
        _write_label(raw, case, name, rng)
    for case in UNLABELED:
        write_image(raw / "imagesUn", case, name, rng)
    channels = {RGB: ("R", "G", "B"), IGNORE: ("zscore",), VOLUME: ("MR1", "MR2")}[name]
    labels = {"background": 0, "thing": 1}
    if name == IGNORE:
        labels["ignore"] = 2
    dataset_json = {
        "channel_names": {str(index): channel for index, channel in enumerate(channels)},
        "labels": labels,
        "numTraining": len(LABELED),
        "file_ending": ".nii.gz" if name == VOLUME else ".png",
    }
    (raw / "dataset.json").write_text(json.dumps(dataset_json))
    _set_paths(root, monkeypatch)
    monkeypatch.delenv("nnUNet_n_proc_DA", raising=False)  # planning crashes where it is 0
    number = int(name[7:10])
    configurations = ("2d", "3d_fullres") if name == VOLUME else ("2d",)
    with monkeypatch.context() as patch:
        use_threads(patch)
        api.extract_fingerprints([number], num_processes=1, verbose=False, show_progress_bar=False)
        api.plan_experiments([number], gpu_memory_target_in_gb=1)
        api.preprocess([number], configurations=configurations, num_processes=[1], show_progress_bar=False)
    splits = [{"train": LABELED[:3], "val": LABELED[3:]}]
    (root / "preprocessed" / name / "splits_final.json").write_text(json.dumps(splits))
    return root


def _set_paths(root: Path, monkeypatch) -> None:
    for folder in ("raw", "preprocessed", "results"):
        (root / folder).mkdir(exist_ok=True)
        monkeypatch.setenv(f"nnUNet_{folder}", os.fspath(root / folder))
