"""Turning label maps of a merged dataset back into those of its sources: labels, names and file endings."""

from __future__ import annotations

from pathlib import Path

from tqdm import tqdm

from nnunetv2_semiseg.core.errors import UserError, UserFileError
from nnunetv2_semiseg.core.files import staged_folder
from nnunetv2_semiseg.data.merging.relabeling import rewrite_labels, source_case, source_codes
from nnunetv2_semiseg.data.merging.tasks import read_source_endings, read_tasks
from nnunetv2_semiseg.data.raw.reading import files_by_case, read_dataset_json, reader_for


def split_tasks(dataset: Path, labels: Path, output: Path, overwrite: bool = False) -> dict[str, int]:
    """Write label maps of a merged dataset, predicted or true, as those of its sources.

    Each case goes to ``output/SOURCE/CASE.ending`` with the labels, the name and the file ending that it has
    in its source. What is labeled as a structure of another source becomes background.

    Args:
        dataset: The merged raw dataset.
        labels: Folder with label maps of its cases.
        output: Folder to be written, whole or not at all.
        overwrite: Whether an existing folder is replaced.

    Returns:
        Number of cases that were written for each source that has any.

    Raises:
        UserFileError: ``labels`` has no label maps.
        UserError: The dataset is not a merged one, ``output`` exists, or a file is of no source, cannot be
            read or has a value that is no task's label.
    """
    dataset_json = read_dataset_json(dataset)
    table = read_tasks(dataset_json, dataset / "dataset.json")
    endings = read_source_endings(dataset_json, dataset / "dataset.json")
    ending = dataset_json["file_ending"]
    cases = _find_cases(labels, ending, tuple(endings), dataset.name)
    if output.exists() and not overwrite:
        raise UserError(f"{output} exists; use --overwrite to replace it, or choose another folder")
    reader = reader_for(dataset_json, next(iter(cases)))
    counts: dict[str, int] = {}
    with staged_folder(output) as folder:
        for path, (source, case) in tqdm(cases.items(), desc=output.name, unit="case"):
            (folder / source).mkdir(exist_ok=True)
            codes = source_codes(table.tasks, source)
            rewrite_labels(path, folder / source / f"{case}{endings[source]}", codes, reader)
            counts[source] = counts.get(source, 0) + 1
    return counts


def _find_cases(
    folder: Path, ending: str, sources: tuple[str, ...], dataset: str
) -> dict[Path, tuple[str, str]]:
    """Source and original case name of each label map."""
    cases = {}
    for name, path in files_by_case(folder, ending).items():
        found = source_case(name, sources)
        if found is None:
            raise UserError(
                f"{path}: is no case of {dataset}, whose cases begin with {', '.join(sources)}; "
                "remove the file"
            )
        cases[path] = found
    if not cases:
        raise UserFileError(f"{folder} has no label maps ending with {ending}")
    return cases
