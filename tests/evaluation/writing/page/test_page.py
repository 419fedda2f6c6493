"""The page as a whole: sound HTML, nothing from outside, every name there and escaped."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from html_page import Page
from label_images import make_score, write_png
from page_report import DATASET, EVIL, MODELS, disc, make_report

from nnunetv2_semiseg.evaluation.prediction_folders import evaluate
from nnunetv2_semiseg.evaluation.results.costs import TrainingCost
from nnunetv2_semiseg.evaluation.results.differences import paired_differences
from nnunetv2_semiseg.evaluation.results.history import FoldHistory
from nnunetv2_semiseg.evaluation.results.report import Report
from nnunetv2_semiseg.evaluation.results.seeds import SeedResult
from nnunetv2_semiseg.evaluation.results.summary import summarise
from nnunetv2_semiseg.evaluation.writing.page.curves import training_curves
from nnunetv2_semiseg.evaluation.writing.page.model_styles import model_styles
from nnunetv2_semiseg.evaluation.writing.page.page import PageSources, report_page


def history(**values: list[float]) -> list[FoldHistory]:
    return [FoldHistory("fold_0", {key.replace("__", "/"): value for key, value in values.items()})]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def report(root: Path) -> Report:
    return make_report(root)


@pytest.fixture(scope="module")
def sources(root: Path) -> PageSources:
    (first,) = history(train_losses=[1, 0.5], semiseg__measure__alpha=[0.1, 0.2])
    folds = [replace(first, trainer="nnUNetTrainerCPS"), FoldHistory(EVIL, {"train_losses": [1, 0.5]})]
    return PageSources(DATASET, root / "imagesTs", {MODELS[1]: folds})


@pytest.fixture(scope="module")
def content(report: Report, sources: PageSources) -> str:
    """The page, made once: most of the time goes into its figures."""
    return report_page(report, sources)


def test_every_name_is_there_and_escaped(content: str) -> None:
    assert content.startswith("<!DOCTYPE html>")
    page = Page(content)
    assert {"script", "b", "i", "link", "iframe"}.isdisjoint(page.tags)
    for name in (*MODELS, "disc <i>", "cup", "mean of classes", "A & 'site'", "Dataset502_<P>"):
        assert name in page.text
    assert "5 cases (A & 'site' 2, B & 'site' 3); 2 classes" in page.text
    assert page.text.count("A & 'site'n = 2") == 4, "above the means of each measure"
    assert re.search(r"B & 'site', worst of 3 cases: B_\d", page.text)
    assert re.search(r"A & 'site', (worst|median) of 2 cases: A_<b>1", page.text)
    assert "difference in Dice to U-Net & Co. A point is its mean, the line the 95 % interval" in page.text
    assert "No model folder is named for U-Net & Co." in page.text
    # so that model folders in another order than the predictions are seen
    assert f"Shown: {MODELS[1]} (nnUNetTrainerCPS: fold_0, {EVIL})." in page.text
    assert EVIL not in content


def test_nothing_comes_from_outside(content: str) -> None:
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


def test_the_chapters_and_their_figures(content: str) -> None:
    page = Page(content)
    assert page.ids == ["means", "differences", "empty", "boxes", "cases", "pictures", "training"]
    # of differences; of two classes and their mean; of the second model; of losses and measures
    assert len(page.pictures("image/svg+xml")) == 1 + 3 + 1 + 2
    pictures = page.pictures("image/png")
    assert len(pictures) == 4  # worst and median of two domains
    assert len(page.alts) == 11


def test_the_same_report_gives_the_same_page(content: str, report: Report, sources: PageSources) -> None:
    assert report_page(report, sources) == content


def test_lines_part_classes_and_no_models(content: str, report: Report, sources: PageSources) -> None:
    def chapter(page: str, anchor: str) -> str:
        return page[page.index(f'<section id="{anchor}">') :].split("</section>")[0]

    # two classes and their mean in the tables of four measures; of one model the domains
    assert chapter(content, "means").count('<tr class="first">') == 4 * 2
    assert chapter(content, "differences").count('<tr class="first">') == 2
    costs = dict.fromkeys(MODELS, TrainingCost(1, 2, 3))
    assert "first" not in chapter(report_page(replace(report, costs=costs), sources), "trainings")


def test_a_domain_may_be_called_like_a_column(report: Report, sources: PageSources) -> None:
    scores = tuple(replace(score, domain="model") for score in report.scores)
    renamed = replace(
        report,
        scores=scores,
        domains=("model",),
        summaries=tuple(summarise(scores)),
        comparisons=tuple(paired_differences(scores, MODELS)),
    )
    assert "5 cases (model 5)" in Page(report_page(renamed, sources)).text


def test_training_curves_are_of_all_values() -> None:
    values = {"train_losses": [1.0, 0.5], "epoch_end_timestamps": [1.0, 2.0]}
    values |= {f"semiseg__{name}": [0.1, 0.2] for name in ("loss__consistency", "lr__network")}
    measures = ("alpha", "confident_share", "agreement", "own_new")
    values |= {f"semiseg__measure__{name}": [0.1, float("nan")] for name in measures}
    values["semiseg__measure__never"] = [float("nan")] * 2
    curves = training_curves({MODELS[0]: history(**values)}, model_styles(MODELS))
    assert [picture.description for picture in curves.pictures.values()] == [
        "Losses and Dice by epoch: training loss, all terms",
        "Loss terms, unweighted by epoch: consistency",
        "Measures by epoch: agreement of pseudo-labels, α, share of confident pixels, own new",  # noqa: RUF001
        "Learning rates by epoch: learning rate of network",
    ]


def test_folds_without_a_known_trainer_are_named_alone() -> None:
    curves = training_curves({MODELS[1]: history(train_losses=[1.0, 0.5])}, model_styles(MODELS))
    assert curves.folds == {MODELS[1]: "fold_0"}


def test_one_model_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    reference = write_png(tmp_path / "labelsTs", a=disc(), b=np.zeros((20, 16)))
    folder = write_png(tmp_path / "one", a=disc(), b=np.zeros((20, 16)))
    dataset = {"labels": {"background": 0, "all": [1, 2], "cup": 2}, "file_ending": ".png"}
    report = evaluate("Dataset502_P", dataset, reference, {"one": folder}, num_processes=1)
    write_png(tmp_path / "imagesTs", a_0000=disc(), b_0000=disc())
    page = Page(report_page(report, PageSources(dataset, tmp_path / "imagesTs")))
    assert page.ids == ["means", "empty", "boxes", "pictures"]
    assert "all, the only case: a" in page.text  # b has no class and no Dice
    assert "2 cases; 2 classes: all, cup; 1 model." in page.text


def test_more_models_than_colors() -> None:
    styles = model_styles(map(str, range(40)))
    assert len({(style.color, style.marker) for style in styles.values()}) == 40
    assert len({style.line for style in styles.values()}) == 4


def test_scores_without_any_value_have_plots(report: Report, sources: PageSources) -> None:
    scores = tuple(make_score(model, "A_2", "A & 'site'", label="cup") for model in MODELS)
    empty = replace(
        report,
        classes=("cup",),
        domains=("A & 'site'",),
        scores=scores,
        summaries=tuple(summarise(scores)),
        comparisons=tuple(paired_differences(scores, MODELS)),
    )
    assert len(Page(report_page(empty, replace(sources, trainings={}))).pictures("image/svg+xml")) == 3


def test_trainings_of_several_seeds(root: Path, report: Report, sources: PageSources) -> None:
    first, second = MODELS
    seeds = {second: (SeedResult("one <b>", 0.5), SeedResult("two", 0.7))}
    costs = {first: TrainingCost(0.5, math.nan, 2), second: TrainingCost(1.5, 10, 4)}
    conditions = {"labeled <b> cases": "20"}
    trainings = {first: history(train_losses=[1, 0.5]), second: []}
    changed = replace(report, seeds=seeds, costs=costs, conditions=conditions)
    content = report_page(changed, replace(sources, trainings=trainings))
    page = Page(content)
    assert "<b>" not in content
    assert "The same for all models: labeled <b> cases: 20." in page.text
    assert "Every model was trained 2 times" in page.text
    assert "The contours are of each model's first training" in page.text
    assert "60.0 ± 14.1" in page.text
    assert "one <b>" in page.text
    assert f"Trained together with one of these: {second}." in page.text
