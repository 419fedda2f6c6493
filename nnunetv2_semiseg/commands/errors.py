"""How commands report what a user got wrong, or should look at."""

from __future__ import annotations

import errno
import functools
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from nnunetv2_semiseg import __version__
from nnunetv2_semiseg.core.errors import UserError

_SPACE = "make room, or choose a folder on another disk"
_RIGHT = "ask for the right to, or choose another folder"
_MEMORY = "end other programs, use fewer processes where the command has -np, or take a larger machine"
REMEDIES = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EACCES: _RIGHT,
    errno.EROFS: _RIGHT,
    errno.ENOMEM: _MEMORY,
}
"""What to do about errors of the operating system that are no defect of the program."""

REPORT_REQUEST = (
    f"This is a defect of nnunetv2_semiseg {__version__}: please report it, with the command and all lines "
    "above."
)
"""Last line of a command that ends with an exception which no user could have caused."""


def clean_exit(main: Callable[[], None]) -> Callable[[], None]:
    """Let a command end with one line instead of a traceback where the user can mend the cause.

    A `UserError` becomes ``error: ...`` on stderr and exit code 1, and so do a full disk, a folder that may
    not be written to and memory that the operating system doesn't give. Every other exception is a defect:
    it keeps its traceback, and a line asks for a report. A ``UserWarning`` becomes ``warning: ...``.

    Args:
        main: The command's entry point.

    Returns:
        The wrapped entry point.
    """

    @functools.wraps(main)
    def wrapped() -> None:
        try:
            with _warnings_in_one_line():
                main()
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(1)
        except MemoryError as error:
            details = f" ({error})" if str(error) else ""
            print(f"error: not enough memory{details}: {_MEMORY}", file=sys.stderr)
            sys.exit(1)
        except OSError as error:
            if error.errno not in REMEDIES:
                _end_with_report_request()
            print(f"error: {_described(error)}: {REMEDIES[error.errno]}", file=sys.stderr)
            sys.exit(1)
        except Exception:
            _end_with_report_request()

    return wrapped


def _end_with_report_request() -> NoReturn:
    """Show the exception that is being handled with its traceback, and ask for a report of it."""
    traceback.print_exc()
    print(REPORT_REQUEST, file=sys.stderr)
    sys.exit(1)


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    """Leave out of a warning to the user where in the code it was given."""
    usual = warnings.formatwarning

    def in_one_line(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
    ) -> str:
        if category is UserWarning:
            return f"warning: {message}\n"
        return usual(message, category, filename, lineno, line)

    warnings.formatwarning = in_one_line
    try:
        yield
    finally:
        warnings.formatwarning = usual


def _described(error: OSError) -> str:
    """``No space left on device (/data/report)``."""
    file = error.filename2 or error.filename
    return f"{error.strerror} ({file})" if file else str(error.strerror)
