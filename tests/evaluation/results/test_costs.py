"""Hours and memory of trainings, and the table that shows them beside Dice."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_code import one_space
from test_report import make_report

from nnunetv2_semiseg.evaluation.results.costs import TrainingCost, training_cost
from nnunetv2_semiseg.evaluation.results.history import FoldHistory
from nnunetv2_semiseg.evaluation.results.report import read_report, report_to_json
from nnunetv2_semiseg.evaluation.results.seeds import SeedResult
from nnunetv2_semiseg.evaluation.writing.frames import trainings_frame
from nnunetv2_semiseg.evaluation.writing.markdown import report_markdown
from nnunetv2_semiseg.evaluation.writing.tables import costs_table, costs_text


def fold(*epochs: tuple[float, float], **peaks: list[float]) -> FoldHistory:
    """A history with the start and end of each epoch in seconds."""
    values = {
        "epoch_start_timestamps": [start for start, _ in epochs],
        "epoch_end_timestamps": [end for _, end in epochs],
        **{f"semiseg/memory/{name}": peak for name, peak in peaks.items()},
    }
    return FoldHistory("fold_0", values)


def test_pauses_do_not_count_and_folds_add_up() -> None:
    resumed_a_day_later = fold((0, 1800), (90_000, 91_800), process=[2, 3])
    other = fold((0, 3600), process=[4])
    assert training_cost([[resumed_a_day_later]]).hours == 1
    cost = training_cost([[resumed_a_day_later, other]])
    assert (cost.hours, cost.process) == (2, 4)
    assert math.isnan(cost.gpu)


def test_seeds_are_averaged_and_their_peaks_are_not() -> None:
    first = fold((0, 3600), gpu=[math.nan, 10.0], process=[2.0])
    cost = training_cost([[first], [fold((0, 10_800), gpu=[12.0], process=[1.0])]])
    assert cost == TrainingCost(hours=2, gpu=12, process=2)


def test_what_was_not_logged_is_unknown() -> None:
    cost = training_cost([[FoldHistory("fold_0", {"train_losses": [1]})]])
    assert all(map(math.isnan, (cost.hours, cost.gpu, cost.process)))
    assert math.isnan(training_cost([]).hours)


def test_the_table() -> None:
    report = make_report()
    assert costs_table(report).empty
    report = replace(report, costs={"base": TrainingCost(1.2345, math.nan, 12.0)})
    table = costs_table(report)
    assert list(table.columns) == ["Dice in %", "training in h", "GPU in GiB", "process in GiB"]
    assert list(table.index) == [("base",), ("a|b, c",)]
    assert table.values.tolist() == [["18.8", "1.23", "-", "12"], ["31.2", "-", "-", "-"]]
    assert "between seeds" not in costs_text(report)


def test_the_table_of_seeds() -> None:
    trainings = (SeedResult("s0", 0.25), SeedResult("s1", 0.35))
    report = replace(make_report(), costs={"base": TrainingCost(2, 3, 4)}, seeds={"base": trainings})
    table = costs_table(report)
    assert list(table.columns[:2]) == ["Dice in %", "of each seed"]
    assert table.loc["base"].values.tolist() == [["30.0 ± 7.1", "25.0, 35.0", "2", "3", "4"]]
    assert table.loc["a|b, c"].values.tolist()[0][:2] == ["31.2", ""]
    assert "between seeds" in costs_text(report)
    (found,) = trainings_frame(report).to_dict("records")
    assert (found["model"], found["hours"], found["dice_of_seed_2"]) == ("base", 2, 0.35)


def test_costs_and_conditions_are_in_the_files(tmp_path: Path) -> None:
    costs = {"base": TrainingCost(2, math.nan, 4)}
    report = replace(make_report(), costs=costs, conditions={"patch": "256 x 256"})
    text = report_markdown(report)
    assert "- patch: 256 x 256\n- Reference: labelsTs" in text
    assert "## Trainings" in text
    assert "| base | 18.8 | 2 | - | 4 |" in one_space(text)
    file = tmp_path / "report.json"
    file.write_text(report_to_json(report))
    read = read_report(file)
    assert read.conditions == {"patch": "256 x 256"}
    assert (read.costs["base"].hours, read.costs["base"].process) == (2, 4)
    assert math.isnan(read.costs["base"].gpu)


def test_a_report_without_them_is_read(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    text = report_to_json(make_report())
    for key in ("seeds", "costs", "conditions"):
        assert f',\n "{key}": {{}}' in text
        text = text.replace(f',\n "{key}": {{}}', "")
    file.write_text(text)
    assert (read_report(file).seeds, read_report(file).costs) == ({}, {})


@pytest.mark.parametrize(("value", "shown"), [(0.01234, "0.0123"), (123.4, "123")])
def test_three_digits(value: float, shown: str) -> None:
    report = replace(make_report(), costs={"base": TrainingCost(value, 1, 1)})
    assert costs_table(report)["training in h"].iloc[0] == shown
