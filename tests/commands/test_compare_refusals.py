"""What ``nnUNetv2_semiseg_compare`` refuses, before it has run anything."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fake_commands import Compare, FakeCommands, refused
from filelock import FileLock

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace


@pytest.mark.parametrize(
    ("more", "changes", "message"),
    [
        (
            (),
            {"trainers": ("nnUNetTrainerFixMatsch",)},
            "no trainer nnUNetTrainerFixMatsch: take one of",
        ),
        (
            (),
            {"configuration": "3d_fullres"},
            "configuration '3d_fullres' is not in the plans; they",
        ),
        (("-f", "7"), {}, "fold 7 does not exist"),
        ((), {"iterations": ("--iterations", "251")}, "no multiple of the 250 iterations of an epoch"),
        (("--name", "a/b"), {}, "--name 'a/b': use letters"),
        (("--name", "a__b"), {}, "--name 'a__b': use letters"),
        (("--settings", "epohcs=3"), {}, "unknown key 'epohcs'"),
        (("--settings", "epochs"), {}, "'epochs' is not of the form key=value"),
        (("-p", "nnUNetResEncUNetMPlans"), {}, "run nnUNetv2_plan_and_preprocess"),
        ((), {"devices": ("gpu",)}, "--devices gpu: give cuda"),
        (
            (),
            {"trainers": ("nnUNetTrainer", "nnUNetTrainerSynFoC"), "configuration": "2d_small"},
            "nnUNetTrainerSynFoC: this method needs a foundation checkpoint and MedSAM's",
        ),
        (
            ("--settings", "synfoc.foundation.checkpoint=nowhere.pth"),
            {"trainers": ("nnUNetTrainer", "nnUNetTrainerSynFoC")},
            "nowhere.pth",
        ),
    ],
)
def test_mistakes_end_with_one_line_before_any_training(
    compare: Compare,
    commands: FakeCommands,
    capsys: pytest.CaptureFixture[str],
    more: tuple[str, ...],
    changes: dict[str, object],
    message: str,
) -> None:
    assert message in refused(compare, capsys, *more, **changes)
    assert commands.run == []


@pytest.mark.parametrize("option", [("--iterations", "0"), ("--seeds", "0"), ("--iterations", "many")])
def test_numbers_that_make_no_sense(
    compare: Compare, capsys: pytest.CaptureFixture[str], option: tuple[str, str]
) -> None:
    with pytest.raises(SystemExit):
        compare(*option)
    assert f"argument {option[0]}" in capsys.readouterr().err


def test_a_trainer_that_cannot_do_the_configuration(
    compare: Compare, commands: FakeCommands, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    plans = workspace.read_plans()
    plans["configurations"]["3d_small"] = {"inherits_from": "2d_small", "patch_size": [8, 32, 32]}
    workspace.write_plans(plans)
    trainers = ("nnUNetTrainerSynFoC",)
    error = refused(compare, capsys, configuration="3d_small", trainers=trainers)
    assert "synfoc works on 2D patches" in error
    assert commands.run == []


@pytest.mark.parametrize(
    ("folder", "message"),
    [("imagesTs", "imagesTs has no test images"), ("labelsTs", "labelsTs does not exist: put the true")],
)
def test_datasets_without_a_test_set(
    compare: Compare, workspace: Workspace, capsys: pytest.CaptureFixture[str], folder: str, message: str
) -> None:
    shutil.rmtree(workspace.raw / folder)
    assert message in refused(compare, capsys)


def test_images_that_are_not_preprocessed(
    compare: Compare, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(workspace.preprocessed / "nnUNetPlans_2d")
    assert "no preprocessed labeled cases" in refused(compare, capsys)


def test_trainings_of_other_conditions_are_not_gone_on_with(
    compare: Compare, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    compare()
    shutil.rmtree("report")
    error = refused(compare, capsys, iterations=("--iterations", "4"))
    assert "'2d_small_compare_seed0' exists and is another one (it has iterations_per_epoch=2)" in error
    plans = workspace.read_plans()
    plans["configurations"]["2d_small"]["patch_size"] = [64, 32]
    workspace.write_plans(plans)
    assert "was trained with another patch_size ([32, 32], now [64, 32])" in refused(compare, capsys)


def test_other_unlabeled_images_than_those_of_the_first_trainings(
    compare: Compare, commands: FakeCommands, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    compare()
    assert "unlabeled cases: " in capsys.readouterr().out
    shutil.rmtree("report")
    commands.programs()
    image = sorted((workspace.raw / "imagesUn").iterdir())[0]
    added = image.with_name(f"added_later_0000{''.join(image.suffixes)}")
    shutil.copyfile(image, added)
    error = refused(compare, capsys, "--seeds", "2")
    assert "imagesUn has changed since this comparison began (case added_later): choose another" in error
    assert commands.run == []
    compare("--seeds", "2", trainers=("nnUNetTrainer",))
    compare("--name", "with_more_images", "--overwrite")
    added.unlink()
    compare("--overwrite")


def test_unlabeled_images_may_change_before_the_first_training(
    compare: Compare, commands: FakeCommands, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    commands.failing = "nnUNetv2_semiseg_preprocess"
    refused(compare, capsys)
    sorted((workspace.raw / "imagesUn").iterdir())[0].unlink()
    commands.failing = ""
    compare()


def test_no_unlabeled_images(
    compare: Compare, commands: FakeCommands, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(workspace.raw / "imagesUn")
    assert "no unlabeled images: put them into" in refused(compare, capsys)
    assert commands.run == []
    compare(trainers=("nnUNetTrainer",))


def test_a_report_is_not_overwritten_unasked(
    compare: Compare, commands: FakeCommands, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("report").mkdir()
    Path("report/report.json").touch()
    with pytest.raises(SystemExit):
        compare()
    assert "use --overwrite" in capsys.readouterr().err
    assert commands.run == []


def test_two_at_once(
    compare: Compare, commands: FakeCommands, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = workspace.results / "comparisons" / "2d_small_compare"
    folder.mkdir(parents=True)
    with FileLock(folder / ".lock"):
        assert "another command works on the comparison in" in refused(compare, capsys)
    assert commands.run == []


def test_a_folder_of_nnunet_that_is_not_set(
    compare: Compare, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("nnUNet_results")
    assert "nnUNet_results is not set" in refused(compare, capsys)
