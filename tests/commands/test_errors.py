"""How commands end: with one line where the user can mend the cause, else with a traceback."""

from __future__ import annotations

import errno
import traceback
import warnings

import pytest

from nnunetv2_semiseg.commands.errors import clean_exit
from nnunetv2_semiseg.core.errors import UnsupportedError, UserError, UserFileError
from nnunetv2_semiseg.core.processes import WorkerKilledError


def failing(error: BaseException) -> None:
    @clean_exit
    def main() -> None:
        raise error

    main()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UserError("a is wrong: set b"), "a is wrong: set b"),
        (UserFileError("no a: make one"), "no a: make one"),
        (UnsupportedError("no regions: take labels"), "no regions: take labels"),
        (WorkerKilledError("killed: use fewer"), "killed: use fewer"),
        (
            MemoryError("Unable to allocate 9 GiB"),
            "not enough memory (Unable to allocate 9 GiB): end other programs, use fewer processes where the "
            "command has -np, or take a larger machine",
        ),
        (
            OSError(errno.ENOMEM, "Cannot allocate memory"),
            "Cannot allocate memory: end other programs, use fewer processes where the command has -np, or "
            "take a larger machine",
        ),
        (
            MemoryError(),
            "not enough memory: end other programs, use fewer processes where the command has -np, or take a "
            "larger machine",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "/data/report"),
            "No space left on device (/data/report): make room, or choose a folder on another disk",
        ),
        (
            OSError(errno.EDQUOT, "Disk quota exceeded"),
            "Disk quota exceeded: make room, or choose a folder on another disk",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "/data/raw"),
            "Permission denied (/data/raw): ask for the right to, or choose another folder",
        ),
    ],
)
def test_what_a_user_can_mend_is_one_line(
    capsys: pytest.CaptureFixture[str], error: BaseException, line: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        failing(error)
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"error: {line}\n"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("a defect"),
        ValueError("operands could not be broadcast together"),
        FileNotFoundError("a file of ours"),
        NotImplementedError("torch can't"),
        OSError(errno.EIO, "Input/output error"),
        KeyError(1),
    ],
)
def test_defects_keep_their_traceback_and_ask_for_a_report(
    capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    with pytest.raises(SystemExit) as ended:
        failing(error)
    assert ended.value.code == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-2] == traceback.format_exception_only(error)[0].rstrip()
    assert lines[-1].startswith("This is a defect of nnunetv2_semiseg")
    assert "report it" in lines[-1]


def test_a_warning_is_one_line_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    usual = warnings.formatwarning

    @clean_exit
    def main() -> None:
        warnings.warn("no test.list: the last patients become test data")
        warnings.warn("of a library's developers", category=RuntimeWarning)

    with warnings.catch_warnings():
        # pytest would keep them to itself
        warnings.simplefilter("always")
        warnings.showwarning = lambda *shown: print(warnings.formatwarning(*shown[:4]), end="")
        main()
    first, *others = capsys.readouterr().out.splitlines()
    assert first == "warning: no test.list: the last patients become test data"
    assert "RuntimeWarning: of a library's developers" in others[0]
    assert warnings.formatwarning is usual
