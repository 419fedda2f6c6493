"""The page as a whole: sound HTML, nothing from outside, every name there and escaped."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from html_page import Page
from label_images import make_score, write_nifti, write_png
from PIL import Image

from nnunetv2_semiseg.evaluation.evaluate import evaluate
from nnunetv2_semiseg.evaluation.page.build import PageSources, report_page
from nnunetv2_semiseg.evaluation.page.looks import looks_of
from nnunetv2_semiseg.evaluation.page.training import FoldHistory
from nnunetv2_semiseg.evaluation.report import Report

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


@pytest.fixture
def report(tmp_path: Path) -> Report:
    reference = write_png(tmp_path / "labelsTs", **{case: disc() for case in CASES})
    folders = {}
    for number, model in enumerate(MODELS):
        shifted = {case: disc((index + number) % 4) for index, case in enumerate(CASES)}
        folders[model] = write_png(tmp_path / f"model_{number}", **shifted)
    write_png(tmp_path / "imagesTs", **{f"{case}_0000": 40 * disc() for case in CASES})
    return evaluate("Dataset502_<P>", DATASET, reference, folders, num_processes=1)


def sources(tmp_path: Path, **changes: Any) -> PageSources:
    return PageSources(**{"dataset_json": DATASET, "images": tmp_path / "imagesTs", **changes})


def history(**values: list[float]) -> list[FoldHistory]:
    return [FoldHistory("fold_0", {key.replace("__", "/"): value for key, value in values.items()})]


def test_every_name_is_there_and_escaped(report: Report, tmp_path: Path) -> None:
    trainings = {MODELS[1]: history(train_losses=[1, 0.5], semiseg__measure__alpha=[0.1, 0.2])}
    content = report_page(report, sources(tmp_path, trainings=trainings))
    page = Page(content)
    assert {"script", "b", "i", "link", "iframe"}.isdisjoint(page.tags)
    for name in (*MODELS, "disc <i>", "cup", "mean of classes", "A & 'site'", "Dataset502_<P>"):
        assert name in page.text
    assert "5 cases (A & 'site' 2, B & 'site' 3); 2 classes" in page.text
    assert re.search(r"B & 'site', worst of 3 cases: B_\d", page.text)
    assert re.search(r"A & 'site', (worst|median) of 2 cases: A_<b>1", page.text)
    assert "No model folder is named for U-Net & Co." in page.text
    assert EVIL not in content


def test_nothing_comes_from_outside(report: Report, tmp_path: Path) -> None:
    content = report_page(report, sources(tmp_path))
    page = Page(content)
    targets = {link[1:] for link in page.links if link.startswith("#")}
    assert targets == set(page.ids)
    assert len(page.ids) == len(targets)
    assert all(link.startswith(("#", "data:image/")) for link in page.links)
    assert "url(" not in content
    assert "@import" not in content
    assert "default-src 'none'" in content
    for drawing in page.pictures("image/svg+xml"):
        found = re.findall(rb'(?:href|src)="([^"]*)"', drawing)
        assert all(link.startswith((b"#", b"data:")) for link in found)
        assert b"<script" not in drawing


def test_the_chapters_and_their_figures(report: Report, tmp_path: Path) -> None:
    page = Page(report_page(report, sources(tmp_path)))
    assert page.ids == ["means", "differences", "empty", "boxes", "cases", "pictures"]
    # of two classes and their mean; of the second model
    assert len(page.pictures("image/svg+xml")) == 3 + 1
    pictures = page.pictures("image/png")
    assert len(pictures) == 4  # worst and median of two domains
    assert len(page.alts) == 8
    colors = np.array(Image.open(io.BytesIO(pictures[0])).convert("RGB")).reshape(-1, 3)
    for color in (*(look.color for look in looks_of(MODELS).values()), "#f0e442"):
        assert (colors == list(bytes.fromhex(color[1:]))).all(axis=1).any()


def test_the_same_report_gives_the_same_page(report: Report, tmp_path: Path) -> None:
    assert report_page(report, sources(tmp_path)) == report_page(report, sources(tmp_path))


def test_training_curves_are_of_all_values(report: Report, tmp_path: Path) -> None:
    values = {"train_losses": [1.0, 0.5], "epoch_end_timestamps": [1.0, 2.0]}
    values |= {f"semiseg__{name}": [0.1, 0.2] for name in ("loss__consistency", "lr__network")}
    measures = ("alpha", "confident_share", "agreement", "own_new")
    values |= {f"semiseg__measure__{name}": [0.1, float("nan")] for name in measures}
    values["semiseg__measure__never"] = [float("nan")] * 2
    page = Page(report_page(report, sources(tmp_path, trainings={MODELS[0]: history(**values)})))
    assert [alt for alt in page.alts if "by epoch" in alt] == [
        "Losses and Dice by epoch: training loss, all terms",
        "Loss terms, unweighted by epoch: consistency",
        "Measures by epoch: agreement of pseudo-labels, α, share of confident pixels, own new",  # noqa: RUF001
        "Learning rates by epoch: learning rate of network",
    ]


def test_missing_images_are_said_in_one_line(report: Report, tmp_path: Path) -> None:
    page = Page(report_page(report, sources(tmp_path, images=tmp_path / "nowhere")))
    assert f"no images to show: {tmp_path / 'nowhere'} is no folder" in page.text
    assert not page.pictures("image/png")
    for file in (tmp_path / "imagesTs").glob("A_*"):
        file.unlink()
    for case in ("B_1", "B_2", "B_3"):
        (tmp_path / "imagesTs" / f"{case}_0000.png").write_text("no image")
    page = Page(report_page(report, sources(tmp_path)))
    assert page.text.count("imagesTs has no image of it") == 0
    assert page.text.count("cannot be read") == 2


def test_one_case_without_image_and_one_of_another_size(report: Report, tmp_path: Path) -> None:
    for file in (tmp_path / "imagesTs").glob("A_*"):
        file.unlink()
    for case in ("B_1", "B_2", "B_3"):
        write_png(tmp_path / "imagesTs", **{f"{case}_0000": np.zeros((4, 4))})
    page = Page(report_page(report, sources(tmp_path)))
    assert page.text.count("has no image of it") == 2
    assert page.text.count("has the size (1, 4, 4)") == 2


def test_one_model_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    reference = write_png(tmp_path / "labelsTs", a=disc(), b=np.zeros((20, 16)))
    folder = write_png(tmp_path / "one", a=disc(), b=np.zeros((20, 16)))
    dataset = {"labels": {"background": 0, "all": [1, 2], "cup": 2}, "file_ending": ".png"}
    report = evaluate("Dataset502_P", dataset, reference, {"one": folder}, num_processes=1)
    write_png(tmp_path / "imagesTs", a_0000=disc(), b_0000=disc())
    page = Page(report_page(report, sources(tmp_path, dataset_json=dataset)))
    assert page.ids == ["means", "empty", "boxes", "pictures"]
    assert "all, the only case: a" in page.text  # b has no class and no Dice
    assert "2 cases; 2 classes: all, cup; 1 model." in page.text


def test_color_images(report: Report, tmp_path: Path) -> None:
    for case in CASES:
        red = np.zeros((20, 16, 3), dtype=np.uint8)
        red[..., 0] = 255
        Image.fromarray(red).save(tmp_path / "imagesTs" / f"{case}_0000.png")
    page = Page(report_page(report, sources(tmp_path)))
    pixels = np.array(Image.open(io.BytesIO(page.pictures("image/png")[0])).convert("RGB"))
    assert (pixels.reshape(-1, 3) == [255, 0, 0]).all(axis=1).mean() > 0.1


def test_volumes_have_three_slices(tmp_path: Path) -> None:
    volume = np.stack([disc()] * 4)
    spacing = (3.0, 1.0, 1.0)
    reference = write_nifti(tmp_path / "labelsTs", spacing, a=volume)
    folder = write_nifti(tmp_path / "one", spacing, a=np.roll(volume, 2, axis=2))
    write_nifti(tmp_path / "imagesTs", spacing, a_0000=volume)
    dataset = {**DATASET, "file_ending": ".nii.gz"}
    del dataset["domains"]
    report = evaluate("Dataset502_P", dataset, reference, {"one": folder}, num_processes=1)
    page = Page(report_page(report, sources(tmp_path, dataset_json=dataset)))
    (picture,) = page.pictures("image/png")
    # the image and the model below each other
    assert Image.open(io.BytesIO(picture)).height > 2 * 300
    assert "HD95 in mm" in page.text


def test_more_models_than_colors() -> None:
    looks = looks_of(map(str, range(40)))
    assert len({(look.color, look.marker) for look in looks.values()}) == 40
    assert len({look.line for look in looks.values()}) == 4


def test_a_report_whose_files_are_gone(tmp_path: Path, report: Report) -> None:
    for file in (tmp_path / "model_0").iterdir():
        file.unlink()
    page = Page(report_page(report, sources(tmp_path)))
    assert page.text.count("no picture, ") == 4


def test_scores_without_any_value_have_plots(tmp_path: Path, report: Report) -> None:
    from dataclasses import replace

    from nnunetv2_semiseg.evaluation.comparison import compare
    from nnunetv2_semiseg.evaluation.summary import summarise

    scores = tuple(make_score(model, "A_2", "A & 'site'", label="cup") for model in MODELS)
    empty = replace(
        report,
        classes=("cup",),
        domains=("A & 'site'",),
        scores=scores,
        summaries=tuple(summarise(scores)),
        comparisons=tuple(compare(scores, MODELS)),
    )
    assert len(Page(report_page(empty, sources(tmp_path))).pictures("image/svg+xml")) == 2
