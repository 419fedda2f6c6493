"""Arguments that several commands have in common, and types of arguments."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_dataset_argument(parser: argparse.ArgumentParser, which: str) -> None:
    """Add ``-d``, the dataset to work on; ``which`` is ``a dataset`` or something narrower."""
    parser.add_argument("-d", dest="dataset", required=True, metavar="DATASET", help=f"id or name of {which}")


def add_folder_argument(parser: argparse.ArgumentParser, flag: str, dest: str, meaning: str) -> None:
    """Add a required folder; ``meaning`` is its help text."""
    parser.add_argument(flag, dest=dest, type=Path, required=True, metavar="FOLDER", help=meaning)


def add_new_id_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``-o``, the id of the raw dataset that the command writes."""
    parser.add_argument(
        "-o", dest="output", type=int, required=True, metavar="ID", help="id of the new dataset"
    )


def add_overwrite_argument(parser: argparse.ArgumentParser, what: str) -> None:
    """Add ``--overwrite``, which lets the command replace ``what`` it writes."""
    parser.add_argument("--overwrite", action="store_true", help=f"replace {what} if it exists")


def add_processes_argument(parser: argparse.ArgumentParser, task: str) -> None:
    """Add ``-np``, the number of background processes that ``task``; None if it is not given."""
    parser.add_argument(
        "-np",
        dest="num_processes",
        type=positive,
        help=f"background processes that {task}; default: nnUNet_def_n_proc, else 8",
    )


def positive(text: str) -> int:
    """The type of an integer of at least 1; argparse reports any other."""
    return _at_least(1, text)


def natural(text: str) -> int:
    """The type of an integer of at least 0; argparse reports any other."""
    return _at_least(0, text)


def _at_least(smallest: int, text: str) -> int:
    number = int(text)
    if number < smallest:
        raise argparse.ArgumentTypeError(f"must be at least {smallest}, got {number}")
    return number
