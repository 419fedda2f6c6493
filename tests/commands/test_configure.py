"""The command nnUNetv2_semiseg_configure."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from nnunetv2_semiseg.commands import configure as module
from nnunetv2_semiseg.commands.configure import main
from nnunetv2_semiseg.core.config import TrainingConfig, merged_section
from nnunetv2_semiseg.methods.registry import discovered_methods
from nnunetv2_semiseg.methods.settings import all_keys, configured_plans, resolve_config

DATASET = "Dataset500_Phantom"
Command = Callable[..., None]


@pytest.fixture
def plans_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Plans with the configurations 2d and 3d_fullres, which is all that the command looks at."""
    for name in ("raw", "preprocessed", "results"):
        (tmp_path / name / DATASET).mkdir(parents=True)
        monkeypatch.setenv(f"nnUNet_{name}", str(tmp_path / name))
    file = tmp_path / "preprocessed" / DATASET / "nnUNetPlans.json"
    file.write_text(json.dumps({"plans_name": "nnUNetPlans", "configurations": {"2d": {}, "3d_fullres": {}}}))
    return file


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Command:
    def run(*arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["nnUNetv2_semiseg_configure", *arguments])
        main()

    return run


@pytest.fixture
def configure(command: Command, plans_file: Path) -> Command:
    """The command for a configuration ``2d_long`` that inherits from 2d."""

    def run(*settings: str, parent: str = "2d", name: str = "2d_long") -> None:
        command("-d", "500", "-c", parent, "--name", name, *settings)

    return run


def configurations(plans_file: Path) -> dict[str, Any]:
    return dict(json.loads(plans_file.read_text())["configurations"])


