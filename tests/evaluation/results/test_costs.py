"""Hours and memory of trainings, and the table that shows them beside Dice."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from test_report import make_report, rows

from nnunetv2_semiseg.evaluation.results.costs import TrainingCost, training_cost
from nnunetv2_semiseg.evaluation.results.history import FoldHistory
from nnunetv2_semiseg.evaluation.results.report import read_report, report_to_json
from nnunetv2_semiseg.evaluation.results.seeds import SeedResult
from nnunetv2_semiseg.evaluation.writing.markdown import report_markdown
from nnunetv2_semiseg.evaluation.writing.rows import cost_rows, costs_text
from nnunetv2_semiseg.evaluation.writing.tables import trainings_csv


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
    assert not cost_rows(report).rows
    report = replace(report, costs={"base": TrainingCost(1.2345, math.nan, 12.0)})
    table = cost_rows(report)
    assert table.header == ("model", "Dice in %", "training in h", "GPU in GiB", "process in GiB")
    assert table.rows == (("base", "18.8", "1.23", "-", "12"), ("a|b, c", "31.2", "-", "-", "-"))
    assert "between seeds" not in costs_text(report)


def test_the_table_of_seeds() -> None:
    trainings = (SeedResult("s0", 0.25), SeedResult("s1", 0.35))
    report = replace(make_report(), costs={"base": TrainingCost(2, 3, 4)}, seeds={"base": trainings})
    table = cost_rows(report)
    assert table.header[1:3] == ("Dice in %", "of each seed")
    assert table.rows[0] == ("base", "30.0 ± 7.1", "25.0, 35.0", "2", "3", "4")
    assert table.rows[1][:3] == ("a|b, c", "31.2", "")
    assert "between seeds" in costs_text(report)
    (found,) = rows(trainings_csv(report))
    assert (found["model"], found["hours"], found["dice_of_seed_2"]) == ("base", "2", "0.35")


def test_costs_and_conditions_are_in_the_files(tmp_path: Path) -> None:
    costs = {"base": TrainingCost(2, math.nan, 4)}
    report = replace(make_report(), costs=costs, conditions={"patch": "256 x 256"})
    text = report_markdown(report)
    assert "- patch: 256 x 256\n- Reference: labelsTs" in text
    assert "## Trainings" in text
    assert "| base | 18.8 | 2 | - | 4 |" in text
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
    assert cost_rows(report).rows[0][2] == shown
