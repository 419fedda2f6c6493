"""A small dataset with hostile names, its predictions and images, and their report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from label_images import write_png

from nnunetv2_semiseg.evaluation.prediction_folders import evaluate
from nnunetv2_semiseg.evaluation.results.report import Report

EVIL = '<script>alert("1")</script>'
MODELS = ("U-Net & Co", f"{EVIL} $x^$")
CASES = ["A_<b>1", "A_2", "B_1", "B_2", "B_3"]
DATASET: dict[str, Any] = {
    "channel_names": {"0": "MRI"},
    "labels": {"background": 0, "disc <i>": 1, "cup": 2},
    "file_ending": ".png",
    "domains": {case: f"{case[0]} & 'site'" for case in CASES},
}


def disc(shift: int = 0) -> np.ndarray[Any, Any]:
    """A disc with a cup in it, in 20 x 16 pixels."""
    y, x = np.mgrid[:20, :16]
    distance = np.hypot(y - 9, x - 7 - shift)
    return (distance < 5).astype(np.uint8) + (distance < 2.5)


def make_report(root: Path) -> Report:
    """Writes the files below ``root``: labelsTs, model_0, model_1, imagesTs."""
    reference = write_png(root / "labelsTs", **{case: disc() for case in CASES})
    folders = {}
    for number, model in enumerate(MODELS):
        shifted = {case: disc((index + number) % 4) for index, case in enumerate(CASES)}
        folders[model] = write_png(root / f"model_{number}", **shifted)
    write_png(root / "imagesTs", **{f"{case}_0000": 40 * disc() for case in CASES})
    return evaluate("Dataset502_<P>", DATASET, reference, folders, num_processes=1)