def error_of(run: Callable[[], None], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line with which a command gives up."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        run()
    assert stop.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    return line


def test_writes_a_configuration_and_shows_it(
    configure: Command, plans_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("epochs=100", "synfoc.threshold=0.9")
    expected = {"inherits_from": "2d", "semiseg": {"epochs": 100, "synfoc": {"threshold": 0.9}}}
    assert configurations(plans_file) == {"2d": {}, "3d_fullres": {}, "2d_long": expected}
    assert json.dumps(expected, indent=4) in capsys.readouterr().out
    assert [file.name for file in plans_file.parent.glob("[!.]*")] == [plans_file.name]


def test_two_at_once_lose_nothing(
    configure: Command, plans_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = threading.Thread(target=configure, args=("epochs=7",), kwargs={"name": "2d_short"})

    def slowly(*arguments: Any) -> dict[str, Any]:
        monkeypatch.setattr(module, "configured_plans", configured_plans)
        second.start()
        second.join(0.5)  # longer than it takes, unless it has to wait
        return configured_plans(*arguments)

    monkeypatch.setattr(module, "configured_plans", slowly)
    configure("epochs=100")
    second.join()
    sections = {name: content.get("semiseg") for name, content in configurations(plans_file).items()}
    assert sections == {
        "2d": None,
        "3d_fullres": None,
        "2d_long": {"epochs": 100},
        "2d_short": {"epochs": 7},
    }


def test_a_command_that_does_not_end_is_not_waited_for_forever(
    configure: Command,
    plans_file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nnunetv2_semiseg.core.plans_file.PATIENCE", 0.1)
    with FileLock(plans_file.with_name(".nnUNetPlans.lock")):
        line = error_of(lambda: configure("epochs=100"), capsys)
    assert f"another command has been writing {plans_file} for 0.1 seconds" in line


def test_a_disk_without_locks(configure: Command, plans_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise OSError("operation not supported")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    configure("epochs=100")
    assert "2d_long" in configurations(plans_file)


def test_changes_what_is_named_and_keeps_the_rest(configure: Command, plans_file: Path) -> None:
    configure("epochs=100", "synfoc.threshold=0.9", "synfoc.ema_decay=0.5")
    configure("synfoc.threshold=0.8", "views.blur_probability=0.1")
    assert configurations(plans_file)["2d_long"]["semiseg"] == {
        "epochs": 100,
        "synfoc": {"threshold": 0.8, "ema_decay": 0.5},
        "views": {"blur_probability": 0.1},
    }


def test_keeps_what_else_a_configuration_says(configure: Command, plans_file: Path) -> None:
    plans = json.loads(plans_file.read_text())
    plans["configurations"]["2d_long"] = {"inherits_from": "2d", "patch_size": [64, 64]}
    plans_file.write_text(json.dumps(plans))
    configure("epochs=3")
    assert configurations(plans_file)["2d_long"]["patch_size"] == [64, 64]


def test_a_chain_merges_key_by_key(configure: Command, plans_file: Path) -> None:
    configure("epochs=100", "synfoc.threshold=0.9", "synfoc.foundation.random_weights=true")
    configure("synfoc.foundation.lora_rank=2", parent="2d_long", name="2d_longer")
    configure("epochs=7", parent="2d_longer", name="2d_short")
    plans = json.loads(plans_file.read_text())
    assert merged_section(plans, "2d_short") == {
        "epochs": 7,
        "synfoc": {"threshold": 0.9, "foundation": {"random_weights": True, "lora_rank": 2}},
    }
    resolved = resolve_config(plans, "2d_short", discovered_methods()["synfoc"])
    assert resolved.training.epochs == 7
    assert resolved.method.foundation.lora_rank == 2
    assert resolved.method.threshold == 0.9


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epoch=3", r"unknown key 'epoch'; valid keys are epochs, .*synfoc"),
        ("synfoc.treshold=0.9", r"semiseg\.synfoc: unknown key 'treshold'; valid keys are .*threshold"),
        ("synfoc.foundation.rank=2", r"unknown key 'foundation\.rank'; valid keys are .*lora_rank"),
        ("views.blur=0.5", r"unknown key 'views\.blur'; valid keys are .*blur_probability"),
        ("epochs=0", r"epochs = 0: .*greater than or equal to 1"),
        ("synfoc.threshold=1.5", r"threshold = 1\.5: .*less than 1"),
        ("epochs=many", r"epochs = 'many': .*integer"),
        ("epochs=2.5", r"epochs = 2\.5: .*integer"),
        ("synfoc=3", r"semiseg\.synfoc must be a dictionary of hyper-parameters, got 3"),
        ("synfoc.foundation.architecture=vit_x", r"foundation\.architecture = 'vit_x': .*vit_b"),
        ("views.gamma_range=[2,1]", r"gamma_range must be two positive numbers, the lower one first"),
        ("synfoc.foundation_learning_rate=Infinity", r"Infinity is no number that JSON has"),
        ("views.gamma_range=[1, NaN]", r"NaN is no number that JSON has"),
        ("epochs", r"'epochs' is not of the form key=value"),
        ("=3", r"'=3' is not of the form key=value"),
    ],
)
def test_wrong_settings_change_nothing_and_say_why(
    configure: Command,
    plans_file: Path,
    capsys: pytest.CaptureFixture[str],
    setting: str,
    message: str,
) -> None:
    before = plans_file.read_text()
    line = error_of(lambda: configure(setting), capsys)
    assert re.search(message, line), line
    assert plans_file.read_text() == before


@pytest.mark.parametrize(
    ("parent", "name", "message"),
    [
        ("2d", "2d", "configuration '2d' exists and does not inherit from '2d': choose another --name"),
        ("2d", "3d_fullres", "configuration '3d_fullres' exists and does not inherit from '2d'"),
        ("2d_wide", "2d_long", "configuration '2d_wide' is not in the plans; they have: 2d, 3d_fullres"),
    ],
)
def test_names_that_do_not_fit(
    configure: Command, capsys: pytest.CaptureFixture[str], parent: str, name: str, message: str
) -> None:
    assert message in error_of(lambda: configure("epochs=3", parent=parent, name=name), capsys)


@pytest.mark.parametrize("name", ["2d/long", "2d__long", "2d long", "", ".long"])
def test_names_that_model_folders_cannot_have(
    configure: Command, plans_file: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    line = error_of(lambda: configure("epochs=3", name=name), capsys)
    assert f"--name '{name}': use letters, digits, '-', '.' and single '_'" in line
    assert configurations(plans_file).keys() == {"2d", "3d_fullres"}


def test_a_name_with_a_number(configure: Command, plans_file: Path) -> None:
    configure("synfoc.threshold=0.9", name="2d_0.9")
    assert "2d_0.9" in configurations(plans_file)


def test_another_parent_for_an_existing_configuration(
    configure: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("epochs=3")
    line = error_of(lambda: configure("epochs=4", parent="3d_fullres"), capsys)
    assert "'2d_long' exists and does not inherit from '3d_fullres'" in line


def test_unknown_dataset_and_plans(
    command: Command, plans_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = ("-c", "2d", "--name", "2d_long", "epochs=3")
    assert "499" in error_of(lambda: command("-d", "499", *rest), capsys)
    assert "neither an id nor a name" in error_of(lambda: command("-d", "Phantom", *rest), capsys)
    line = error_of(lambda: command("-d", "500", "-p", "otherPlans", *rest), capsys)
    assert "otherPlans.json" in line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ("{}", "has no 'configurations': plan Dataset500_Phantom again"),
        ('{"configurations": 3}', "has no 'configurations'"),
    ],
)
def test_damaged_plans(
    configure: Command, plans_file: Path, content: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plans_file.write_text(content)
    line = error_of(lambda: configure("epochs=3"), capsys)
    assert f"{plans_file} {message}" in line
    assert plans_file.read_text() == content


def test_other_plans(command: Command, plans_file: Path) -> None:
    other = plans_file.with_name("otherPlans.json")
    other.write_text(plans_file.read_text())
    command("-d", DATASET, "-p", "otherPlans", "-c", "2d", "--name", "2d_long", "epochs=3")
    assert "2d_long" in configurations(other)
    assert "2d_long" not in configurations(plans_file)


@pytest.mark.parametrize(
    "arguments", [(), ("-d", "500", "-c", "2d", "--name", "x"), ("-d", "500", "epochs=3")]
)
def test_missing_arguments_point_to_the_keys(
    command: Command, plans_file: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as stop:
        command(*arguments)
    assert stop.value.code == 2
    assert "missing; --keys shows what can be set" in capsys.readouterr().err


def test_help_has_an_example(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        command("--help")
    assert stop.value.code == 0
    assert "nnUNetv2_semiseg_configure -d 502" in capsys.readouterr().out


def test_keys_are_all_shown(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    command("--keys")
    shown = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert shown == [key.name for key in all_keys()]
    assert {"epochs", "views.blur_probability", "synfoc.foundation.checkpoint"} <= set(shown)
    assert set(TrainingConfig.__dataclass_fields__) - {"views"} <= set(shown)


def test_every_default_can_be_set(configure: Command, plans_file: Path) -> None:
    for key in all_keys():
        if key.name == "epochs" or not isinstance(key.default, int | float | str | None):
            continue
        configure(f"{key.name}={json.dumps(key.default)}")
