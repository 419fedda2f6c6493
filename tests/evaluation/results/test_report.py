"""Reports as JSON, CSV and Markdown, and the folder that they are written to."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from label_images import make_score
from markdown_code import one_space

from nnunetv2_semiseg.evaluation.results.costs import TrainingCost
from nnunetv2_semiseg.evaluation.results.differences import paired_differences
from nnunetv2_semiseg.evaluation.results.report import Report, read_report, report_to_json
from nnunetv2_semiseg.evaluation.results.summary import summarise
from nnunetv2_semiseg.evaluation.writing.folder import FILES, check_output, write_report
from nnunetv2_semiseg.evaluation.writing.frames import differences_frame, scores_frame, summaries_frame
from nnunetv2_semiseg.evaluation.writing.markdown import report_markdown


def make_report(models: tuple[str, ...] = ("base", "a|b, c"), left_out: tuple[str, ...] = ()) -> Report:
    scores = []
    for offset, model in enumerate(models):
        scores.append(make_score(model, "x_1", "A", 0.5 + 0.25 * offset, 2))
        scores.append(make_score(model, "x_2", "A", 0.25 + 0.25 * offset, 4))
        scores.append(make_score(model, "y_1", "B", 0, empty_prediction=True))
    return Report(
        dataset="Dataset502_Prostate",
        reference="labelsTs",
        models={model: f"folder{index}" for index, model in enumerate(models)},
        classes=("disc",),
        domains=("A", "B"),
        unit="mm",
        seed=0,
        resamples=10_000,
        confidence=0.95,
        left_out=left_out,
        scores=tuple(scores),
        summaries=tuple(summarise(scores)),
        comparisons=tuple(paired_differences(scores, models)),
    )


def test_json_is_strict_and_comes_back_whole(tmp_path: Path) -> None:
    report = make_report(left_out=("z",))
    text = report_to_json(report)
    assert "NaN" not in text
    assert json.loads(text)["scores"][2]["values"]["hd95"] is None
    file = tmp_path / "report.json"
    file.write_text(text)
    read = read_report(file)
    # NaN is unequal to itself
    assert report_to_json(read) == text
    assert read.scores[0] == report.scores[0]
    assert math.isnan(read.scores[2].values["hd95"])
    assert read.summaries[0] == report.summaries[0]
    assert read.comparisons[0].difference == 0.25
    assert (read.models, read.domains, read.left_out) == (report.models, ("A", "B"), ("z",))


def test_reports_of_versions_without_t_intervals_are_still_read(tmp_path: Path) -> None:
    content = json.loads(report_to_json(make_report()))
    assert content["comparisons"][0].pop("interval") == "t"
    for entry in content["comparisons"][1:]:
        del entry["interval"]
    file = tmp_path / "report.json"
    file.write_text(json.dumps(content))
    assert read_report(file).comparisons[0].interval == "bootstrap"


@pytest.mark.parametrize(
    "text", ['{"format": 0}', "[]", "{", '{"summary": 1}', '{"format": 1}', '{"format": 1, "scores": 3}']
)
def test_other_json_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "summary.json"
    file.write_text(text)
    with pytest.raises(ValueError, match="evaluate again"):
        read_report(file)


def test_scores_as_numbers() -> None:
    found = scores_frame(make_report()).to_dict("records")
    assert len(found) == 6
    last = found[5]
    assert math.isnan(last.pop("hd95"))
    assert math.isnan(last.pop("asd"))
    assert last == {
        "model": "a|b, c",
        "case": "y_1",
        "domain": "B",
        "label": "disc",
        "dice": 0,
        "jaccard": 0,
        "empty_prediction": 1,
        "empty_reference": 0,
        "absent": 0,
        "partly_ignored": 0,
    }


def test_summaries_as_numbers() -> None:
    first, second, mean = summaries_frame(make_report(("base",))).to_dict("records")
    assert list(first)[:3] == ["model", "domain", "label"]
    assert (first["domain"], first["dice_mean"], first["hd95_mean"]) == ("A", 0.375, 3.0)
    assert (second["empty_predictions"], second["hd95_count"]) == (1, 0)
    assert math.isnan(second["hd95_mean"])
    assert (mean["domain"], mean["cases"], mean["dice_mean"]) == ("mean of domains", 3, 0.1875)


def test_differences_as_numbers() -> None:
    found = differences_frame(make_report()).to_dict("records")
    assert (found[0]["model"], found[0]["domain"], found[0]["measure"]) == ("a|b, c", "A", "dice")
    assert (found[0]["pairs"], found[0]["difference"], found[0]["low"]) == (2, 0.25, 0.25)
    assert (found[0]["interval"], found[4]["interval"]) == ("t", "")


def test_csv_files_have_all_digits_and_empty_cells(tmp_path: Path) -> None:
    report = make_report()
    write_report(report, tmp_path / "report")
    lines = (tmp_path / "report" / "scores.csv").read_text().splitlines()
    assert lines[0].startswith("model,case,domain,label,dice,jaccard,hd95,asd,empty_prediction,")
    assert lines[6] == '"a|b, c",y_1,B,disc,0.0,0.0,,,1,0,0,0'
    values = dict.fromkeys(report.scores[0].values, 1 / 3)
    precise = replace(report, scores=(replace(report.scores[0], values=values),))
    write_report(precise, tmp_path / "precise")
    (dice,) = pd.read_csv(tmp_path / "precise" / "scores.csv", float_precision="round_trip")["dice"]
    assert dice == 1 / 3


def test_markdown() -> None:
    lines = one_space(report_markdown(make_report(left_out=("z_1", "z_2")))).splitlines()
    assert "- Not measured, as not all folders have them: z_1, z_2" in lines
    assert "| disc | base | 37.5 ± 17.7 | 0.0 | 18.8 ± 26.5 |" in lines
    assert "| disc | a\\|b, c | 3.00 ± 1.41 | - (0 of 1) | - |" in lines
    assert "| disc | base | B | 1 | 1 | 0 | 0 | 0 |" in lines
    (difference,) = [line for line in lines if line.startswith("| disc | A | ")]
    assert "| +25.0 [+25.0 to +25.0, t], p = 0.5 (n = 2) |" in difference
    assert "| +0.00 [+0.00 to +0.00, t], p = - (n = 2) |" in difference
    assert "where marked t, Student's t interval, as a domain has fewer than 20 pairs" in " ".join(lines)


def test_a_domain_may_be_called_like_a_column() -> None:
    scores = [make_score("base", f"{domain}_1", domain, 0.5) for domain in ("class", "model")]
    report = replace(make_report(("base",)), scores=tuple(scores), domains=("class", "model"))
    report = replace(report, summaries=tuple(summarise(scores)))
    lines = one_space(report_markdown(report)).splitlines()
    assert "| class | model | class | model | mean of domains |" in lines
    assert "| disc | base | 50.0 | 50.0 | 50.0 ± 0.0 |" in lines


def test_markdown_of_one_model_has_no_differences() -> None:
    text = report_markdown(make_report(("base",)))
    assert "Differences" not in text


def test_a_report_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "report"
    report = replace(make_report(), costs={"base": TrainingCost(1, 2, 3)})
    write_report(report, folder, page="<p>µ</p>")
    assert sorted(file.name for file in folder.iterdir()) == sorted(FILES)
    assert (folder / "report.html").read_bytes() == "<p>µ</p>".encode()
    assert sorted(file.name for file in folder.parent.iterdir()) == ["report"]
    assert read_report(folder / "report.json").dataset == "Dataset502_Prostate"


def test_an_older_report_is_replaced_as_a_whole_and_on_demand_only(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    write_report(make_report(), folder)
    with pytest.raises(ValueError, match="has a report: use --overwrite"):
        write_report(make_report(), folder)
    write_report(make_report(("base",)), folder, overwrite=True)
    assert not (folder / "comparisons.csv").exists()


def test_other_files_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ValueError, match=r"other files, for example thesis\.tex"):
        check_output(tmp_path, overwrite=True)
    with pytest.raises(ValueError, match="is a file"):
        check_output(tmp_path / "thesis.tex")


def test_nothing_is_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Path, target: Path, old: Path) -> None:
        raise OSError("disk full")

    write_report(make_report(), tmp_path / "report")
    before = (tmp_path / "report" / "report.json").read_text()
    monkeypatch.setattr("nnunetv2_semiseg.core.files._replace_folder", fail)
    with pytest.raises(OSError, match="disk full"):
        write_report(make_report(("base",)), tmp_path / "report", overwrite=True)
    assert (tmp_path / "report" / "report.json").read_text() == before
    assert [file.name for file in tmp_path.iterdir()] == ["report"]
