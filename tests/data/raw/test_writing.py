"""Writing raw datasets, and naming cases."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings, strategies as st

from nnunetv2_semiseg.data.raw.writing import DatasetInfo, RawCase, case_name, write_raw_dataset

INFO = DatasetInfo(
    channel_names=("MRI",),
    labels=("background", "organ"),
    file_ending=".png",
    description="a test",
    reference="nowhere",
    license="none",
)
TOKENS = st.text("AB1_", min_size=1, max_size=6)


def save(image, label):
    image.write_text("image")
    if label is not None:
        label.write_text("label")


CASES = [
    RawCase("A_1", "labeled", "A", save),
    RawCase("B_1", "unlabeled", "B", save),
    RawCase("B_2", "test", "B", save),
]


def write(parent, cases=CASES, **options):
    return write_raw_dataset(parent, 7, "Set", INFO, cases, **options)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_every_part_has_its_folders(raw_parent):
    assert files(write(raw_parent)) == [
        "dataset.json",
        "imagesTr/A_1_0000.png",
        "imagesTs/B_2_0000.png",
        "imagesUn/B_1_0000.png",
        "labelsTr/A_1.png",
        "labelsTs/B_2.png",
    ]


def test_dataset_json_has_what_nnunet_needs_and_the_domains(raw_parent):
    content = json.loads((write(raw_parent) / "dataset.json").read_text())
    assert content["channel_names"] == {"0": "MRI"}
    assert content["labels"] == {"background": 0, "organ": 1}
    assert (content["numTraining"], content["file_ending"], content["name"]) == (1, ".png", "Set")
    assert content["domains"] == {"A_1": "A", "B_1": "B", "B_2": "B"}


def test_failure_leaves_nothing_behind(raw_parent):
    def fail(image, label):
        raise ValueError("a bad file")

    with pytest.raises(ValueError, match="a bad file"):
        write(raw_parent, [CASES[0], RawCase("C_1", "test", "C", fail)])
    assert list(raw_parent.iterdir()) == []


def test_case_names_must_differ_across_folders(raw_parent):
    with pytest.raises(ValueError, match="'A_1' appears 2 times"):
        write(raw_parent, [CASES[0], RawCase("A_1", "unlabeled", "A", save)])


def test_existing_dataset_is_kept_without_overwrite(raw_parent):
    folder = write(raw_parent)
    before = files(folder)
    with pytest.raises(ValueError, match=r"Dataset007_Set exists; use --overwrite"):
        write(raw_parent, CASES[:1])
    assert files(folder) == before


def test_overwrite_replaces_the_whole_dataset(raw_parent):
    write(raw_parent)
    assert files(write(raw_parent, CASES[:1], overwrite=True)) == [
        "dataset.json",
        "imagesTr/A_1_0000.png",
        "labelsTr/A_1.png",
    ]
    assert [path.name for path in raw_parent.iterdir()] == ["Dataset007_Set"]


def test_failed_overwrite_keeps_the_old_dataset(raw_parent):
    before = files(write(raw_parent))
    with pytest.raises(ZeroDivisionError):
        write(raw_parent, [RawCase("A_1", "labeled", "A", lambda image, label: 1 / 0)], overwrite=True)
    assert files(raw_parent / "Dataset007_Set") == before


@settings(deadline=None)
@given(TOKENS, TOKENS, TOKENS, TOKENS)
@example("_1", "1", "__1", "1")
def test_cases_of_different_domains_never_share_a_name(domain, stem, other_domain, other_stem):
    if domain.replace("_", "-") != other_domain.replace("_", "-"):
        assert case_name(domain, stem) != case_name(other_domain, other_stem)


@settings(deadline=None)
@given(st.text(min_size=1), st.text(min_size=1))
def test_case_names_are_safe_file_names(domain, stem):
    assert set(case_name(domain, stem)) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
    )
