"""Partially annotated datasets as one: which file goes where, with which labels, and back."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import SimpleITK as sitk
from merge_fixtures import (
    DIRECTION,
    ORIGIN,
    SPACING,
    Source,
    content,
    files,
    pancreas,
    read,
    spleen,
)
from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
from PIL import Image
from threads import use_threads

from nnunetv2_semiseg.commands import merge_tasks as merge_command, split_tasks as split_command
from nnunetv2_semiseg.data.merging.merge_tasks import merge_tasks
from nnunetv2_semiseg.data.merging.split_tasks import split_tasks
from nnunetv2_semiseg.data.merging.tasks import read_source_endings, read_tasks


@pytest.fixture(autouse=True)
def _threads(monkeypatch):
    use_threads(monkeypatch)


@pytest.fixture
def sources(raw_parent):
    return [pancreas(raw_parent).folder, spleen(raw_parent).folder]


def test_every_file_goes_to_its_folder(sources):
    before = [files(folder) for folder in sources]
    merged = merge_tasks(sources, 510, "All").folder
    assert merged.name == "Dataset510_All"
    assert files(merged) == [
        "dataset.json",
        "imagesTr/Dataset511_Pancreas_a_0000.nii.gz",
        "imagesTr/Dataset511_Pancreas_b_0000.nii.gz",
        "imagesTr/Dataset512_Spleen_a_0000.nii.gz",
        "imagesTs/Dataset511_Pancreas_t_0000.nii.gz",
        "imagesUn/Dataset511_Pancreas_u_0000.nii.gz",
        "labelsTr/Dataset511_Pancreas_a.nii.gz",
        "labelsTr/Dataset511_Pancreas_b.nii.gz",
        "labelsTr/Dataset512_Spleen_a.nii.gz",
        "labelsTs/Dataset511_Pancreas_t.nii.gz",
    ]
    image = merged / "imagesTr" / "Dataset512_Spleen_a_0000.nii.gz"
    assert image.samefile(sources[1] / "imagesTr" / "a_0000.nii.gz")
    assert [files(folder) for folder in sources] == before


def test_nnunet_accepts_the_merged_dataset(sources):
    verify_dataset_integrity(str(merge_tasks(sources, 510, "All").folder), 1)


def test_labels_are_those_of_the_tasks(sources):
    merged = merge_tasks(sources, 510, "All").folder
    spleens = read(merged / "labelsTr" / "Dataset512_Spleen_a.nii.gz")
    np.testing.assert_array_equal(spleens, 3 * read(sources[1] / "labelsTr" / "a.nii.gz"))
    written = merged / "labelsTr" / "Dataset511_Pancreas_b.nii.gz"
    np.testing.assert_array_equal(read(written), read(sources[0] / "labelsTr" / "b.nii.gz"))
    volume = sitk.ReadImage(str(written))
    np.testing.assert_allclose(volume.GetSpacing(), SPACING)
    np.testing.assert_allclose(volume.GetOrigin(), ORIGIN)
    np.testing.assert_allclose(volume.GetDirection(), DIRECTION)


def test_dataset_json_says_what_is_annotated_where(sources):
    merged = merge_tasks(sources, 510, "All").folder
    written = content(merged)
    assert written["labels"] == {"background": 0, "pancreas": 1, "tumour": 2, "spleen": 3}
    assert written["tasks"]["spleen"] == {"label": 3, "source": "Dataset512_Spleen", "source_label": 1}
    assert written["case_tasks"] == {
        "Dataset511_Pancreas_a": ["pancreas", "tumour"],
        "Dataset511_Pancreas_b": ["pancreas", "tumour"],
        "Dataset511_Pancreas_t": ["pancreas", "tumour"],
        "Dataset512_Spleen_a": ["spleen"],
    }
    assert [task.name for task in read_tasks(written, merged).of_case("Dataset512_Spleen_a")] == ["spleen"]
    assert read_source_endings(written, merged) == dict.fromkeys([f.name for f in sources], ".nii.gz")


def test_domains_are_carried_over(raw_parent):
    first = pancreas(raw_parent, domains={"a": "site 1", "u": "site 2"})
    domains = content(merge_tasks([first.folder, spleen(raw_parent).folder], 510, "All").folder)["domains"]
    assert domains == {
        "Dataset511_Pancreas_a": "site 1",
        "Dataset511_Pancreas_u": "site 2",
        "Dataset511_Pancreas_b": "Dataset511_Pancreas",
        "Dataset511_Pancreas_t": "Dataset511_Pancreas",
        "Dataset512_Spleen_a": "Dataset512_Spleen",
    }


def test_hidden_labels_are_rewritten_as_well(raw_parent):
    second = spleen(raw_parent).case("h", [0, 1], "imagesUn", "labelsUn_hidden")
    merged = merge_tasks([pancreas(raw_parent).folder, second.folder], 510, "All").folder
    assert set(np.unique(read(merged / "labelsUn_hidden" / "Dataset512_Spleen_h.nii.gz"))) == {0, 3}
    assert "Dataset512_Spleen_h" not in content(merged)["case_tasks"]


def test_structures_of_the_same_name_are_different_tasks(raw_parent):
    folders = [spleen(raw_parent, f"Dataset51{index}_S").folder for index in (1, 2)]
    folders.append(pancreas(raw_parent, "Dataset513_P").folder)
    labels = content(merge_tasks(folders, 510, "All").folder)["labels"]
    assert labels == {
        "background": 0,
        "Dataset511_spleen": 1,
        "Dataset512_spleen": 2,
        "pancreas": 3,
        "tumour": 4,
    }


def test_a_structure_that_is_not_chosen_becomes_background(sources):
    merged = merge_tasks(sources, 510, "All", {"Dataset511_Pancreas": ["tumour"]})
    assert [task.name for task in merged.table.tasks] == ["tumour", "spleen"]
    before = read(sources[0] / "labelsTr" / "b.nii.gz")
    after = read(merged.folder / "labelsTr" / "Dataset511_Pancreas_b.nii.gz")
    np.testing.assert_array_equal(after, before == 2)


def test_same_channels_are_kept(sources):
    merged = merge_tasks(sources, 510, "All")
    assert content(merged.folder)["channel_names"] == {"0": "CT"}
    assert not merged.notes


def test_ct_with_mr_is_normalized_image_by_image(raw_parent):
    second = spleen(raw_parent, channels=("T2",))
    merged = merge_tasks([pancreas(raw_parent).folder, second.folder], 510, "All")
    assert content(merged.folder)["channel_names"] == {"0": "zscore"}
    assert "Dataset511_Pancreas: CT; Dataset512_Spleen: T2" in merged.notes[0]
    assert "nnU-Net's scheme for CT" in content(merged.folder)["description"]


def test_two_kinds_of_mr_say_nothing_of_ct(raw_parent):
    folders = [pancreas(raw_parent, channels=("T1",)).folder, spleen(raw_parent, channels=("T2",)).folder]
    merged = merge_tasks(folders, 510, "All")
    assert content(merged.folder)["channel_names"] == {"0": "zscore"}
    assert "scheme for CT" not in merged.notes[0]


def test_a_first_dataset_that_is_normalized_image_by_image_does_not_hide_the_choice(raw_parent):
    first = pancreas(raw_parent, channels=("zscore",))
    second = spleen(raw_parent, channels=("CT",))
    merged = merge_tasks([first.folder, second.folder], 510, "All")
    assert content(merged.folder)["channel_names"] == {"0": "zscore"}
    assert "Dataset511_Pancreas: zscore; Dataset512_Spleen: CT" in merged.notes[0]
    again = merge_tasks(
        [first.folder, spleen(raw_parent, "Dataset513_S", channels=("ZScore",)).folder], 509, "Same"
    )
    assert not again.notes


def test_several_channels_are_decided_one_by_one(raw_parent):
    first = pancreas(raw_parent, channels=("CT", "PET"))
    second = spleen(raw_parent, channels=("ct", "T1"))
    merged = merge_tasks([first.folder, second.folder], 510, "All").folder
    assert content(merged)["channel_names"] == {"0": "CT", "1": "zscore"}
    assert "Dataset512_Spleen_a_0001.nii.gz" in files(merged / "imagesTr")


def test_other_endings_are_converted_and_split_back(raw_parent, tmp_path):
    second = spleen(raw_parent, ending=".nrrd")
    merged = merge_tasks([pancreas(raw_parent).folder, second.folder], 510, "All")
    image = sitk.ReadImage(str(merged.folder / "imagesTr" / "Dataset512_Spleen_a_0000.nii.gz"))
    np.testing.assert_allclose(image.GetSpacing(), SPACING)
    np.testing.assert_allclose(image.GetOrigin(), ORIGIN)
    np.testing.assert_allclose(image.GetDirection(), DIRECTION)
    assert ".nrrd" in merged.notes[0]
    verify_dataset_integrity(str(merged.folder), 1)
    split_tasks(merged.folder, merged.folder / "labelsTr", tmp_path / "out")
    back = tmp_path / "out" / "Dataset512_Spleen" / "a.nrrd"
    np.testing.assert_array_equal(read(back), read(second.folder / "labelsTr" / "a.nrrd"))
    np.testing.assert_allclose(sitk.ReadImage(str(back)).GetOrigin(), ORIGIN)


def test_natural_images_are_merged_with_each_other(raw_parent, tmp_path):
    folders = []
    for name in ("Dataset521_Cup", "Dataset522_Disc"):
        source = Source(raw_parent, name, {name[-3:]: 1}, ".png", ("R", "G", "B"))
        for folder in ("imagesTr", "labelsTr"):
            (source.folder / folder).mkdir()
        Image.new("RGB", (6, 4), (9, 8, 7)).save(source.folder / "imagesTr" / "a_0000.png")
        Image.new("L", (6, 4), 1).save(source.folder / "labelsTr" / "a.png")
        folders.append(source.folder)
    merged = merge_tasks(folders, 510, "All").folder
    assert np.unique(Image.open(merged / "labelsTr" / "Dataset522_Disc_a.png")) == [2]
    verify_dataset_integrity(str(merged), 1)
    split_tasks(merged, merged / "labelsTr", tmp_path / "out")
    assert np.unique(Image.open(tmp_path / "out" / "Dataset522_Disc" / "a.png")) == [1]


def test_predictions_of_other_structures_become_background(sources, tmp_path):
    merged = merge_tasks(sources, 510, "All").folder
    predicted = Source(tmp_path, "predicted", {}).case("Dataset511_Pancreas_t", [0, 1, 2, 3]).folder
    counts = split_tasks(merged, predicted / "labelsTr", tmp_path / "out")
    assert counts == {"Dataset511_Pancreas": 1}
    back = read(tmp_path / "out" / "Dataset511_Pancreas" / "t.nii.gz")
    np.testing.assert_array_equal(back.ravel()[:8], [0, 1, 2, 0, 0, 1, 2, 0])


def run(command, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["command", *map(str, arguments)])
    command.main()


def test_commands_lead_there_and_back(sources, monkeypatch, capsys, tmp_path):
    run(
        merge_command,
        monkeypatch,
        *["-d", "511", "Dataset512_Spleen", "-o", "510", "--structures", "511:tumour", "512:spleen"],
    )
    output = capsys.readouterr().out
    assert "label 2: spleen, which is label 1 of Dataset512_Spleen" in output
    assert "nnUNetv2_plan_and_preprocess -d 510" in output
    labels = sources[0].parent / "Dataset510_Merged" / "labelsTr"
    run(split_command, monkeypatch, "-d", 510, "-i", labels, "-o", tmp_path / "out")
    assert "Dataset511_Pancreas: 2 cases" in capsys.readouterr().out
    assert files(tmp_path / "out") == [
        "Dataset511_Pancreas/a.nii.gz",
        "Dataset511_Pancreas/b.nii.gz",
        "Dataset512_Spleen/a.nii.gz",
    ]


@pytest.mark.parametrize("choice", ["511", "513:spleen", "spleen", ":spleen"])
def test_structures_are_named_with_their_dataset(sources, monkeypatch, capsys, choice):
    with pytest.raises(SystemExit):
        run(merge_command, monkeypatch, "-d", 511, 512, "-o", 510, "--structures", choice)
    assert capsys.readouterr().err.startswith(f"error: --structures {choice}: write DATASET:STRUCTURE")


@pytest.mark.parametrize("command", [merge_command, split_command])
def test_help_has_an_example(command, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(command, monkeypatch, "--help")
    assert "example: nnUNetv2_semiseg_" in capsys.readouterr().out
