"""Tasks in dataset.json: read, written, and refused where they are ill-formed."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest

from nnunetv2_semiseg.data.merging.tasks import Task, TaskTable, is_merged, read_source_endings, read_tasks

FILE = Path("Dataset510_All/dataset.json")
CONTENT = {
    "labels": {"background": 0, "pancreas": 1, "spleen": 2},
    "tasks": {
        "spleen": {"label": 2, "source": "Dataset513_S", "source_label": 1},
        "pancreas": {"label": 1, "source": "Dataset511_P", "source_label": 3},
    },
    "case_tasks": {"a": ["pancreas"], "b": ["spleen", "pancreas"]},
    "sources": {"Dataset511_P": {"file_ending": ".nrrd"}, "Dataset513_S": {"file_ending": ".nii.gz"}},
}
PANCREAS, SPLEEN = Task("pancreas", 1, "Dataset511_P", 3), Task("spleen", 2, "Dataset513_S", 1)


def changed(path, value):
    """The content with another value, or without the last key of the path where the value is None."""
    content = copy.deepcopy(CONTENT)
    *parents, key = path.split(".")
    entry = content
    for parent in parents:
        entry = entry[parent]
    if value is None:
        del entry[key]
    else:
        entry[key] = value
    return content


def test_tasks_are_ordered_by_label():
    table = read_tasks(CONTENT, FILE)
    assert table.tasks == (PANCREAS, SPLEEN)
    assert table.of_case("a") == (PANCREAS,)
    assert table.of_case("b") == (PANCREAS, SPLEEN)
    assert is_merged(CONTENT)
    assert is_merged({"labels": {}, "tasks": {}})
    assert is_merged({"labels": {}, "case_tasks": {}})
    assert not is_merged({"labels": {}})


def test_writing_and_reading_gives_the_same():
    table = TaskTable((PANCREAS, SPLEEN), {"a": (PANCREAS,), "b": (PANCREAS, SPLEEN)}, FILE)
    assert read_tasks({"labels": CONTENT["labels"], **table.to_json()}, FILE) == table


def test_sources_have_file_endings():
    assert read_source_endings(CONTENT, FILE) == {"Dataset511_P": ".nrrd", "Dataset513_S": ".nii.gz"}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("tasks", None, "has no key 'tasks'; nnUNetv2_semiseg_merge_tasks writes"),
        ("tasks", ["spleen"], "'tasks' must be an object"),
        ("tasks", {}, "labels of 'tasks' must be 1, 2"),
        ("tasks.spleen", 2, "'tasks.spleen' must be an object with keys, got 2"),
        ("tasks.spleen.label", None, "'tasks.spleen.label' must be of type int, got None"),
        ("tasks.spleen.label", True, "'tasks.spleen.label' must be of type int, got True"),
        ("tasks.spleen.label", 3, "labels of 'tasks' must be 1, 2"),
        ("tasks.spleen.label", 1, "labels of 'tasks' must be 1, 2"),
        ("tasks.spleen.source", 7, "'tasks.spleen.source' must be of type str, got 7"),
        ("tasks.spleen.source_label", "1", "'tasks.spleen.source_label' must be of type int, got '1'"),
        ("tasks.spleen.source_label", 0, "'tasks.spleen.source_label' must be a positive number"),
        (
            "tasks.spleen",
            {"label": 2, "source": "Dataset511_P", "source_label": 3},
            "'tasks.spleen.source_label' .* no other task of Dataset511_P has, got 3",
        ),
        ("labels", None, "'labels' must be"),
        ("labels.spleen", 7, "'labels' must be"),
        ("labels.ignore", 3, "'labels' must be"),
        ("case_tasks", None, "has no key 'case_tasks'"),
        ("case_tasks.a", [], "'case_tasks.a' must be a list of at least one task"),
        ("case_tasks.a", "pancreas", "'case_tasks.a' must be a list"),
        ("case_tasks.a", ["pancreas", "pancreas"], "'case_tasks.a' must be a list .* each once"),
        ("case_tasks.a", ["liver"], "'case_tasks.a' names the unknown task 'liver'; there are pancreas, spl"),
        ("case_tasks.a", [["pancreas"]], "'case_tasks.a' names the unknown task"),
    ],
)
def test_ill_formed_content_is_named_with_file_and_key(path, value, message):
    with pytest.raises(ValueError, match=rf"Dataset510_All/dataset\.json.*{message}"):
        read_tasks(changed(path, value), FILE)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("sources", None, "has no key 'sources'"),
        ("sources.Dataset513_S", None, "'sources' lacks Dataset513_S, the source of task 'spleen'"),
        ("sources.Dataset513_S", ".nii.gz", "'sources.Dataset513_S' must be an object"),
        ("sources.Dataset513_S.file_ending", None, "'sources.Dataset513_S.file_ending' must be of type str"),
    ],
)
def test_ill_formed_sources_are_named(path, value, message):
    with pytest.raises(ValueError, match=message):
        read_source_endings(changed(path, value), FILE)


def test_a_case_without_a_task_is_named():
    table = read_tasks(CONTENT, FILE)
    with pytest.raises(ValueError, match=r"dataset\.json: case 'c' has no task"):
        table.of_case("c")


def test_some_of_the_tasks():
    table = read_tasks(CONTENT, FILE)
    spleen = replace(SPLEEN, label=1)
    assert table.limited_to(["spleen"]) == TaskTable((spleen,), {"b": (spleen,)}, FILE)
    turned = table.limited_to(["spleen", "pancreas"])
    assert [task.name for task in turned.tasks] == ["spleen", "pancreas"]
    assert turned.of_case("b") == (spleen, replace(PANCREAS, label=2))
    labels = {"background": 0, "spleen": 1, "pancreas": 2}
    assert read_tasks({"labels": labels, **turned.to_json()}, FILE) == turned


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["liver"], "has no task 'liver'; it has pancreas, spleen"),
        ([], "at least one"),
        (["spleen", "spleen"], "each once"),
    ],
)
def test_impossible_choices_of_tasks(names, message):
    with pytest.raises(ValueError, match=message):
        read_tasks(CONTENT, FILE).limited_to(names)
