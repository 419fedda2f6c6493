"""The command line that all converters in ``dataset_conversion`` share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from nnunetv2_semiseg.commands.errors import clean_exit
from nnunetv2_semiseg.data.conversion import ConversionOptions
from nnunetv2_semiseg.data.raw import Selection
from nnunetv2_semiseg.data.raw_folders import raw_folder


def run_converter(
    convert: Callable[[ConversionOptions, Path], Path], dataset_id: int, documentation: str | None
) -> None:
    """Parse the command line, convert, and say how to go on.

    Args:
        convert: The converter; gets the options and the folder of raw datasets.
        dataset_id: The converter's default.
        documentation: Shown by ``--help``.
    """

    @clean_exit
    def main() -> None:
        arguments = _parser(dataset_id, documentation).parse_args()
        folder = convert(ConversionOptions(**vars(arguments)), raw_folder())
        print(f"Wrote {folder}. Next: nnUNetv2_plan_and_preprocess -d {arguments.dataset_id} -c 2d")

    main()


def _parser(dataset_id: int, documentation: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "-i", dest="source", type=Path, required=True, metavar="FOLDER", help="the data set's top folder"
    )
    parser.add_argument("--labeled-domain", required=True, help="the domain whose cases keep their labels")
    parser.add_argument("--num-labeled", type=int, required=True, help="how many of them do")
    parser.add_argument(
        "--selection", choices=get_args(Selection), default="first", help="first by name (default) or random"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random selection; default 0")
    parser.add_argument(
        "--size", type=int, metavar="N", help="resize whole images to NxN pixels; default: keep their size"
    )
    parser.add_argument(
        "-d", dest="dataset_id", type=int, default=dataset_id, help=f"dataset id; default {dataset_id}"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the dataset if it exists")
    return parser
