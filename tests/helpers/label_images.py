"""Small label maps on disk, and scores without any."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from PIL import Image

from nnunetv2_semiseg.evaluation.measuring.scores import Score


def write_png(folder: Path, **cases: Any) -> Path:
    """A folder of 2D label maps by case."""
    folder.mkdir(parents=True, exist_ok=True)
    for case, labels in cases.items():
        Image.fromarray(np.array(labels, dtype=np.uint8)).save(folder / f"{case}.png")
    return folder


def write_nifti(folder: Path, spacing: tuple[float, float, float] = (1, 1, 1), **cases: Any) -> Path:
    """A folder of volumes by case; the spacing is that of the array's axes."""
    folder.mkdir(parents=True, exist_ok=True)
    for case, labels in cases.items():
        image = sitk.GetImageFromArray(np.array(labels, dtype=np.uint8))
        image.SetSpacing(spacing[::-1])
        sitk.WriteImage(image, str(folder / f"{case}.nii.gz"))
    return folder


def make_score(
    model: str, case: str, domain: str = "all", dice: float = math.nan, hd95: float = math.nan, **changes: Any
) -> Score:
    """A score that is absent where it has no Dice; Jaccard and ASD are like Dice and HD95."""
    fields: dict[str, Any] = {
        "label": "disc",
        "values": {"dice": dice, "jaccard": dice, "hd95": hd95, "asd": hd95},
        "empty_prediction": False,
        "empty_reference": False,
        "absent": math.isnan(dice),
        "partly_ignored": False,
    }
    return Score(model=model, case=case, domain=domain, **{**fields, **changes})
