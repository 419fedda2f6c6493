"""How commands report what a user got wrong."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable

from nnunetv2_semiseg.processes import WorkerKilledError

USER_ERRORS = (ValueError, FileNotFoundError, NotImplementedError, WorkerKilledError)


def clean_exit(main: Callable[[], None]) -> Callable[[], None]:
    """Let a command end with one line instead of a traceback where the user can mend the cause.

    ``ValueError``, ``FileNotFoundError``, ``NotImplementedError`` and ``WorkerKilledError`` become
    ``error: ...`` on stderr and exit code 1. Every other exception is a defect and keeps its traceback.

    Args:
        main: The command's entry point.

    Returns:
        The wrapped entry point.
    """

    @functools.wraps(main)
    def wrapped() -> None:
        try:
            main()
        except USER_ERRORS as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(1)

    return wrapped
