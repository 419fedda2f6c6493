"""The command ``nnUNetv2_semiseg_compare``: what it runs and what it does not repeat."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fake_commands import CPS, FIXMATCH, SUPERVISED, Compare, FakeCommands, later, refused, section
from markdown_code import one_space
from PIL import Image

from nnunetv2_semiseg.commands.configure import main as configure
from nnunetv2_semiseg.comparing import flow
from nnunetv2_semiseg.comparing.facts import Facts
from nnunetv2_semiseg.core.launcher import Launcher
from nnunetv2_semiseg.evaluation.results.report import read_report

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace


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
    assert "| nnU-Net | 100.0 ± 0.0 | 100.0, 100.0 | 2 | - | 2.5 |" in one_space(output)
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


def test_what_others_write_into_the_plans_meanwhile_is_kept(
    compare: Compare, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = flow.check_equal

    def meanwhile(facts: dict[str, Facts]) -> Facts:
        workspace.configure("of_another_command")
        return checked(facts)

    monkeypatch.setattr(flow, "check_equal", meanwhile)
    compare()
    assert {"of_another_command", "2d_small_compare_seed0"} <= workspace.read_plans()["configurations"].keys()


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


def test_domains_of_other_cases_are_said_before_the_trainings(
    compare: Compare, commands: FakeCommands, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    file = workspace.raw / "dataset.json"
    content = json.loads(file.read_text())
    misspelt = {f"{case}.png": domain for case, domain in content["domains"].items()}
    file.write_text(json.dumps({**content, "domains": misspelt}))
    compare("--print-commands")
    assert "notes domains of other cases alone" in capsys.readouterr().err
    assert commands.run == []


def test_empty_predictions_are_printed_below_the_means(
    compare: Compare,
    commands: FakeCommands,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    predict = commands._predict

    def find_nothing(words: list[str]) -> None:
        predict(words)
        for file in Path(words[words.index("-o") + 1]).glob("*.png"):
            with Image.open(file) as image:
                empty = Image.new("L", image.size)
            empty.save(file)

    monkeypatch.setattr(commands, "_predict", find_nothing)
    compare(trainers=("nnUNetTrainer",))
    assert "| class | model | domain | cases | empty predictions |" in one_space(capsys.readouterr().out)


def test_the_report_lies_beside_the_logs_where_no_other_folder_is_given(
    compare: Compare, workspace: Workspace
) -> None:
    compare(trainers=("nnUNetTrainer",), output=())
    assert (workspace.results / "comparisons/2d_small_compare/report/report.json").is_file()


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
    # what the trainings learn from is noted, so that the report can tell whether it changed
    assert [file.name for file in workspace.results.parent.rglob("*") if file.is_file()] == ["unlabeled.json"]
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_cluster_or_a_closed_terminal_stops_it_too(
    compare: Compare, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    with handled(number, lambda *arguments: None):
        monkeypatch.setattr(Launcher, "run", lambda *arguments: os.kill(os.getpid(), number))
        with pytest.raises(SystemExit) as ended:
            compare()
    assert ended.value.code == 130


def test_who_has_started_it_by_nohup_may_close_the_terminal(
    compare: Compare, commands: FakeCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def close_terminal(*arguments: Any) -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        commands(*arguments)

    with handled(signal.SIGHUP, signal.SIG_IGN):
        monkeypatch.setattr(Launcher, "run", close_terminal)
        compare()
    assert Path("report/report.json").is_file()


@contextmanager
def handled(number: signal.Signals, handler: Any) -> Iterator[None]:
    """With another handler of a signal, whose own one would end the tests."""
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


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
