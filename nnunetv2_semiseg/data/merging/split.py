"""Label maps of a merged dataset back to the labels, case names and file endings of its sources."""

from __future__ import annotations

from pathlib import Path

from nnunetv2.imageio.reader_writer_registry import determine_reader_writer_from_dataset_json
from tqdm import tqdm

from nnunetv2_semiseg.core.errors import UserError, UserFileError
from nnunetv2_semiseg.data.merging.label_maps import rewrite_labels
from nnunetv2_semiseg.data.merging.task_labels import source_case, source_codes
from nnunetv2_semiseg.data.merging.tasks import read_source_endings, read_tasks
from nnunetv2_semiseg.data.raw.folders import staged_folder
from nnunetv2_semiseg.data.raw.reading import read_dataset_json


def split_tasks(dataset: Path, labels: Path, output: Path, overwrite: bool = False) -> dict[str, int]:
    """Write label maps of a merged dataset, predicted or true, as those of its sources.

    Each case goes to ``output/SOURCE/CASE.ending`` with the labels, the name and the file ending that it has
    in its source. What is labeled as a structure of another source becomes background.

    Args:
        dataset: The merged raw dataset.
        labels: Folder with label maps of its cases.
        output: Folder to be written, complete or not at all.
        overwrite: Whether an existing folder is replaced.

    Returns:
        How many cases were written for each source that has any.

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
    first = next(iter(cases))
    reader = determine_reader_writer_from_dataset_json(dataset_json, str(first), verbose=False)()
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
    for path in sorted(folder.glob(f"[!.]*{ending}")):
        found = source_case(path.name.removesuffix(ending), sources)
        if found is None:
            raise UserError(
                f"{path}: is no case of {dataset}, whose cases begin with {', '.join(sources)}; "
                "remove the file"
            )
        cases[path] = found
    if not cases:
        raise UserFileError(f"{folder} has no label maps ending with {ending}")
    return cases
