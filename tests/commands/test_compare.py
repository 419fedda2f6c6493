"""The command ``nnUNetv2_semiseg_compare``: what it runs, what it does not repeat, and what it refuses."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fake_commands import FakeCommands, later, section
from filelock import FileLock

from nnunetv2_semiseg.commands.compare import main
from nnunetv2_semiseg.commands.configure import main as configure
from nnunetv2_semiseg.evaluation.report import read_report
from nnunetv2_semiseg.running import Launcher

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace

Compare = Callable[..., None]

SUPERVISED, FIXMATCH, CPS = "nnUNetTrainerSupervised", "nnUNetTrainerFixMatch", "nnUNetTrainerCPS"


@pytest.fixture
def commands(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> FakeCommands:
    fake = FakeCommands(workspace)
    monkeypatch.setattr(Launcher, "run", lambda *arguments: fake(*arguments))
    return fake


@pytest.fixture
def pages() -> None:
    """For tests that look at the page: to draw it takes most of their time, so that others leave it away."""


@pytest.fixture
def compare(
    workspace: Workspace,
    commands: FakeCommands,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Compare:
    """The command in this process, by default for two trainers of two iterations."""
    monkeypatch.chdir(workspace.root)
    monkeypatch.setenv("nnUNet_extTrainer", "/of/the/user")
    if "pages" not in request.fixturenames:
        monkeypatch.setattr("nnunetv2_semiseg.commands.compare.report_page", lambda report, sources: "page")

    def run(
        *more: str,
        trainers: tuple[str, ...] = ("nnUNetTrainer", FIXMATCH),
        configuration: str = "2d_small",
        iterations: tuple[str, ...] = ("--iterations", "2"),
        devices: tuple[str, ...] = ("cpu",),
    ) -> None:
        which = ["-d", "500", "-c", configuration, "--trainers", *trainers, *iterations]
        where = ["--devices", *devices, "-o", "report", "-np", "1"]
        monkeypatch.setattr(sys, "argv", ["nnUNetv2_semiseg_compare", *which, *where, *more])
        main()

    return run


def refused(compare: Compare, capsys: pytest.CaptureFixture[str], *more: str, **changes: object) -> str:
    """The one line that a mistake ends with."""
    with pytest.raises(SystemExit) as ended:
        compare(*more, **changes)
    assert ended.value.code == 1
    error = capsys.readouterr().err
    assert error.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in error
    assert not Path("report").exists()
    return error


def test_from_trainers_to_a_report(
    pages: None,
    compare: Compare,
    commands: FakeCommands,
    workspace: Workspace,
    capsys: pytest.CaptureFixture[str],
) -> None:
    compare("--seeds", "2", "--settings", "fixmatch.threshold=0.8")
    assert [words[:1] + words[2:4] for words in commands.run if words[0] == "nnUNetv2_train"] == [
        ("nnUNetv2_train", f"2d_small_compare_seed{seed}", "all") for seed in (0, 0, 1, 1)
    ]
    assert commands.extension == {f"{plugin()}:/of/the/user"}
    assert commands.programs() == ["semiseg_preprocess", *["train"] * 4, *["predict"] * 4]
    for seed in (0, 1):
        assert section(workspace, f"2d_small_compare_seed{seed}") == {
            "epochs": 1,
            "iterations_per_epoch": 2,
            "labeled_batch_size": 2,
            "unlabeled_batch_size": 2,
            "save_every": 1,
            "fixmatch": {"threshold": 0.8},
            "seed": seed,
        }
    output = capsys.readouterr().out
    assert "labeled cases: 6" in output
    assert "$ nnUNetv2_semiseg_configure -d Dataset500_Phantom -c 2d_small" in output
    assert f"$ nnUNetv2_train Dataset500_Phantom 2d_small_compare_seed1 all -tr {SUPERVISED}" in output
    assert "| nnU-Net | 100.0 ± 0.0 | 100.0, 100.0 | 2 | - | 2.5 |" in output
    report = read_report(Path("report/report.json"))
    assert list(report.models) == ["nnU-Net", "FixMatch"]
    assert report.costs["FixMatch"].hours == 2
    assert report.conditions["iterations"] == "2 in epochs of 2"
    assert "seed 1, fold_all" in Path("report/report.html").read_text()


def plugin() -> str:
    from nnunetv2_semiseg.commands.plugin import plugin_path

    return plugin_path("")


def test_nothing_is_repeated(compare: Compare, commands: FakeCommands, workspace: Workspace) -> None:
    compare()
    commands.programs()
    compare("--overwrite")
    assert commands.programs() == []

    model = workspace.model(FIXMATCH, "2d_small_compare_seed0")
    later(model / "fold_all" / "checkpoint_final.pth")
    compare("--overwrite")
    assert [words[words.index("-tr") + 1] for words in commands.run] == [FIXMATCH]
    assert commands.programs() == ["predict"]

    (model / "fold_all" / "checkpoint_final.pth").rename(model / "fold_all" / "checkpoint_latest.pth")
    compare("--overwrite", "--seeds", "2")
    assert commands.programs() == ["semiseg_preprocess", *["train"] * 3, *["predict"] * 3]


def test_further_networks_and_their_ensemble(pages: None, compare: Compare, commands: FakeCommands) -> None:
    compare("--ensemble", trainers=(CPS,))
    train, *_ = [words for words in commands.run if words[0] == "nnUNetv2_train"]
    assert train[-1] == "--c"
    assert "--save_probabilities" in commands.run[-2]
    assert commands.programs() == ["semiseg_preprocess", "train", "predict", "predict", "ensemble"]
    report = read_report(Path("report/report.json"))
    assert list(report.models) == ["CPS", "CPS Second", "CPS ensemble"]
    assert report.costs["CPS ensemble"] == report.costs["CPS"]
    assert (
        "Trained together with one of these: CPS Second, CPS ensemble."
        in Path("report/report.html").read_text()
    )


def test_folds_are_trained_alone_and_predict_together(compare: Compare, commands: FakeCommands) -> None:
    compare("-f", "0", "2", trainers=("nnUNetTrainer",))
    train, other, predict = commands.run
    assert (train[3], other[3]) == ("0", "2")
    assert predict[predict.index("-f") : predict.index("-p")] == ("-f", "0", "2")
    assert read_report(Path("report/report.json")).costs["nnU-Net"].hours == 4


def test_a_failure_is_named_and_the_others_go_on(
    compare: Compare, commands: FakeCommands, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    commands.failing = SUPERVISED
    error = refused(compare, capsys).splitlines()[-1]
    log = workspace.results / "comparisons/2d_small_compare/logs" / f"train_{SUPERVISED}_seed0_fold_all.log"
    assert "1 of 2 commands failed (trainings), the other 1 are finished." in error
    assert f"its output is in {log}, the last line of it: the cause. Mend" in error
    assert commands.programs() == ["semiseg_preprocess", "train", "train"]
    commands.failing = ""
    compare()
    assert commands.programs() == ["train", "predict", "predict"]


def test_commands_for_a_cluster(
    compare: Compare, commands: FakeCommands, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (workspace.preprocessed / "nnUNetPlans.json").read_text()
    compare("--print-commands", "--name", "fair", devices=("cuda:0", "cuda:1"))
    script = capsys.readouterr().out
    assert commands.run == []
    assert (workspace.preprocessed / "nnUNetPlans.json").read_text() == before
    assert not list(workspace.results.parent.iterdir())
    lines = [line for line in script.splitlines() if line and not line.startswith("#")]
    programs = [shlex.split(line)[0].removeprefix("nnUNetv2_") for line in lines]
    assert programs == [
        "export",
        "semiseg_configure",
        "semiseg_preprocess",
        *["train"] * 2,
        *["predict"] * 2,
        "semiseg_compare",
    ]
    assert lines[3].endswith(f"fair_seed0 all -tr {SUPERVISED} -p nnUNetPlans -device cuda --c")
    assert lines[5].endswith("/nnU-Net_seed0")
    assert "--print-commands" not in lines[-1]

    compare("--name", "fair")
    compare("--print-commands", "--name", "fair", "--overwrite")
    done = [line for line in capsys.readouterr().out.splitlines() if line.startswith("nnUNetv2_")]
    assert [shlex.split(line)[0] for line in done] == ["nnUNetv2_semiseg_compare"]


def test_printed_configurations_are_those_that_are_written(
    compare: Compare,
    workspace: Workspace,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:

    compare("--print-commands", "--settings", "fixmatch.threshold=0.8", "views.gamma_range=[0.6,2]")
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if line.startswith("nnUNetv2_semiseg_configure")]
    monkeypatch.setattr(sys, "argv", shlex.split(line))
    configure()
    written = section(workspace, "2d_small_compare_seed0")
    compare("--settings", "fixmatch.threshold=0.8", "views.gamma_range=[0.6,2]")
    assert section(workspace, "2d_small_compare_seed0") == written


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
        (("--name", "a/b"), {}, "--name a/b: use letters"),
        (("--name", "a__b"), {}, "--name a__b: use letters"),
        (("--settings", "epohcs=3"), {}, "unknown key 'epohcs'"),
        (("--settings", "epochs"), {}, "'epochs' is not of the form key=value"),
        (("-p", "nnUNetResEncUNetMPlans"), {}, "run nnUNetv2_plan_and_preprocess"),
        ((), {"devices": ("gpu",)}, "--devices gpu: give cuda"),
        (
            (),
            {"trainers": ("nnUNetTrainer", "nnUNetTrainerSynFoC"), "configuration": "2d_small"},
            "nnUNetTrainerSynFoC: this method needs a foundation checkpoint and none is named",
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


def test_who_stops_it_is_told_how_to_go_on(
    compare: Compare, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Launcher, "run", stop)
    with pytest.raises(SystemExit) as ended:
        compare()
    assert ended.value.code == 130
    assert "stopped: the same command goes on where this one ended" in capsys.readouterr().err


@pytest.mark.slow
def test_a_real_comparison(workspace: Workspace) -> None:
    program = [sys.executable, "-m", "nnunetv2_semiseg.commands.compare"]
    which = ["-d", "500", "-c", "2d_tiny", "--trainers", "nnUNetTrainer", FIXMATCH, "--iterations", "2"]
    settings = ["--settings", "iterations_per_epoch=1", "--devices", "cpu", "-o", "report", "-np", "1"]
    variables = {"nnUNet_extTrainer": "", "nnUNet_npp": "1", "nnUNet_nps": "1"}
    output = workspace.run(*program, *which, *settings, **variables)
    assert "Wrote report/report.html" in output
    assert "trainings: 100%" in output
    report = json.loads((workspace.root / "report" / "report.json").read_text())
    assert list(report["models"]) == ["nnU-Net", "FixMatch"]
    assert len(report["scores"]) == 2 * 4 * 3
    assert all(0 < cost["hours"] < 1 and cost["process"] > 0.1 for cost in report["costs"].values())
    for trainer in (SUPERVISED, FIXMATCH):
        model = workspace.model(trainer, "2d_tiny_compare_seed0")
        assert workspace.checkpoint(model, fold="all")["current_epoch"] == 2
    again = workspace.run(*program, *which, *settings, "--overwrite", **variables)
    assert "$ nnUNetv2_" not in again
    assert "Wrote report/report.html" in again
