"""The command ``nnUNetv2_semiseg_hide_labels``."""

from __future__ import annotations

import argparse

from nnunetv2_semiseg.commands.arguments import (
    add_dataset_argument,
    add_new_id_argument,
    add_overwrite_argument,
)
from nnunetv2_semiseg.commands.conversion import add_selection_arguments
from nnunetv2_semiseg.commands.errors import clean_exit
from nnunetv2_semiseg.data.raw.folders import HIDDEN_LABELS, UNLABELED_IMAGES, find_raw_dataset
from nnunetv2_semiseg.data.raw.hide_labels import hide_labels


@clean_exit
def main() -> None:
    """Write a dataset in which only some of another one's cases have labels."""
    arguments = _parser().parse_args()
    source = find_raw_dataset(arguments.dataset)
    target = hide_labels(
        source,
        arguments.output,
        arguments.name or source.name.partition("_")[2],
        arguments.num_labeled,
        arguments.selection,
        arguments.seed,
        arguments.overwrite,
        arguments.labeled_list,
    )
    print(f"Wrote {target}. Next: nnUNetv2_plan_and_preprocess -d {arguments.output}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Makes a semi-supervised dataset of a labeled one: the chosen cases keep their labels, "
        f"the others' images go to {UNLABELED_IMAGES} and their labels to {HIDDEN_LABELS}, which no training "
        "reads. The original stays as it is; files are hard links to its files where the disk allows it.",
        epilog="example: nnUNetv2_semiseg_hide_labels -d 27 -o 527 --num-labeled 7",
    )
    add_dataset_argument(parser, "a dataset")
    add_new_id_argument(parser)
    add_selection_arguments(parser, "how many cases keep their labels")
    parser.add_argument("--name", help="name of the new dataset, without DatasetNNN_; default: the old one's")
    add_overwrite_argument(parser, "the new dataset")
    return parser


if __name__ == "__main__":
    main()
