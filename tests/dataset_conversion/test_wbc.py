"""The converter of white blood cells: a layout without a split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nnunetv2_semiseg.data.conversion.release import ConversionOptions


def write_release(folder: Path, numbers: dict[str, int]) -> None:
    for domain, number in numbers.items():
        for index in range(1, number + 1):
            for kind in ("image", "mask"):
                (folder / domain / kind).mkdir(parents=True, exist_ok=True)
            image = np.full((12, 10, 3), index, dtype=np.uint8)
            mask = np.zeros((12, 10), dtype=np.uint8)
            mask[:4], mask[4:8] = 128, 255
            Image.fromarray(image).save(folder / domain / "image" / f"{index:03d}.png")
            Image.fromarray(mask).save(folder / domain / "mask" / f"{index:03d}.png")


def test_last_fifth_is_test_and_the_first_are_labeled(
    tmp_path: Path, raw_parent: Path, converter: Any
) -> None:
    write_release(tmp_path / "wbc", {"domain1": 10, "domain2": 5})
    options = ConversionOptions(
        source=tmp_path / "wbc", labeled_domain="domain2", num_labeled=2, dataset_id=506
    )
    folder = converter("Dataset506_WBC").convert(options, raw_parent)
    cases = {
        part: sorted(path.stem.removesuffix("_0000") for path in (folder / part).iterdir())
        for part in ("imagesTr", "imagesUn", "imagesTs")
    }
    assert cases["imagesTr"] == ["domain2_001", "domain2_002"]
    assert cases["imagesTs"] == ["domain1_009", "domain1_010", "domain2_005"]
    assert len(cases["imagesUn"]) == 10
    label = np.asarray(Image.open(folder / "labelsTr" / "domain2_001.png"))
    assert [label[0, 0], label[5, 0], label[11, 0]] == [1, 2, 0]
    assert json.loads((folder / "dataset.json").read_text())["domains"]["domain1_009"] == "domain1"


def test_other_layouts_are_refused(tmp_path: Path, raw_parent: Path, converter: Any) -> None:
    (tmp_path / "wbc" / "domain1").mkdir(parents=True)
    options = ConversionOptions(
        source=tmp_path / "wbc", labeled_domain="domain1", num_labeled=1, dataset_id=506
    )
    with pytest.raises(FileNotFoundError, match=r"DOMAIN/\{image,mask\}/NAME\.png"):
        converter("Dataset506_WBC").convert(options, raw_parent)
