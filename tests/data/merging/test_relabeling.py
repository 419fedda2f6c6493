"""Merging leads back to the sources, whatever they are called and however many there are."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.extra import numpy as arrays
from merge_fixtures import SHAPE, Source, files, read
from threads import use_threads

from nnunetv2_semiseg.data.merging.merge_tasks import merge_tasks
from nnunetv2_semiseg.data.merging.relabeling import (
    MAX_TASKS,
    merged_case,
    merged_codes,
    plan_tasks,
    source_case,
    source_codes,
)
from nnunetv2_semiseg.data.merging.split_tasks import split_tasks

STRUCTURES = st.dictionaries(
    st.sampled_from(["spleen", "liver", "left atrium", "tumour: lung", "Milz"]),
    st.integers(1, 20),
    min_size=1,
).filter(lambda labels: len(set(labels.values())) == len(labels))
"""Structures of one dataset and their label values, which may have gaps."""

SOURCES = st.lists(
    st.tuples(st.integers(1, 999), st.sampled_from(["A", "A_A", "Dataset001_A"]), STRUCTURES),
    min_size=1,
    max_size=5,
    unique_by=lambda source: source[0],
).map(lambda sources: {f"Dataset{number:03d}_{name}": labels for number, name, labels in sources})


@given(SOURCES)
def test_every_label_comes_back(sources):
    tasks = plan_tasks(sources)
    assert [task.label for task in tasks] == list(range(1, sum(map(len, sources.values())) + 1))
    assert len({task.name for task in tasks}) == len(tasks)
    for source, labels in sources.items():
        there = merged_codes(tasks, source, labels.values())
        back = source_codes(tasks, source)
        assert {value: back[there[value]] for value in labels.values()} == {v: v for v in labels.values()}
        foreign = [task.label for task in tasks if task.source != source]
        assert {back[label] for label in [0, *foreign]} == {0}


@given(SOURCES, st.data())
def test_a_further_dataset_changes_no_label(sources, data):
    count = data.draw(st.integers(1, len(sources)))
    fewer = plan_tasks(dict(list(sources.items())[:count]))
    more = plan_tasks(sources)

    def origin(task):
        return task.label, task.source, task.source_label

    assert list(map(origin, fewer)) == list(map(origin, more))[: len(fewer)]


@given(SOURCES, st.sampled_from(["A", "a_1", "Dataset001_A_a", "_x", "x_"]))
def test_no_two_cases_get_one_name(sources, case):
    names = {merged_case(source, case): (source, case) for source in sources}
    assert {name: source_case(name, tuple(sources)) for name in names} == names


def test_a_case_of_no_source():
    assert source_case("Dataset511_PancreasX_a", ["Dataset511_Pancreas"]) is None


def test_a_label_that_is_no_task_becomes_background():
    tasks = plan_tasks({"Dataset001_A": {"b": 2}})
    assert merged_codes(tasks, "Dataset001_A", [1, 2]) == {0: 0, 1: 0, 2: 1}


def test_too_many_tasks():
    with pytest.raises(ValueError, match="256 tasks are too many, 255 are possible"):
        plan_tasks({"Dataset001_A": {f"s{value}": value for value in range(1, MAX_TASKS + 2)}})


def test_a_task_cannot_be_the_background():
    with pytest.raises(ValueError, match="'background' cannot be the name of a task"):
        plan_tasks({"Dataset001_A": {"background": 1}})


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_splitting_the_merged_labels_gives_those_of_the_sources(data, monkeypatch):
    use_threads(monkeypatch)
    sources = data.draw(SOURCES.filter(lambda sources: len(sources) > 1))
    with tempfile.TemporaryDirectory() as name:
        raw, output = Path(name) / "raw", Path(name) / "out"
        for source, labels in sources.items():
            written = Source(raw, source, labels)
            values = st.sampled_from([0, *labels.values()])
            for case in data.draw(st.sets(st.sampled_from(["a", "b", "Dataset001_A_a"]), min_size=1)):
                written.case(case, data.draw(arrays.arrays(np.uint8, SHAPE, elements=values)))
        merged = merge_tasks([raw / source for source in sources], _free(sources), "Merged").folder
        split_tasks(merged, merged / "labelsTr", output)
        for source in sources:
            assert files(output / source) == files(raw / source / "labelsTr")
            for file in files(output / source):
                np.testing.assert_array_equal(
                    read(output / source / file), read(raw / source / "labelsTr" / file)
                )


def _free(sources):
    """A number that no source has."""
    taken = {int(source[7:10]) for source in sources}
    return next(number for number in range(1, 1000) if number not in taken)
