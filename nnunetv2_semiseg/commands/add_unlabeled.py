"""The command ``nnUNetv2_semiseg_add_unlabeled``."""

from __future__ import annotations

import argparse
import sys

from nnunetv2.configuration import default_num_processes

from nnunetv2_semiseg.commands.arguments import (
    add_dataset_argument,
    add_folder_argument,
    add_processes_argument,
)
from nnunetv2_semiseg.commands.errors import clean_exit
from nnunetv2_semiseg.data.raw.add_unlabeled import add_unlabeled
from nnunetv2_semiseg.data.raw.folders import UNLABELED_IMAGES, find_raw_dataset


@clean_exit
def main() -> None:
    """Add images to a dataset's imagesUn."""
    arguments = _parser().parse_args()
    dataset = find_raw_dataset(arguments.dataset)
    processes = arguments.num_processes or default_num_processes
    added = add_unlabeled(dataset, arguments.images, arguments.domain, arguments.copy, processes)
    for warning in added.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"Added {len(added.cases)} unlabeled cases to {dataset / UNLABELED_IMAGES}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Puts the images of a folder into imagesUn of a dataset, if all of them fit it: file "
        "ending, channels, 2D or 3D. Files are named CASE_0000.ending (a file for each channel) or, where a "
        "case is one file, CASE.ending.",
        epilog="example: nnUNetv2_semiseg_add_unlabeled -d 27 -i my_scans --domain my_hospital",
    )
    add_dataset_argument(parser, "a dataset")
    add_folder_argument(parser, "-i", "images", "folder with the images")
    parser.add_argument("--copy", action="store_true", help="copy the files instead of making hard links")
    parser.add_argument("--domain", help="where the images come from, to be noted in dataset.json")
    add_processes_argument(parser, "read the images")
    return parser


if __name__ == "__main__":
    main()
