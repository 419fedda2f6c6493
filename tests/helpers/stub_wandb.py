"""Stands for the module wandb: keeps what it is given, and refuses what wandb 0.31 refuses."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any


class ConfigError(Exception):
    """As wandb's, of a value that a run has already with another content."""


class Config(dict[str, Any]):
    def update(self, values: dict[str, Any]) -> None:  # type: ignore[override]
        for key, value in values.items():
            if key in self and self[key] != value:
                raise ConfigError(f'Attempted to change value of key "{key}"')
            self[key] = copy.deepcopy(value)


class Run:
    """A run whose steps survive the process, as a server or a folder keeps them."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.config = Config()
        self.summary: dict[str, Any] = {}
        self.file = folder / "wandb" / "latest-run" / f"run-{name}.wandb"
        self.history: list[tuple[int, str, Any]] = []
        if self.file.is_file():
            self.history = [(step, key, value) for step, key, value in json.loads(self.file.read_text())]

    @property
    def step(self) -> int:
        """The next one."""
        return max((step for step, _, _ in self.history), default=-1) + 1

    def log(self, values: dict[str, Any], step: int) -> None:
        newest = max((old for old, _, _ in self.history), default=0)
        assert step >= newest, f"wandb drops the values of step {step}, it has {newest} already"
        self.history += [(step, key, float(value)) for key, value in values.items()]
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(self.history))


class Wandb:
    """The module; one process has one active run, which `init` gives back."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.active: Run | None = None

    def init(self, project: str, dir: str, id: str | None, mode: str, resume: str) -> Run:
        if self.active is None:
            self.active = Run(Path(dir), id or f"id{len(self.runs)}")
            self.runs.append(self.active)
        return self.active

    def end_process(self) -> None:
        self.active = None
