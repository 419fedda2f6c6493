"""Converters as modules, and small data sets in the layouts of the releases."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

SCRIPTS = Path(__file__).parents[2] / "dataset_conversion"
SIZE = (20, 30)
"""Height and width of the images."""


@pytest.fixture
def raw_parent(tmp_path, monkeypatch):
    """nnUNet_raw, existing and empty; the other two folders of nnU-Net lie beside it."""
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path / "nnUNet_raw"


@pytest.fixture
def source(tmp_path):
    """An empty folder for a release."""
    (tmp_path / "release").mkdir()
    return tmp_path / "release"


@pytest.fixture(scope="session")
def converter():
    """Load a converter by its file name; it lies in no package."""

    def load(name):
        spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def real_data():
    """The folder of real samples."""
    folder = os.environ.get("NNUNET_SEMISEG_TEST_DATA")
    if not folder:
        pytest.skip("NNUNET_SEMISEG_TEST_DATA does not name the folder of real images")
    return Path(folder) / "synfoc_samples"


@pytest.fixture(scope="session")
def release():
    """Functions that write files of a release."""
    return Release


class Release:
    """Writers of small files in the layouts of the releases."""

    @staticmethod
    def png(path, fill=0, mode="L", size=SIZE):
        """An image of one colour; returns its path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new(mode, size[::-1], fill).save(path)
        return path

    @staticmethod
    def mask(path, values, size=SIZE):
        """A mask of one horizontal stripe for each value (a grey value or a colour)."""
        path.parent.mkdir(parents=True, exist_ok=True)
        stripes = [np.array(values[row * len(values) // size[0]], dtype=np.uint8) for row in range(size[0])]
        Image.fromarray(np.repeat(np.stack(stripes)[:, None], size[1], axis=1)).save(path)
        return path

    @staticmethod
    def volume(path, values=(0,), spacing=(0.5, 0.6, 3.0), shape=(4, 6, 8)):
        """A volume whose slices have the values in turn."""
        path.parent.mkdir(parents=True, exist_ok=True)
        array = np.zeros(shape, dtype=np.int16)
        for index in range(shape[0]):
            array[index] = values[index % len(values)]
        volume = sitk.GetImageFromArray(array)
        volume.SetSpacing(spacing)
        sitk.WriteImage(volume, str(path))
        return path
