"""Tasks of a dataset that was merged from partially annotated ones: what ``dataset.json`` says of them.

A task is one structure of one source dataset. The merged dataset has one label for each task, and three keys
that nnU-Net does not look at::

    "labels": {"background": 0, "pancreas": 1, "spleen": 2},
    "tasks": {
        "pancreas": {"label": 1, "source": "Dataset511_NIHPancreas", "source_label": 1},
        "spleen": {"label": 2, "source": "Dataset513_Spleen", "source_label": 1}
    },
    "case_tasks": {"Dataset513_Spleen_spleen_03": ["spleen"]},
    "sources": {
        "Dataset511_NIHPancreas": {"file_ending": ".nii.gz"},
        "Dataset513_Spleen": {"file_ending": ".nii.gz"}
    }

``case_tasks`` names the tasks of every labeled and test case. There, label 0 is background for these tasks
alone and means "not annotated" for all others. Unlabeled cases are not in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nnunetv2_semiseg.core.errors import UserError

TASKS, CASE_TASKS, SOURCES = "tasks", "case_tasks", "sources"
"""The keys in dataset.json."""

BACKGROUND = "background"
"""nnU-Net's name of label 0."""


@dataclass(frozen=True)
class Task:
    """One structure of one source dataset.

    Attributes:
        name: Unique in the merged dataset, whose label it is.
        label: Value in the merged label maps, 1 to T.
        source: Name of the source dataset.
        source_label: Value in the label maps of the source.
    """

    name: str
    label: int
    source: str
    source_label: int


@dataclass(frozen=True)
class TaskTable:
    """All tasks of a merged dataset.

    Attributes:
        tasks: All tasks in the order of their labels: the task with label ``i`` is ``tasks[i - 1]``.
        by_case: Tasks that each labeled or test case is annotated for, in the order of their labels.
        file: File that says so, for error messages.
    """

    tasks: tuple[Task, ...]
    by_case: Mapping[str, tuple[Task, ...]]
    file: Path = Path("dataset.json")

    def of_case(self, case: str) -> tuple[Task, ...]:
        """The tasks that a case is annotated for, at least one.

        Raises:
            UserError: The case has none.
        """
        tasks = self.by_case.get(case)
        if not tasks:
            raise UserError(
                f"{self.file}: case '{case}' has no task; name its tasks in '{CASE_TASKS}' or remove the case"
            )
        return tasks

    def limited_to(self, names: Sequence[str]) -> TaskTable:
        """Some of the tasks alone, with the labels 1, 2, ... in the given order, and their cases.

        Raises:
            UserError: ``names`` is empty, or has a name twice or one that is no task.
        """
        known = {task.name: task for task in self.tasks}
        for name in names:
            if name not in known:
                raise UserError(f"{self.file} has no task '{name}'; it has {', '.join(known)}")
        if not names or len(set(names)) < len(names):
            raise UserError(f"name at least one task, each once; {self.file} has {', '.join(known)}")
        chosen = {name: replace(known[name], label=label) for label, name in enumerate(names, start=1)}
        by_case = {
            case: tuple(sorted((chosen[task.name] for task in tasks if task.name in chosen), key=_label))
            for case, tasks in self.by_case.items()
        }
        by_case = {case: tasks for case, tasks in by_case.items() if tasks}
        return TaskTable(tuple(chosen.values()), by_case, self.file)

    def to_json(self) -> dict[str, Any]:
        """The keys ``tasks`` and ``case_tasks`` of dataset.json."""
        return {
            TASKS: {
                task.name: {"label": task.label, "source": task.source, "source_label": task.source_label}
                for task in self.tasks
            },
            CASE_TASKS: {case: [task.name for task in tasks] for case, tasks in self.by_case.items()},
        }


def _label(task: Task) -> int:
    return task.label


def is_merged(dataset_json: Mapping[str, Any]) -> bool:
    """Whether a dataset.json speaks of tasks, so that its cases are not annotated for all classes.

    One of the keys is enough: with the other one missing, `read_tasks` says what is wrong.

    Examples:
        >>> is_merged({"labels": {"background": 0, "spleen": 1}})
        False
        >>> is_merged({"labels": {"background": 0, "spleen": 1}, "case_tasks": {"a": ["spleen"]}})
        True
    """
    return TASKS in dataset_json or CASE_TASKS in dataset_json


