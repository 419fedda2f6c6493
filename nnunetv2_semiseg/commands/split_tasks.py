"""The command ``nnUNetv2_semiseg_split_tasks``."""

from __future__ import annotations

import argparse

from nnunetv2_semiseg.commands.arguments import (
    add_dataset_argument,
    add_folder_argument,
    add_overwrite_argument,
)
from nnunetv2_semiseg.commands.errors import clean_exit
from nnunetv2_semiseg.data.merging.split_tasks import split_tasks
from nnunetv2_semiseg.data.raw.folders import find_raw_dataset


@clean_exit
def main() -> None:
    """Write predictions of a merged dataset as predictions of its sources."""
    arguments = _parser().parse_args()
    dataset = find_raw_dataset(arguments.dataset)
    counts = split_tasks(dataset, arguments.labels, arguments.output, arguments.overwrite)
    for source, count in counts.items():
        print(f"{arguments.output / source}: {count} cases")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Writes label maps of a merged dataset, predicted or true, with the labels, case names "
        "and file endings of the datasets that it was merged of, a folder for each of them. A voxel with a "
        "structure of another dataset becomes background.",
        epilog="example: nnUNetv2_semiseg_split_tasks -d 510 -i predictions -o predictions_by_dataset",
    )
    add_dataset_argument(parser, "the merged dataset")
    add_folder_argument(parser, "-i", "labels", "folder with the label maps")
    add_folder_argument(parser, "-o", "output", "folder to write")
    add_overwrite_argument(parser, "the folder")
    return parser


if __name__ == "__main__":
    main()
