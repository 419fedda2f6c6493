"""Errors that a user can mend, told apart from defects of this package.

Each of them inherits the exception of Python that a caller in a program would expect, too.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType


class UserError(ValueError):
    """Something that a user gave is wrong; the message says in one sentence what, where, and what to do."""


class UserFileError(UserError, FileNotFoundError):
    """A file or a folder that a user named, or that an earlier command would have made, is missing."""


class UnsupportedError(UserError, NotImplementedError):
    """A user asks for what this package does not do."""


class DivergedError(UserError, FloatingPointError):
    """A training computes numbers that are not finite, so that it learns nothing any more."""


def show_user_errors_alone(program: str = "") -> None:
    """Let a `UserError` end one of nnU-Net's commands with its sentence and exit code 1, without traceback.

    Every other exception is shown as before. Programs that are not nnU-Net's, such as a Python script that
    predicts, are left as they are.

    Args:
        program: Path of the running program; default: that of this process.
    """
    if not Path(program or sys.argv[0]).name.startswith("nnUNetv2_"):
        return
    usual = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        if isinstance(error, UserError):
            sys.stderr.write(f"error: {error}\n")
        else:
            usual(kind, error, traceback)

    sys.excepthook = hook
