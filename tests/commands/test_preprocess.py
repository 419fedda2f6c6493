"""The command nnUNetv2_semiseg_preprocess."""

from __future__ import annotations

import sys

import pytest
from threads import use_threads
from unlabeled_fixtures import RGB, VOLUME, make_dataset

from nnunetv2_semiseg.commands.preprocess import main
from nnunetv2_semiseg.data.unlabeled import preprocessing as unlabeled


@pytest.fixture
def dataset(request, tmp_path, tmp_path_factory, monkeypatch):
    use_threads(monkeypatch)
    return make_dataset(getattr(request, "param", RGB), tmp_path, tmp_path_factory, monkeypatch)


@pytest.fixture
def command(monkeypatch):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["nnUNetv2_semiseg_preprocess", *arguments])
        main()

    return run


def failing(command, capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        command(*arguments)
    assert stop.value.code == 1
    lines = capsys.readouterr().err.splitlines()
    return next(line for line in lines if line.startswith("error: "))


def test_says_how_many_cases_were_done_and_up_to_date(dataset, command, capsys):
    command("-d", "901", "-np", "1")
    assert "3 cases preprocessed, 0 were up to date" in capsys.readouterr().out
    dataset.write("u1", seed=4)
    command("-d", RGB, "-c", "2d")
    assert "1 cases preprocessed, 2 were up to date" in capsys.readouterr().out
    command("-d", "901")
    assert "all 3 cases are up to date" in capsys.readouterr().out


@pytest.mark.parametrize("dataset", [VOLUME], indirect=True)
@pytest.mark.parametrize("arguments", [(), ("-c", "3d_fullres", "2d")])
def test_several_configurations(dataset, command, arguments):
    command("-d", "903", *arguments)
    for configuration in ("2d", "3d_fullres"):
        assert (dataset.preprocessed / f"nnUNetPlans_{configuration}_unlabeled" / "u1.b2nd").is_file()


def test_other_plans(dataset, command):
    plans = dataset.plans_file.read_text().replace("nnUNetPlans", "otherPlans")
    (dataset.preprocessed / "otherPlans.json").write_text(plans)
    command("-d", "901", "-p", "otherPlans")
    assert (dataset.preprocessed / "otherPlans_2d_unlabeled" / "u1.b2nd").is_file()


def test_unknown_configuration(dataset, command, capsys):
    message = failing(command, capsys, "-d", "901", "-c", "4d")
    assert "configuration 4d is not in the plans; they have: 2d" in message


def test_unknown_plans(dataset, command, capsys):
    assert "run nnUNetv2_plan_and_preprocess" in failing(command, capsys, "-d", "901", "-p", "noPlans")


def test_unknown_dataset(dataset, command, capsys):
    assert "has no dataset with id 999" in failing(command, capsys, "-d", "999")


def test_bad_images_end_with_one_line(dataset, command, capsys):
    (dataset.raw / "imagesUn" / "u2_0000.png").write_bytes(b"no image")
    assert "case u2 (" in failing(command, capsys, "-d", "901")


def test_no_memory_left_ends_with_one_line(dataset, command, capsys, monkeypatch):
    def need_too_much(task):
        raise MemoryError

    monkeypatch.setattr(unlabeled, "preprocess_case", need_too_much)
    message = failing(command, capsys, "-d", "901")
    assert "a preprocessing process was killed, most likely because memory ran out" in message
    assert "run again with fewer processes (-np" in message


@pytest.mark.parametrize("number", ["0", "-1", "many"])
def test_number_of_processes(dataset, command, capsys, number):
    with pytest.raises(SystemExit):
        command("-d", "901", "-np", number)
    assert "argument -np" in capsys.readouterr().err


def test_help_has_an_example(command, capsys):
    with pytest.raises(SystemExit):
        command("-h")
    assert "example: nnUNetv2_semiseg_preprocess -d 502" in capsys.readouterr().out
