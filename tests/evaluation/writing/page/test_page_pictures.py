"""Pictures of cases, and what stands there where one cannot be made."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from html_page import Page
from label_images import write_nifti, write_png
from page_report import CASES, DATASET, MODELS, disc, make_report
from PIL import Image

from nnunetv2_semiseg.evaluation.prediction_folders import evaluate
from nnunetv2_semiseg.evaluation.results.report import Report
from nnunetv2_semiseg.evaluation.writing.page import page
from nnunetv2_semiseg.evaluation.writing.page.drawing import Picture
from nnunetv2_semiseg.evaluation.writing.page.model_styles import model_styles
from nnunetv2_semiseg.evaluation.writing.page.page import PageSources, report_page
from nnunetv2_semiseg.evaluation.writing.page.shown_cases import shown_cases


@pytest.fixture
def report(tmp_path: Path) -> Report:
    return make_report(tmp_path)


@pytest.fixture(autouse=True)
def _without_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """To draw the other chapters would take most of the time."""
    monkeypatch.setattr(page, "difference_plot", lambda *_: Picture("data:,", 1, ""))
    monkeypatch.setattr(page, "box_plots", lambda *_: [])
    monkeypatch.setattr(page, "scatter_plots", lambda *_: [])


def pictures(report: Report, root: Path, images: str = "imagesTs", dataset: Any = DATASET) -> Page:
    """The page, whose pictures of pixels are all in this chapter."""
    return Page(report_page(report, PageSources(dataset, root / images)))


def colors(picture: bytes) -> Any:
    """``pixels x 3``."""
    return np.array(Image.open(io.BytesIO(picture)).convert("RGB")).reshape(-1, 3)


def test_contours_have_the_colors_of_the_key(report: Report, tmp_path: Path) -> None:
    found = pictures(report, tmp_path).pictures("image/png")
    assert len(found) == 4  # worst and median of two domains
    for color in (*(style.color for style in model_styles(MODELS).values()), "#f0e442"):
        assert (colors(found[0]) == list(bytes.fromhex(color[1:]))).all(axis=1).any()


def test_the_caption_has_the_dice_of_each_model(report: Report, tmp_path: Path) -> None:
    found = pictures(report, tmp_path).text
    for shown in shown_cases(report):
        by_model = [
            f"{model} "
            + ", ".join(
                f"{score.label} {100 * score.values['dice']:.1f}"
                for score in report.scores
                if score.model == model and score.case == shown.case
            )
            for model in MODELS
        ]
        assert f"{shown.why}: {shown.case}Dice in %: {'; '.join(by_model)}" in found


def test_missing_images_are_said_in_one_line(report: Report, tmp_path: Path) -> None:
    found = pictures(report, tmp_path, "nowhere")
    assert f"no images to show: {tmp_path / 'nowhere'} is no folder" in found.text
    assert not found.pictures("image/png")
    for file in (tmp_path / "imagesTs").glob("A_*"):
        file.unlink()
    for case in ("B_1", "B_2", "B_3"):
        (tmp_path / "imagesTs" / f"{case}_0000.png").write_text("no image")
    found = pictures(report, tmp_path)
    assert found.text.count("imagesTs has no image of it") == 2
    assert found.text.count("cannot be read") == 2


def test_one_case_without_image_and_one_of_another_size(report: Report, tmp_path: Path) -> None:
    for file in (tmp_path / "imagesTs").glob("A_*"):
        file.unlink()
    for case in ("B_1", "B_2", "B_3"):
        write_png(tmp_path / "imagesTs", **{f"{case}_0000": np.zeros((4, 4))})
    found = pictures(report, tmp_path)
    assert found.text.count("has no image of it") == 2
    assert found.text.count("has the size (1, 4, 4)") == 2


def test_color_images(report: Report, tmp_path: Path) -> None:
    for case in CASES:
        red = np.zeros((20, 16, 3), dtype=np.uint8)
        red[..., 0] = 255
        Image.fromarray(red).save(tmp_path / "imagesTs" / f"{case}_0000.png")
    found = pictures(report, tmp_path)
    pixels = colors(found.pictures("image/png")[0])
    assert (pixels == [255, 0, 0]).all(axis=1).mean() > 0.1


def test_volumes_have_three_slices(tmp_path: Path) -> None:
    volume = np.stack([disc()] * 4)
    spacing = (3.0, 1.0, 1.0)
    reference = write_nifti(tmp_path / "labelsTs", spacing, a=volume)
    folder = write_nifti(tmp_path / "one", spacing, a=np.roll(volume, 2, axis=2))
    write_nifti(tmp_path / "imagesTs", spacing, a_0000=volume)
    dataset = {**DATASET, "file_ending": ".nii.gz"}
    del dataset["domains"]
    report = evaluate("Dataset502_P", dataset, reference, {"one": folder}, num_processes=1)
    found = pictures(report, tmp_path, dataset=dataset)
    (picture,) = found.pictures("image/png")
    # the image and the model below each other
    assert Image.open(io.BytesIO(picture)).height > 2 * 300


def test_a_report_whose_files_are_gone(tmp_path: Path, report: Report) -> None:
    for file in (tmp_path / "model_0").iterdir():
        file.unlink()
    found = pictures(report, tmp_path)
    assert found.text.count("no picture, ") == 4
