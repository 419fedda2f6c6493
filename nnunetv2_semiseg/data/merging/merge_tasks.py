"""Merging datasets that are each annotated for different structures into one with a label for each task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk
from nnunetv2.dataset_conversion.generate_dataset_json import generate_dataset_json
from tqdm import tqdm

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.core.files import staged_folder
from nnunetv2_semiseg.data.conversion.volume_files import read_volume
from nnunetv2_semiseg.data.merging.relabeling import merged_case, merged_codes, plan_tasks, rewrite_labels
from nnunetv2_semiseg.data.merging.source_datasets import (
    READER,
    CommonFormat,
    SourceDataset,
    common_format,
    read_sources,
)
from nnunetv2_semiseg.data.merging.tasks import BACKGROUND, SOURCES, Task, TaskTable
from nnunetv2_semiseg.data.raw.folders import (
    HIDDEN_LABELS,
    UNLABELED_IMAGES,
    dataset_folder_name,
    link_or_copy,
    new_dataset_folder,
)
from nnunetv2_semiseg.data.raw.reading import files_by_case, image_sidecar, images_by_case

FOLDERS = (("imagesTr", "labelsTr"), (UNLABELED_IMAGES, HIDDEN_LABELS), ("imagesTs", "labelsTs"))
"""Folders of images and of the labels that cases may have."""

TERMS = ("reference", "licence")
"""Keys of its sources' dataset.json that a merged dataset repeats; nnU-Net writes the licence like this."""


@dataclass(frozen=True)
class SourceFiles:
    """The files of one case of a source.

    Attributes:
        source: The source dataset.
        case: Name of the case in the source.
        folders: Folders of images and labels, in the source and in the merged dataset.
        images: One file for each channel, or one for all; none where the case has only a label.
        label: The label file, where the case has one.
    """

    source: SourceDataset
    case: str
    folders: tuple[str, str]
    images: tuple[Path, ...]
    label: Path | None

    @property
    def merged_name(self) -> str:
        """The case's name in the merged dataset."""
        return merged_case(self.source.name, self.case)


@dataclass(frozen=True)
class MergedDataset:
    """A merged dataset that was written.

    Attributes:
        folder: Folder of the raw dataset.
        table: Tasks of the dataset.
        notes: Sentences on what was decided where the sources differ.
    """

    folder: Path
    table: TaskTable
    notes: tuple[str, ...]


def merge_tasks(
    folders: Sequence[Path],
    dataset_id: int,
    name: str,
    structures: Mapping[str, Sequence[str]] | None = None,
    overwrite: bool = False,
) -> MergedDataset:
    """Write several raw datasets as one, next to the first of them.

    Images are hard links where the disk allows it and their format stays; label maps are written with the
    labels of the tasks. Spacing and size of each case are kept.

    Args:
        folders: Raw datasets, each annotated for its own structures alone. Their order decides the labels.
        dataset_id: Id of the new dataset.
        name: Rest of the new dataset's name, behind ``DatasetNNN_``.
        structures: Structures of a dataset that become tasks, by name of the dataset; all of them where it
            has no entry. The others become background.
        overwrite: Whether an existing dataset of this id and name is replaced.

    Returns:
        The new dataset.

    Raises:
        UserFileError: A file of a labeled case does not exist.
        UserError: The datasets cannot be merged (see `read_sources` and `common_format`), a structure is
            unknown, a label map has values that its dataset does not declare, the new dataset exists or its
            id is taken.
    """
    if dataset_folder_name(dataset_id, name) in {folder.name for folder in folders}:
        raise UserError(f"{dataset_folder_name(dataset_id, name)} cannot replace itself; choose another id")
    sources = read_sources(folders)
    tasks = plan_tasks({source.name: _wanted_structures(source, structures or {}) for source in sources})
    form = common_format(sources)
    target = new_dataset_folder(folders[0].parent, dataset_id, name, overwrite)
    files = [case for source in sources for case in _cases(source)]
    by_case = {
        case.merged_name: tuple(task for task in tasks if task.source == case.source.name)
        for case in files
        if case.folders[0] != UNLABELED_IMAGES
    }
    table = TaskTable(tasks, by_case, target / "dataset.json")
    with staged_folder(target) as folder:
        # labels first: they may be refused, and images that have to be recompressed take long
        for case in tqdm(files, desc=f"{target.name}, labels", unit="case"):
            _place_label(folder, case, form, tasks)
        for case in tqdm(files, desc=f"{target.name}, images", unit="case"):
            _place_images(folder, case, form)
        _write_dataset_json(folder, name, sources, form, table, files)
    return MergedDataset(target, table, form.notes)


