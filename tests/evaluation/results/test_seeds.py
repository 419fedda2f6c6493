"""Models that were trained several times: means over their trainings, and what each training reached."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from label_images import make_score, write_png
from test_prediction_folders import DATASET, PREDICTED, TRUTH

from nnunetv2_semiseg.evaluation.prediction_folders import evaluate
from nnunetv2_semiseg.evaluation.results.report import Report, read_report, report_to_json
from nnunetv2_semiseg.evaluation.results.seeds import mean_over_seeds, overall_dice
from nnunetv2_semiseg.evaluation.results.summary import summarise
from nnunetv2_semiseg.evaluation.writing.frames import trainings_frame
from nnunetv2_semiseg.evaluation.writing.markdown import report_markdown
from nnunetv2_semiseg.evaluation.writing.tables import costs_table, seeds_text


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """A model of two trainings, one of them perfect, against one of a single training."""
    true = write_png(tmp_path / "true", **TRUTH)
    folders = [write_png(tmp_path / "seed_0", **PREDICTED), write_png(tmp_path / "seed_1", **TRUTH)]
    base = write_png(tmp_path / "base", **PREDICTED)
    return evaluate("Dataset502_P", DATASET, true, {"base": base, "ours": folders}, num_processes=1)


def test_a_score_is_the_mean_over_trainings(report: Report, tmp_path: Path) -> None:
    alone = evaluate(
        "Dataset502_P", DATASET, tmp_path / "true", {"ours": tmp_path / "seed_0"}, num_processes=1
    )
    perfect = {"dice": 1.0, "hd95": 0.0}
    first = {(score.case, score.label): score for score in alone.scores}
    joined = [score for score in report.scores if score.model == "ours"]
    assert [(score.case, score.label) for score in joined] == list(first)
    for score in joined:
        before = first[score.case, score.label]
        if (score.case, score.label) == ("A_2", "cup"):  # the perfect one has it as little as the case
            assert (score.values["dice"], score.empty_reference, score.absent) == (0, True, False)
            continue
        for name, value in perfect.items():
            np.testing.assert_allclose(score.values[name], (before.values[name] + value) / 2)
    assert report.models["ours"] == str(tmp_path / "seed_0")
    assert len(report.scores) == 2 * 3 * 3


def test_comparisons_are_of_the_means(report: Report) -> None:
    found = next(
        entry
        for entry in report.comparisons
        if (entry.domain, entry.label, entry.measure) == ("B", "cup", "dice")
    )
    assert (found.model, found.baseline, found.difference) == ("ours", "base", 0.5)


def test_what_each_training_reached(report: Report, tmp_path: Path) -> None:
    assert list(report.seeds) == ["ours"]
    first, second = report.seeds["ours"]
    assert (second.folder, second.dice) == (str(tmp_path / "seed_1"), 1.0)
    base = [entry for entry in report.summaries if entry.model == "base"]
    assert first.dice == overall_dice(base) < 0.8


def test_the_report_says_so(report: Report, tmp_path: Path) -> None:
    text = report_markdown(report)
    assert f"- ours: {tmp_path / 'seed_0'}, {tmp_path / 'seed_1'}" in text
    assert "Every model was trained 2 times, with other seeds." in text
    assert seeds_text(report) in text
    file = tmp_path / "report.json"
    file.write_text(report_to_json(report))
    assert read_report(file).seeds == report.seeds


def test_without_costs_there_is_no_table_of_trainings(report: Report) -> None:
    assert costs_table(report).empty
    assert trainings_frame(report).empty


def test_one_class_and_domain_are_all_there_is() -> None:
    scores = [make_score("m", "a", dice=0.5), make_score("m", "b", dice=0.7)]
    assert overall_dice(summarise(scores)) == pytest.approx(0.6)


def test_a_miss_in_one_training_leaves_distances_undefined() -> None:
    hit = [make_score("m", "a", dice=0.8, hd95=2)]
    missed = [make_score("m", "a", dice=0, empty_prediction=True)]
    (joined,) = mean_over_seeds([hit, missed])
    assert joined.values["dice"] == 0.4
    assert math.isnan(joined.values["hd95"])
    assert joined.empty_prediction
    (absent,) = mean_over_seeds([[make_score("m", "a")], [make_score("m", "a")]])
    assert absent.absent
