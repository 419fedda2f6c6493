"""Labels and case names of sources in the merged dataset, there and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from nnunetv2.imageio.base_reader_writer import BaseReaderWriter

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.core.files import reading
from nnunetv2_semiseg.data.conversion.volume_files import decode_values
from nnunetv2_semiseg.data.merging.tasks import BACKGROUND, Task

MAX_TASKS = 255
"""Largest label that fits into the label maps written, which have 8 bits per voxel."""


def plan_tasks(structures: Mapping[str, Mapping[str, int]]) -> tuple[Task, ...]:
    """A task for each structure, labeled 1, 2, ... in the order of the sources and of their labels.

    A source that is added behind the others changes no other task's label. A structure's name that several
    sources have gets the number of the source in front: ``Dataset511_spleen``.

    Args:
        structures: Label values of the structures that are to be tasks, by name, for each source dataset.

    Raises:
        UserError: Two tasks would have the same name, or there are too many.
    """
    counts = Counter(name for labels in structures.values() for name in labels)
    tasks: list[Task] = []
    for source, labels in structures.items():
        for structure, value in sorted(labels.items(), key=lambda item: item[1]):
            name = structure if counts[structure] == 1 else f"{dataset_number(source)}_{structure}"
            tasks.append(Task(name, len(tasks) + 1, source, value))
    for name, count in Counter(task.name for task in tasks).items():
        if count > 1 or name == BACKGROUND:
            raise UserError(f"'{name}' cannot be the name of a task; rename this structure in dataset.json")
    if len(tasks) > MAX_TASKS:
        raise UserError(f"{len(tasks)} tasks are too many, {MAX_TASKS} are possible; use --structures")
    return tuple(tasks)


def dataset_number(source: str) -> str:
    """``Dataset511`` of ``Dataset511_NIHPancreas``."""
    return source.partition("_")[0]


def merged_codes(tasks: Iterable[Task], source: str, values: Iterable[int]) -> dict[int, int]:
    """Merged label of each label of a source; 0 for those that are no task."""
    return dict.fromkeys((0, *values), 0) | {t.source_label: t.label for t in tasks if t.source == source}


def source_codes(tasks: Iterable[Task], source: str) -> dict[int, int]:
    """A source's label of each merged label; 0 for the tasks of other sources."""
    return {0: 0} | {task.label: task.source_label if task.source == source else 0 for task in tasks}


def merged_case(source: str, case: str) -> str:
    """Name of a source's case in the merged dataset, which no case of another source has.

    The sources' numbers differ, so none of their names begins with another one's.
    """
    return f"{source}_{case}"


def source_case(case: str, sources: Collection[str]) -> tuple[str, str] | None:
    """Source and original name of a merged case; None where it is of none of the sources."""
    for source in sources:
        original = case.removeprefix(f"{source}_")
        if original != case:
            return source, original
    return None


def rewrite_labels(source: Path, target: Path, codes: Mapping[int, int], reader: BaseReaderWriter) -> None:
    """Write a label map with other values on the same grid, in any of nnU-Net's file formats.

    Args:
        source: File of the label map.
        target: File to write; its ending decides the format.
        codes: New value, up to 255, of each value.
        reader: nnU-Net's reader for ``source``, which also writes.

    Raises:
        UserError: The file cannot be read, or has a value that is not in ``codes``.
    """
    with reading(source, "mend or remove the case"):
        labels, properties = reader.read_seg(str(source))
    reader.write_seg(decode_values(labels[0], codes, source), str(target), properties)
