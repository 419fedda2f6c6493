"""Converters as modules, and small data sets in the layouts of the releases."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest
from released_files import Release, options
from threads import use_threads

SCRIPTS = Path(__file__).parents[2] / "dataset_conversion"


@pytest.fixture(autouse=True)
def _threads(monkeypatch):
    """nnU-Net's check of a dataset takes processes for each handful of files."""
    use_threads(monkeypatch)


@pytest.fixture
def source(tmp_path):
    """An empty folder for a release."""
    (tmp_path / "release").mkdir()
    return tmp_path / "release"


@pytest.fixture(scope="session")
def converter():
    """Load a converter by its file name; it lies in no package."""

    def load(name):
        spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # where dataclasses look up their annotations
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def run_script(converter, raw_parent, monkeypatch, capsys):
    """Run a converter's command line in this process; gives what it prints."""

    def run(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        converter(name).main()
        return capsys.readouterr().out

    return run


@pytest.fixture(scope="session")
def real_data():
    """The folder of real images."""
    folder = os.environ.get("NNUNET_SEMISEG_TEST_DATA")
    if not folder:
        pytest.skip("NNUNET_SEMISEG_TEST_DATA does not name the folder of real images")
    return Path(folder)


@pytest.fixture(scope="session")
def release():
    """Functions that write files of a release."""
    return Release


@pytest.fixture
def convert_domains(converter, raw_parent):
    """Convert a release of several domains by its converter's name; the rest is as for `options`."""

    def run(name, source, *choices, **more):
        return converter(name).convert(options(source, *choices, **more), raw_parent)

    return run


@pytest.fixture
def convert_acdc(converter, raw_parent):
    """Convert ACDC with options given by name."""
    module = converter("Dataset505_ACDC")

    def run(source, count=1, **more):
        options = module.AcdcOptions(source=source, num_labeled=count, dataset_id=505, **more)
        return module.convert(options, raw_parent)

    return run
