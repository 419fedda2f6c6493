"""Cases that are to be labeled: those of a text file, or a number of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.data.raw.case_selection import listed_cases, select_cases

NAMES = ["a", "b", "c", "d"]


@pytest.fixture
def listed(tmp_path):
    def read(text, **more):
        (tmp_path / "list.txt").write_text(text)
        return listed_cases(tmp_path / "list.txt", NAMES, "cases", **more)

    return read


def test_order_is_kept_and_each_name_counts_once(listed):
    assert listed("c\n\n  a \r\nc\n") == ["c", "a"]


def test_lines_may_name_cases_in_other_ways(listed):
    assert listed("b/image.h5\nd\n", name_of=lambda line: line.partition("/")[0]) == ["b", "d"]


def test_unknown_name_is_refused_with_its_line(listed):
    with pytest.raises(
        ValueError, match=r"list\.txt: line 2 is 'x', which is none of the 4 cases; they are a, b"
    ):
        listed("a\nx\n")


def test_empty_list_is_refused(listed):
    with pytest.raises(ValueError, match="names no case"):
        listed("\n")


def test_missing_list_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"list\.txt does not exist"):
        listed_cases(tmp_path / "list.txt", NAMES, "cases")


def test_binary_list_is_refused(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"\x89PNG\xff")
    with pytest.raises(UserError, match=r"list\.txt is not a text file"):
        listed_cases(tmp_path / "list.txt", NAMES, "cases")


@settings(deadline=None)
@given(
    st.sets(st.text("ab01", min_size=1), min_size=1),
    st.data(),
    st.sampled_from(["first", "random"]),
    st.integers(0, 9),
)
def test_selection_is_a_reproducible_subset(names, data, selection, seed):
    count = data.draw(st.integers(1, len(names)))
    chosen = select_cases(sorted(names), count, selection, seed)
    assert len(set(chosen)) == len(chosen) == count
    assert set(chosen) <= names
    assert chosen == select_cases(sorted(names, reverse=True), count, selection, seed)
    if selection == "first":
        assert chosen == sorted(names)[:count]


def test_random_selection_follows_the_seed():
    names = [f"{index:03d}" for index in range(100)]
    assert select_cases(names, 5, "random", 0) != select_cases(names, 5, "random", 1)


@pytest.mark.parametrize(
    ("count", "selection", "message"),
    [
        (4, "first", "4 labeled cases asked for, but there are only 3 cases of A"),
        (0, "first", "at least 1"),
        (1, "best", "'best' is unknown; choose one of first, random"),
    ],
)
def test_impossible_selections_are_refused(count, selection, message):
    with pytest.raises(ValueError, match=message):
        select_cases(["a", "b", "c"], count, selection, what="cases of A")