def read_tasks(dataset_json: Mapping[str, Any], file: Path) -> TaskTable:
    """The tasks of a merged dataset.

    Args:
        dataset_json: Content of its dataset.json.
        file: Where that was read, for errors.

    Raises:
        UserError: A key is missing, a value is not of the form that the module's docstring shows, the tasks
            are not the labels, or a case has an unknown task or none.
    """
    entries = _object(dataset_json, TASKS, file)
    tasks = sorted((_read_task(name, entries, file) for name in entries), key=_label)
    _check_tasks(tasks, dataset_json.get("labels"), file)
    known = {task.name: task for task in tasks}
    cases = _object(dataset_json, CASE_TASKS, file)
    return TaskTable(tuple(tasks), {case: _read_case(case, cases, known, file) for case in cases}, file)


def read_source_endings(dataset_json: Mapping[str, Any], file: Path) -> dict[str, str]:
    """The file ending of each source dataset by its name; arguments as in `read_tasks`.

    Raises:
        UserError: ``sources`` is missing, is not of the form that the module's docstring shows, or lacks the
            source of a task.
    """
    entries = _object(dataset_json, SOURCES, file)
    endings = {
        name: str(
            _field(_object(entries, name, file, SOURCES), "file_ending", str, file, f"{SOURCES}.{name}")
        )
        for name in entries
    }
    for task in read_tasks(dataset_json, file).tasks:
        if task.source not in endings:
            raise UserError(f"{file}: '{SOURCES}' lacks {task.source}, the source of task '{task.name}'")
    return endings


def _read_task(name: str, entries: Mapping[str, Any], file: Path) -> Task:
    entry = _object(entries, name, file, TASKS)
    where = f"{TASKS}.{name}"
    return Task(
        name,
        _field(entry, "label", int, file, where),
        _field(entry, "source", str, file, where),
        _field(entry, "source_label", int, file, where),
    )


def _check_tasks(tasks: list[Task], labels: Any, file: Path) -> None:
    if [task.label for task in tasks] != list(range(1, len(tasks) + 1)) or not tasks:
        raise UserError(f"{file}: the labels of '{TASKS}' must be 1, 2, ..., each of one task")
    if labels != {BACKGROUND: 0} | {task.name: task.label for task in tasks}:
        raise UserError(f"{file}: 'labels' must be '{BACKGROUND}': 0 and the labels of '{TASKS}'")
    origins: dict[tuple[str, int], str] = {}
    for task in tasks:
        other = origins.setdefault((task.source, task.source_label), task.name)
        if task.source_label < 1 or other != task.name:
            raise UserError(
                f"{file}: '{TASKS}.{task.name}.source_label' must be a positive number that no other task of "
                f"{task.source} has, got {task.source_label}"
            )


def _read_case(
    case: str, cases: Mapping[str, Any], known: Mapping[str, Task], file: Path
) -> tuple[Task, ...]:
    names = cases[case]
    if not isinstance(names, list) or not names or len(set(map(str, names))) < len(names):
        raise UserError(f"{file}: '{CASE_TASKS}.{case}' must be a list of at least one task, each once")
    for name in names:
        if not isinstance(name, str) or name not in known:
            raise UserError(
                f"{file}: '{CASE_TASKS}.{case}' names the unknown task '{name}'; there are {', '.join(known)}"
            )
    return tuple(sorted((known[name] for name in names), key=_label))


def _object(content: Mapping[str, Any], key: str, file: Path, parent: str = "") -> Mapping[str, Any]:
    """A value that has to be a JSON object."""
    where = f"{parent}.{key}" if parent else key
    if key not in content:
        raise UserError(f"{file} has no key '{where}'; nnUNetv2_semiseg_merge_tasks writes such a dataset")
    if not isinstance(content[key], Mapping):
        raise UserError(f"{file}: '{where}' must be an object with keys, got {content[key]!r}")
    return dict(content[key])


def _field(entry: Mapping[str, Any], key: str, kind: type, file: Path, where: str) -> Any:
    value = entry.get(key)
    # in Python, true is a number
    if not isinstance(value, kind) or isinstance(value, bool):
        raise UserError(f"{file}: '{where}.{key}' must be of type {kind.__name__}, got {value!r}")
    return value
