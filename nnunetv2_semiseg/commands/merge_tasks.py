"""The command ``nnUNetv2_semiseg_merge_tasks``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from nnunetv2.utilities.dataset_name_id_conversion import convert_dataset_name_to_id

from nnunetv2_semiseg.commands.arguments import add_new_id_argument, add_overwrite_argument
from nnunetv2_semiseg.commands.errors import clean_exit
from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.data.merging.merge_tasks import MergedDataset, merge_tasks
from nnunetv2_semiseg.data.raw.folders import find_raw_dataset


@clean_exit
def main() -> None:
    """Write several partially annotated datasets as one."""
    arguments = _parser().parse_args()
    folders = {dataset: find_raw_dataset(dataset) for dataset in arguments.datasets}
    merged = merge_tasks(
        [folders[dataset] for dataset in arguments.datasets],
        arguments.output,
        arguments.name,
        parse_structures(arguments.structures or (), list(folders.values())),
        arguments.overwrite,
    )
    print("\n".join([*_task_lines(merged), *merged.notes]))
    print(f"Wrote {merged.folder}. Next: nnUNetv2_plan_and_preprocess -d {arguments.output}")


def parse_structures(choices: Sequence[str], folders: Sequence[Path]) -> dict[str, list[str]]:
    """Structures by name of the dataset.

    Args:
        choices: Choices of the form ``DATASET:STRUCTURE``, where a dataset has its number or its name.
        folders: Folders of the datasets to merge.

    Raises:
        UserError: A choice is not of this form, or its dataset is none of those to merge.

    Examples:
        >>> parse_structures(["511:tumour", "511:pancreas"], [Path("Dataset511_Pancreas")])
        {'Dataset511_Pancreas': ['tumour', 'pancreas']}
    """
    known = {folder.name: folder.name for folder in folders}
    known |= {str(convert_dataset_name_to_id(folder.name)): folder.name for folder in folders}
    chosen: dict[str, list[str]] = {}
    for choice in choices:
        dataset, colon, structure = choice.partition(":")
        name = known.get(str(int(dataset)) if dataset.isdecimal() else dataset)
        if not colon or name is None:
            raise UserError(
                f"--structures {choice}: write DATASET:STRUCTURE with one of the datasets "
                f"{', '.join(folder.name for folder in folders)}"
            )
        chosen.setdefault(name, []).append(structure)
    return chosen


def _task_lines(merged: MergedDataset) -> list[str]:
    return [
        f"label {task.label}: {task.name}, which is label {task.source_label} of {task.source}"
        for task in merged.table.tasks
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Makes one dataset of several, each annotated for its own structures alone: one label "
        "for each structure of each of them (a task), and in dataset.json which case is annotated for what. "
        "Labeled, unlabeled and test cases come along under names that begin with their dataset's; images "
        "are hard links where the disk allows it. The originals stay as they are. "
        "nnUNetv2_semiseg_split_tasks leads back.",
        epilog="example: nnUNetv2_semiseg_merge_tasks -d 511 512 513 -o 510 --structures 513:spleen",
    )
    parser.add_argument(
        "-d",
        dest="datasets",
        nargs="+",
        required=True,
        metavar="DATASET",
        help="ids or names of the datasets; in their order the labels are given",
    )
    add_new_id_argument(parser)
    parser.add_argument(
        "--name", default="Merged", help="name of the new dataset, without DatasetNNN_; default: Merged"
    )
    parser.add_argument(
        "--structures",
        nargs="+",
        metavar="DATASET:STRUCTURE",
        help="which structures of a dataset become tasks; its others become background. Datasets without an "
        "entry keep all of theirs",
    )
    add_overwrite_argument(parser, "the new dataset")
    return parser


if __name__ == "__main__":
    main()
