"""A labeled dataset made semi-supervised: which file goes where."""

from __future__ import annotations

import json
import sys

import pytest
from threads import use_threads

from nnunetv2_semiseg.commands.hide_labels import main
from nnunetv2_semiseg.data.raw.hide_labels import hide_labels

HEADER = {"channel_names": {"0": "T1", "1": "T2"}, "labels": {"background": 0, "organ": 1}}
CASES = ["a", "b", "c"]

BROKEN = [
    ("{", r"dataset\.json is damaged"),
    ("[]", "it holds a list, not a dict"),
    ("{}", "no key 'channel_names'"),
    (json.dumps({**HEADER, "file_ending": 3}), "'file_ending' must be of type str, got 3"),
    (json.dumps({**HEADER, "file_ending": ".mha", "channel_names": ["T1"]}), "must be of type dict"),
    (json.dumps({**HEADER, "file_ending": ".mha", "channel_names": {"0": 1}}), "must give names"),
    (json.dumps({**HEADER, "file_ending": ".mha", "domains": ["A"]}), "'domains' must be of type dict"),
    (json.dumps({**HEADER, "file_ending": ".mha", "dataset": {"a": {}}}), r"'dataset\.a' must have a list"),
]


@pytest.fixture(autouse=True)
def _threads(monkeypatch):
    use_threads(monkeypatch)


def put(path, content=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content or path.name)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def write_json(folder, ending, **more):
    put(folder / "dataset.json", json.dumps({**HEADER, "file_ending": ending, "numTraining": 3, **more}))


@pytest.fixture
def two_channels(raw_parent):
    folder = raw_parent / "Dataset027_ACDC"
    write_json(folder, ".mha", domains={"a": "site 1", "u": "site 2"})
    for case in CASES:
        put(folder / "imagesTr" / f"{case}_0000.mha")
        put(folder / "imagesTr" / f"{case}_0001.mha")
        put(folder / "labelsTr" / f"{case}.mha")
    for path in ("imagesUn/u_0000.mha", "imagesUn/u_0001.mha", "imagesTs/t_0000.mha", "labelsTs/t.mha"):
        put(folder / path)
    return folder


def test_every_file_goes_to_its_folder(two_channels):
    before = files(two_channels)
    folder = hide_labels(two_channels, 527, "ACDC", 1)
    assert folder.name == "Dataset527_ACDC"
    assert files(folder) == [
        "dataset.json",
        *(f"imagesTr/a_000{channel}.mha" for channel in (0, 1)),
        "imagesTs/t_0000.mha",
        *(f"imagesUn/{case}_000{channel}.mha" for case in "bcu" for channel in (0, 1)),
        "labelsTr/a.mha",
        "labelsTs/t.mha",
        "labelsUn_hidden/b.mha",
        "labelsUn_hidden/c.mha",
    ]
    assert (folder / "imagesUn" / "b_0001.mha").read_text() == "b_0001.mha"
    assert (folder / "imagesUn" / "b_0001.mha").samefile(two_channels / "imagesTr" / "b_0001.mha")
    assert files(two_channels) == before


def test_dataset_json_keeps_domains_and_counts_the_labeled_cases(two_channels):
    folder = hide_labels(two_channels, 527, "Few", 2)
    content = json.loads((folder / "dataset.json").read_text())
    assert content == {
        **HEADER,
        "file_ending": ".mha",
        "numTraining": 2,
        "name": "Few",
        "domains": {"a": "site 1", "u": "site 2"},
    }


def test_random_selection_follows_the_seed(two_channels):
    chosen = set()
    for seed in range(8):
        folder = hide_labels(two_channels, 527, "ACDC", 1, "random", seed, overwrite=True)
        chosen.update(files(folder / "labelsTr"))
    assert len(chosen) > 1


def test_file_lists_in_dataset_json_are_resolved(raw_parent, tmp_path):
    folder = raw_parent / "Dataset027_ACDC"
    put(tmp_path / "elsewhere" / "first.mha")
    for path in ("data/second.mha", "data/seg1.mha", "data/seg2.mha"):
        put(folder / path)
    lists = {
        "a": {"images": [str(tmp_path / "elsewhere" / "first.mha")], "label": "data/seg1.mha"},
        "b": {"images": ["data/second.mha"], "label": "data/seg2.mha"},
    }
    write_json(folder, ".mha", dataset=lists)
    result = hide_labels(folder, 527, "ACDC", 1)
    assert files(result) == [
        "dataset.json",
        "imagesTr/a_0000.mha",
        "imagesUn/b_0000.mha",
        "labelsTr/a.mha",
        "labelsUn_hidden/b.mha",
    ]
    assert (result / "imagesTr" / "a_0000.mha").read_text() == "first.mha"
    assert "dataset" not in json.loads((result / "dataset.json").read_text())


