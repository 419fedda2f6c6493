"""What nnU-Net's further loggers, such as Weights & Biases, get of exported networks.

nnU-Net's trainers start a run of their own when they are built. That of an exported network would be the
second one of its process: wandb gives the training's run back and refuses another configuration for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

SWITCH = "nnUNet_wandb_enabled"
"""nnU-Net's variable; its trainers read it when they are built."""


@contextmanager
def no_run_of_its_own() -> Iterator[None]:
    """Let trainers be built without a run."""
    before = os.environ.get(SWITCH)
    os.environ[SWITCH] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SWITCH]
        else:
            os.environ[SWITCH] = before


class SummaryLogger:
    """Puts what a network's validation ends with into its training's run, under the name of its trainer."""

    def __init__(self, loggers: Sequence[Any], name: str) -> None:
        """Write to other loggers.

        Args:
            loggers: The training's, without nnU-Net's local one.
            name: Name that is put in front of the keys.
        """
        self._loggers, self._name = loggers, name

    def update_config(self, config: dict[str, Any]) -> None:
        """Nothing: the configuration is the training's."""

    def log(self, key: str, value: Any, step: int) -> None:
        """Nothing: there are no epochs."""

    def log_summary(self, key: str, value: Any) -> None:
        """Pass a final value on."""
        for logger in self._loggers:
            logger.log_summary(f"{self._name}/{key}", value)
