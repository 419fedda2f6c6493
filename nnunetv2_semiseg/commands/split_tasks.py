"""The command ``nnUNetv2_semiseg_split_tasks``."""

from __future__ import annotations

import argparse
from pathlib import Path

from nnunetv2_semiseg.commands.errors import clean_exit
from nnunetv2_semiseg.data.raw_folders import find_raw_dataset
from nnunetv2_semiseg.data.split_tasks import split_tasks


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
    parser.add_argument(
        "-d", dest="dataset", required=True, metavar="DATASET", help="id or name of the merged dataset"
    )
    parser.add_argument(
        "-i", dest="labels", type=Path, required=True, metavar="FOLDER", help="folder with the label maps"
    )
    parser.add_argument(
        "-o", dest="output", type=Path, required=True, metavar="FOLDER", help="folder to write"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the folder if it exists")
    return parser


if __name__ == "__main__":
    main()
