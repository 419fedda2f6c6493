"""From folders to a report: all numbers of a small dataset, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_images import write_nifti, write_png
from nnunetv2.evaluation.evaluate_predictions import compute_metrics
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO

from nnunetv2_semiseg.evaluation.measuring import cases as measuring
from nnunetv2_semiseg.evaluation.measuring.scores import CLASS_MEAN
from nnunetv2_semiseg.evaluation.prediction_folders import evaluate, name_models
from nnunetv2_semiseg.evaluation.results.report import Report, report_to_json
from nnunetv2_semiseg.evaluation.results.summary import DOMAIN_MEAN, Summary

DATASET: dict[str, Any] = {
    "channel_names": {"0": "MRI"},
    "labels": {"background": 0, "disc": 1, "cup": 2},
    "file_ending": ".png",
    "domains": {"A_1": "A", "A_2": "A", "B_1": "B"},
}
TRUTH = {"A_1": [[1, 1, 0], [2, 0, 0]], "A_2": [[1, 0, 0], [0, 0, 0]], "B_1": [[1, 1, 0], [2, 2, 0]]}
PREDICTED = {"A_1": [[1, 0, 0], [2, 0, 0]], "A_2": [[1, 0, 0], [2, 0, 0]], "B_1": [[1, 1, 0], [0, 0, 0]]}


def run(reference: Path, *folders: Path, dataset: dict[str, Any] | None = None, **options: Any) -> Report:
    options = {"num_processes": 1, **options}
    return evaluate("Dataset502_P", dataset or DATASET, reference, name_models(folders), **options)


def summary(report: Report, domain: str, label: str, model: str) -> Summary:
    (found,) = [
        entry
        for entry in report.summaries
        if (entry.domain, entry.label, entry.model) == (domain, label, model)
    ]
    return found


def test_a_small_dataset(tmp_path: Path) -> None:
    true, one = write_png(tmp_path / "true", **TRUTH), write_png(tmp_path / "one", **PREDICTED)
    perfect = write_png(tmp_path / "perfect", **TRUTH)
    report = run(true, one, perfect)
    assert (report.domains, report.classes, report.unit) == (("A", "B"), ("disc", "cup"), "px")
    assert report.models == {"one": str(one), "perfect": str(perfect)}
    assert len(report.scores) == 2 * 3 * 3

    disc, cup = (summary(report, "A", label, "one") for label in ("disc", "cup"))
    assert disc.values["dice"].mean == pytest.approx((2 / 3 + 1) / 2)
    assert (cup.cases, cup.empty_references, cup.values["dice"].mean) == (2, 1, 0.5)
    assert (cup.values["hd95"].mean, cup.values["hd95"].count) == (0, 1)
    assert summary(report, "A", "cup", "perfect").absent == 1
    # of the case's means: (2/3 + 1) / 2 and (1 + 0) / 2
    assert summary(report, "A", CLASS_MEAN, "one").values["dice"].mean == pytest.approx((5 / 6 + 1 / 2) / 2)
    missed = summary(report, "B", "cup", "one")
    assert (missed.empty_predictions, missed.values["dice"].mean) == (1, 0)
    assert math.isnan(summary(report, DOMAIN_MEAN, "cup", "one").values["hd95"].mean)
    assert summary(report, DOMAIN_MEAN, "disc", "one").values["dice"].mean == pytest.approx((5 / 6 + 1) / 2)

    (difference,) = [
        entry
        for entry in report.comparisons
        if (entry.label, entry.domain, entry.measure) == ("disc", "A", "dice")
    ]
    assert (difference.model, difference.baseline, difference.pairs) == ("perfect", "one", 2)
    assert difference.difference == pytest.approx(1 / 6)


def test_volumes_are_measured_in_mm(tmp_path: Path) -> None:
    dataset = {**DATASET, "file_ending": ".nii.gz", "labels": {"background": 0, "organ": 1}}
    del dataset["domains"]
    true, predicted = np.zeros((2, 4, 4, 4), dtype=int)
    true[0, 0, 0] = predicted[2, 0, 0] = 1
    reference = write_nifti(tmp_path / "true", spacing=(3, 1, 1), a=true)
    report = run(reference, write_nifti(tmp_path / "one", spacing=(3, 1, 1), a=predicted), dataset=dataset)
    assert (report.unit, report.domains, report.comparisons) == ("mm", ("all",), ())
    (score,) = report.scores
    assert (score.case, score.values["hd95"], score.values["asd"]) == ("a", 6, 6)


def test_overlaps_of_volumes_are_those_of_nnunet(tmp_path: Path) -> None:
    volumes = np.random.default_rng(0).integers(0, 3, (2, 4, 5, 6))
    true, one = (
        write_nifti(tmp_path / name, a=volume) for name, volume in zip(("true", "one"), volumes, strict=True)
    )
    dataset = {"labels": DATASET["labels"], "file_ending": ".nii.gz"}
    ours = {score.label: score.values for score in run(true, one, dataset=dataset).scores}
    theirs = compute_metrics(str(true / "a.nii.gz"), str(one / "a.nii.gz"), SimpleITKIO(), [1, 2])["metrics"]
    for value, name in ((1, "disc"), (2, "cup")):
        assert ours[name]["dice"] == pytest.approx(theirs[value]["Dice"])
        assert ours[name]["jaccard"] == pytest.approx(theirs[value]["IoU"])


def test_one_case_only(tmp_path: Path) -> None:
    case = {"B_1": TRUTH["B_1"]}
    true, one, two = (write_png(tmp_path / name, **case) for name in ("true", "one", "two"))
    report = run(true, one, two)
    assert summary(report, "B", "disc", "one").values["dice"].mean == 1
    assert math.isnan(summary(report, "B", "disc", "one").values["dice"].std)
    assert all(math.isnan(entry.low) and math.isnan(entry.p_value) for entry in report.comparisons)
    report_to_json(report)


def test_only_common_cases(tmp_path: Path) -> None:
    true = write_png(tmp_path / "true", **TRUTH)
    one = write_png(tmp_path / "one", A_1=TRUTH["A_1"], X=TRUTH["A_1"])
    report = run(true, one, common=True)
    assert {score.case for score in report.scores} == {"A_1"}
    assert report.left_out == ("A_2", "B_1", "X")


def test_a_case_without_domain(tmp_path: Path) -> None:
    true, one = (write_png(tmp_path / name, A_1=[[1]], C_1=[[1]]) for name in ("true", "one"))
    with pytest.raises(ValueError, match="'C_1' has no domain"):
        run(true, one)


def test_cases_are_shared_among_processes_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    true, one = (write_png(tmp_path / name, **TRUTH) for name in ("true", "one"))
    alone = run(true, one)
    assert "cases: 100%" in capsys.readouterr().err
    asked: list[tuple[int, int]] = []

    def in_reverse(work: Any, tasks: Any, num_processes: int, *_: str) -> Any:
        asked.append((len(tasks), num_processes))
        return ((index, work(tasks[index])) for index in reversed(range(len(tasks))))

    monkeypatch.setattr(measuring, "results_of_workers", in_reverse)
    assert report_to_json(run(true, one, num_processes=2)) == report_to_json(alone)
    run(true, one, num_processes=8)
    assert asked == [(3, 2), (3, 3)], "no more processes than cases"


@pytest.mark.parametrize("key", ["tasks", "case_tasks"])
def test_merged_datasets_have_a_command_of_their_own(tmp_path: Path, key: str) -> None:
    with pytest.raises(NotImplementedError, match="nnUNetv2_semiseg_evaluate_tasks"):
        run(tmp_path, tmp_path, dataset={**DATASET, key: {}})


def test_some_label_maps_with_spacing_and_some_without(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    for folder in ("true", "one"):
        (tmp_path / folder).mkdir()
        for case in ("a", "b"):
            tifffile.imwrite(tmp_path / folder / f"{case}.tif", np.ones((2, 5, 5), dtype=np.uint8))
    (tmp_path / "true" / "b.json").write_text('{"spacing": [1, 1, 1]}')
    dataset = {"labels": {"background": 0, "organ": 1}, "file_ending": ".tif"}
    with pytest.raises(ValueError, match=r"a\.tif is in px and .*b\.tif is not: give all"):
        run(tmp_path / "true", tmp_path / "one", dataset=dataset)


def test_names() -> None:
    folders = [Path("a/unet"), Path("b/unet")]
    assert name_models(folders, ["one", "two"]) == {"one": folders[0], "two": folders[1]}
    assert list(name_models([Path("a/unet/")])) == ["unet"]
    with pytest.raises(ValueError, match="2 prediction folders are called 'unet'"):
        name_models(folders)
    with pytest.raises(ValueError, match="2 prediction folders have 1 names"):
        name_models(folders, ["one"])
