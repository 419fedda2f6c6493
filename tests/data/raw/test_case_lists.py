"""Lists of cases in text files."""

from __future__ import annotations

import pytest

from nnunetv2_semiseg.data.raw.case_lists import listed_cases

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
