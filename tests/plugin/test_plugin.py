"""How nnU-Net finds the trainers, in fresh processes as its commands are, and what tells it where."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from nnunetv2_semiseg.commands.plugin import VARIABLE, plugin_path
from nnunetv2_semiseg.trainers.made import all_trainers

REPOSITORY = Path(__file__).parents[2]
PLUGIN = REPOSITORY / "nnunetv2_semiseg" / "plugin"


def fresh_python(code: str, folder: Path, **variables: str) -> str:
    """Run code from a file in a new process, nnU-Net's variables other than ``variables`` unset."""
    script = folder / "script.py"
    script.write_text(code)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("nnUNet_")}
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**inherited, **variables},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


FIND_ALL = """
import importlib, multiprocessing
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

def name_of(kind):
    return kind.__name__

if __name__ == "__main__":
    names = {names}
    found = {{name: recursive_find_trainer_class_by_name(name) for name in names}}
    again = {{name: recursive_find_trainer_class_by_name(name) for name in names}}
    for name, kind in found.items():
        assert kind.__name__ == name and kind is again[name]
        assert kind is getattr(importlib.import_module(kind.__module__), name)
        assert kind.__module__.startswith("nnunetv2_semiseg.trainers."), kind.__module__
    from nnunetv2_semiseg.trainers import nnUNetTrainerSynFoC
    assert found["nnUNetTrainerSynFoC"] is nnUNetTrainerSynFoC
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(name_of, list(found.values())) == list(found)
    print("all found")
"""


@pytest.mark.slow
def test_every_trainer_is_found_has_one_identity_and_can_be_pickled(tmp_path: Path) -> None:
    names = sorted(all_trainers())
    assert {"nnUNetTrainerSynFoC", "nnUNetTrainerSynFoCFoundation"} <= set(names)
    code = FIND_ALL.format(names=names)
    assert "all found" in fresh_python(code, tmp_path, **{VARIABLE: plugin_path("")})


@pytest.mark.slow
def test_without_the_variable_nnunet_names_it(tmp_path: Path) -> None:
    code = """
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name
try:
    recursive_find_trainer_class_by_name("nnUNetTrainerSynFoC")
except RuntimeError as error:
    print(error)
"""
    assert VARIABLE in fresh_python(code, tmp_path)


def test_importing_the_package_does_nothing_else(tmp_path: Path) -> None:
    code = """
import json, os, sys
before, environment = set(sys.modules), dict(os.environ)
import nnunetv2_semiseg
assert dict(os.environ) == environment
print(json.dumps(sorted(name for name in set(sys.modules) - before if "." not in name)))
"""
    assert json.loads(fresh_python(code, tmp_path)) == ["nnunetv2_semiseg"]
    assert [file.name for file in tmp_path.iterdir()] == ["script.py"]


def test_the_command_prints_the_plugin_folder(tmp_path: Path) -> None:
    command = Path(sys.executable).parent / "nnUNetv2_semiseg_plugin"
    environment = {**os.environ, VARIABLE: f"/elsewhere{os.pathsep}/other"}
    done = subprocess.run([command], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip().split(os.pathsep) == [str(PLUGIN), "/elsewhere", "/other"]


@pytest.mark.parametrize(
    ("current", "others"),
    [
        ("", []),
        ("/a", ["/a"]),
        (f"/a{os.pathsep}{os.pathsep}/b", ["/a", "/b"]),
        (f"/a{os.pathsep}{PLUGIN}", ["/a"]),
        (f"{PLUGIN}{os.pathsep}/a", ["/a"]),
    ],
)
def test_plugin_path_goes_in_front_once(current: str, others: list[str]) -> None:
    value = plugin_path(current)
    assert value.split(os.pathsep) == [str(PLUGIN), *others]
    assert plugin_path(value) == value


@pytest.mark.slow
def test_a_wheel_has_the_plugin_and_all_of_the_package(tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    # a copy without the checkout's build leftovers, which setuptools would put into the wheel
    listed = subprocess.run(
        ["git", "ls-files", "nnunetv2_semiseg", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    files = listed.stdout.split()
    if not files:
        pytest.skip("not a git checkout")
    source = tmp_path / "source"
    for name in files:
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((REPOSITORY / name).read_bytes())
    wheel = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        tmp_path,
        source,
    ]
    done = subprocess.run(wheel, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = tmp_path.glob("nnunetv2_semiseg-*.whl")
    packed = set(zipfile.ZipFile(built).namelist())
    assert "nnunetv2_semiseg/plugin/semiseg_trainers.py" in packed
    assert {name for name in files if name.startswith("nnunetv2_semiseg/")} <= packed
    assert not [name for name in packed if name.startswith(("tests", "dataset_conversion"))]