def _wanted_structures(source: SourceDataset, structures: Mapping[str, Sequence[str]]) -> dict[str, int]:
    names = structures.get(source.name, tuple(source.structures))
    for name in names:
        if name not in source.structures:
            raise UserError(
                f"{source.name} has no structure '{name}'; it has {', '.join(map(repr, source.structures))}"
            )
    return {name: source.structures[name] for name in names}


def _cases(source: SourceDataset) -> Iterator[SourceFiles]:
    for case, labeled in source.labeled.items():
        yield SourceFiles(source, case, FOLDERS[0], labeled.images, labeled.label)
    for folders in FOLDERS[1:]:
        images = images_by_case(source.folder / folders[0], source.ending)
        labels = files_by_case(source.folder / folders[1], source.ending)
        for case in sorted({*images, *labels}):
            yield SourceFiles(source, case, folders, images.get(case, ()), labels.get(case))


def _place_label(folder: Path, case: SourceFiles, form: CommonFormat, tasks: Sequence[Task]) -> None:
    if case.label is None:
        return
    labels = folder / case.folders[1]
    labels.mkdir(exist_ok=True)
    codes = merged_codes(tasks, case.source.name, case.source.structures.values())
    rewrite_labels(case.label, labels / f"{case.merged_name}{form.ending}", codes, form.reader)


def _place_images(folder: Path, case: SourceFiles, form: CommonFormat) -> None:
    if not case.images:
        return
    images = folder / case.folders[0]
    images.mkdir(exist_ok=True)
    sidecar = image_sidecar(case.images[0], case.source.ending)
    if sidecar is not None:
        link_or_copy(sidecar, images / f"{case.merged_name}.json")
    for channel, path in enumerate(case.images):
        _place_image(path, images / f"{case.merged_name}_{channel:04d}{form.ending}", case.source.ending)


def _place_image(source: Path, target: Path, ending: str) -> None:
    if target.name.endswith(ending):
        link_or_copy(source, target)
    else:
        sitk.WriteImage(read_volume(source), str(target), useCompression=True)


def _write_dataset_json(
    folder: Path,
    name: str,
    sources: Sequence[SourceDataset],
    form: CommonFormat,
    table: TaskTable,
    files: Sequence[SourceFiles],
) -> None:
    generate_dataset_json(
        str(folder),
        channel_names={str(index): channel for index, channel in enumerate(form.channels)},
        labels={BACKGROUND: 0} | {task.name: task.label for task in table.tasks},
        num_training_cases=sum(len(source.labeled) for source in sources),
        file_ending=form.ending,
        dataset_name=name,
        description=" ".join((f"Merged of {', '.join(source.name for source in sources)}.", *form.notes)),
        overwrite_image_reader_writer=sources[0].dataset_json.get(READER),
        license=f"see '{SOURCES}'",
        converted_by="nnunetv2_semiseg",
        domains={case.merged_name: case.source.domain_of(case.case) for case in files},
        **table.to_json(),
        **{SOURCES: {source.name: _describe(source) for source in sources}},
    )


def _describe(source: SourceDataset) -> dict[str, Any]:
    content = source.dataset_json
    return {"file_ending": source.ending, **{key: content[key] for key in TERMS if key in content}}
