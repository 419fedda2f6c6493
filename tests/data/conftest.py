"""Folders of nnU-Net's for tests of raw datasets."""

from __future__ import annotations

import pytest


@pytest.fixture
def raw_parent(tmp_path, monkeypatch):
    """nnUNet_raw, existing and empty; the other two folders of nnU-Net lie beside it."""
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path / "nnUNet_raw"
