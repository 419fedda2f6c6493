"""The command line of all converters in ``dataset_conversion``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, get_args

from nnunetv2_semiseg.commands.arguments import add_folder_argument, add_overwrite_argument
from nnunetv2_semiseg.commands.errors import clean_exit
from nnunetv2_semiseg.data.conversion.release import ConversionOptions, SourceOptions
from nnunetv2_semiseg.data.conversion.splits import ValidationUse
from nnunetv2_semiseg.data.raw.case_selection import Selection
from nnunetv2_semiseg.data.raw.folders import raw_folder

OptionsT = TypeVar("OptionsT", bound=SourceOptions)


def run_converter(
    convert: Callable[[ConversionOptions, Path], Path], dataset_id: int, documentation: str | None
) -> None:
    """Run the converter of a data set with several domains, one of which keeps its labels.

    Args:
        convert: The converter, which is called with the options and the folder of raw datasets.
        dataset_id: Default id of the dataset.
        documentation: Text that ``--help`` shows.
    """
    parser = converter_parser(documentation)
    parser.add_argument("--labeled-domain", required=True, help="the domain whose cases keep their labels")
    add_selection_arguments(parser, "how many of them do")
    add_size_argument(parser)
    add_target_arguments(parser, dataset_id)
    run_with_parser(parser, ConversionOptions, convert)


def run_with_parser(
    parser: argparse.ArgumentParser,
    options: Callable[..., OptionsT],
    convert: Callable[[OptionsT, Path], Path],
    configuration: str = "2d",
) -> None:
    """Parse the command line, convert, and print the next command.

    Args:
        parser: Parser with the arguments of this module.
        options: Function that makes the converter's options from the parsed arguments.
        convert: The converter, which is called with the options and the folder of raw datasets.
        configuration: nnU-Net's configuration that the dataset is meant for.
    """

    @clean_exit
    def main() -> None:
        arguments = parser.parse_args()
        folder = convert(options(**vars(arguments)), raw_folder())
        planning = f"nnUNetv2_plan_and_preprocess -d {arguments.dataset_id} -c {configuration}"
        print(f"Wrote {folder}. Next: {planning}")

    main()


def converter_parser(documentation: str | None) -> argparse.ArgumentParser:
    """A parser with ``-i``, the folder of the data set."""
    parser = argparse.ArgumentParser(
        description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_folder_argument(parser, "-i", "source", "the data set's top folder")
    return parser


def add_selection_arguments(parser: argparse.ArgumentParser, counted: str) -> None:
    """Add how many cases are labeled and which; ``counted`` is the help text of the number."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--num-labeled", type=int, help=counted)
    which.add_argument(
        "--labeled-list",
        type=Path,
        metavar="FILE",
        help="instead of a number: a file that names them, one a line",
    )
    parser.add_argument(
        "--selection", choices=get_args(Selection), default="first", help="first by name (default) or random"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random selection; default 0")


def add_test_list_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--test-list``, the test cases of a data set without a split of its own."""
    parser.add_argument(
        "--test-list",
        type=Path,
        metavar="FILE",
        help="a file that names the test cases, one a line; default: the last 20 %% by name",
    )


def add_size_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--size``, the size of the written images."""
    parser.add_argument(
        "--size", type=int, metavar="N", help="resize whole images to NxN pixels; default: keep their size"
    )


def add_validation_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--val``, the use of the data set's validation cases."""
    parser.add_argument(
        "--val",
        dest="validation",
        choices=get_args(ValidationUse),
        default="skip",
        help="validation cases are left out (skip, the default), become unlabeled training images, or test "
        "images of a domain 'val'",
    )


def add_target_arguments(parser: argparse.ArgumentParser, dataset_id: int | None) -> None:
    """Add the id of the written dataset, which is required if there is no default, and ``--overwrite``."""
    default = "" if dataset_id is None else f"; default {dataset_id}"
    parser.add_argument(
        "-d",
        dest="dataset_id",
        type=int,
        default=dataset_id,
        required=dataset_id is None,
        help=f"dataset id{default}",
    )
    add_overwrite_argument(parser, "the dataset")