def test_spacing_files_of_tiffs_come_along(raw_parent):
    folder = raw_parent / "Dataset027_ACDC"
    write_json(folder, ".tif")
    for case in "ab":
        for path in (
            f"imagesTr/{case}_0000.tif",
            f"imagesTr/{case}.json",
            f"labelsTr/{case}.tif",
            f"labelsTr/{case}.json",
        ):
            put(folder / path)
    result = hide_labels(folder, 527, "ACDC", 1)
    assert files(result / "imagesUn") == ["b.json", "b_0000.tif"]
    assert files(result / "labelsUn_hidden") == ["b.json", "b.tif"]
    assert files(result / "imagesTr") == ["a.json", "a_0000.tif"]


def test_more_labels_than_cases_are_refused(two_channels):
    with pytest.raises(ValueError, match=r"4 labeled .* only 3 training cases in Dataset027_ACDC"):
        hide_labels(two_channels, 527, "ACDC", 4)


def test_existing_target_is_refused(two_channels):
    hide_labels(two_channels, 527, "ACDC", 1)
    with pytest.raises(ValueError, match="Dataset527_ACDC exists; use --overwrite"):
        hide_labels(two_channels, 527, "ACDC", 2)


def test_dataset_cannot_replace_itself(two_channels):
    with pytest.raises(ValueError, match="cannot replace itself"):
        hide_labels(two_channels, 27, "ACDC", 1, overwrite=True)


def test_missing_label_is_named(two_channels):
    (two_channels / "labelsTr" / "b.mha").unlink()
    with pytest.raises(FileNotFoundError, match=r"labelsTr/b\.mha does not exist"):
        hide_labels(two_channels, 527, "ACDC", 1)


def test_unlabeled_case_of_the_same_name_is_refused(two_channels):
    put(two_channels / "imagesUn" / "b_0000.mha")
    with pytest.raises(ValueError, match="'b' is both labeled and in imagesUn"):
        hide_labels(two_channels, 527, "ACDC", 1)


@pytest.mark.parametrize(("content", "message"), BROKEN)
def test_broken_dataset_json_is_named(two_channels, content, message):
    put(two_channels / "dataset.json", content)
    with pytest.raises(ValueError, match=message):
        hide_labels(two_channels, 527, "ACDC", 1)


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["nnUNetv2_semiseg_hide_labels", *arguments])
    main()


def test_listed_cases_keep_their_labels(two_channels, monkeypatch, tmp_path):
    (tmp_path / "labeled.txt").write_text("c\n\na\n")
    run(monkeypatch, "-d", "27", "-o", "527", "--labeled-list", str(tmp_path / "labeled.txt"))
    folder = two_channels.parent / "Dataset527_ACDC"
    assert files(folder / "labelsTr") == ["a.mha", "c.mha"]
    assert files(folder / "labelsUn_hidden") == ["b.mha"]
    assert json.loads((folder / "dataset.json").read_text())["numTraining"] == 2


def test_a_list_may_name_files(two_channels, tmp_path):
    (tmp_path / "labeled.txt").write_text("labelsTr/c.mha\na.mha\n")
    folder = hide_labels(two_channels, 527, "ACDC", labeled_list=tmp_path / "labeled.txt")
    assert files(folder / "labelsTr") == ["a.mha", "c.mha"]
    (tmp_path / "labeled.txt").write_text("a.nii.gz\n")
    with pytest.raises(ValueError, match=r"line 1 is 'a\.nii\.gz', which is none of the 3 training cases"):
        hide_labels(two_channels, 528, "ACDC", labeled_list=tmp_path / "labeled.txt")


def test_number_and_list_exclude_each_other(two_channels, tmp_path):
    (tmp_path / "labeled.txt").write_text("c")
    for number, names in ((None, None), (1, tmp_path / "labeled.txt")):
        with pytest.raises(ValueError, match="either the number of labeled cases"):
            hide_labels(two_channels, 527, "ACDC", number, labeled_list=names)


def test_command_takes_over_the_name(two_channels, monkeypatch, capsys):
    run(monkeypatch, "-d", "27", "-o", "527", "--num-labeled", "2")
    assert (two_channels.parent / "Dataset527_ACDC" / "imagesUn").is_dir()
    assert "nnUNetv2_plan_and_preprocess -d 527" in capsys.readouterr().out


def test_command_ends_with_one_line(two_channels, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, "-d", "28", "-o", "527", "--num-labeled", "2")
    assert stop.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
