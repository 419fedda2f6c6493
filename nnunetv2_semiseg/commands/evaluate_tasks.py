"""The command ``nnUNetv2_semiseg_evaluate_tasks``."""

from __future__ import annotations

import argparse
from pathlib import Path

from nnunetv2_semiseg.commands.arguments import add_dataset_argument, add_folder_argument
from nnunetv2_semiseg.commands.errors import clean_exit
from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.data.merging.tasks import read_tasks
from nnunetv2_semiseg.data.raw.folders import find_raw_dataset
from nnunetv2_semiseg.data.raw.reading import read_dataset_json
from nnunetv2_semiseg.evaluation.measuring.by_task import dice_lines, evaluate_by_task, write_summary


@clean_exit
def main() -> None:
    """Score predictions of a merged dataset, each case on its own tasks."""
    arguments = _parser().parse_args()
    dataset = find_raw_dataset(arguments.dataset)
    dataset_json = read_dataset_json(dataset)
    table = read_tasks(dataset_json, dataset / "dataset.json")
    output: Path = arguments.output or arguments.predictions / "summary.json"
    if arguments.output and (output.suffix != ".json" or not output.parent.is_dir()):
        raise UserError(f"-o {output}: name a file that ends with .json, in a folder that exists")
    summary = evaluate_by_task(arguments.predictions, arguments.reference, table, dataset_json)
    write_summary(summary, output)
    print("\n".join(dice_lines(summary, table)))
    print(f"Wrote {output}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Scores predictions of a merged dataset. A case counts on the tasks that it is annotated "
        "for: its other structures are not background but unannotated, which nnU-Net's own evaluation does "
        "not know. The result has the form of nnU-Net's summary.json, with NaN for tasks that a case does "
        "not count for. Every predicted case needs a true label map.",
        epilog="example: nnUNetv2_semiseg_evaluate_tasks -d 510 -p predictions -r $nnUNet_raw/Dataset510_"
        "Merged/labelsTs -o scores.json",
    )
    add_dataset_argument(parser, "the merged dataset")
    add_folder_argument(parser, "-p", "predictions", "predicted label maps")
    add_folder_argument(parser, "-r", "reference", "true label maps")
    parser.add_argument(
        "-o", dest="output", type=Path, metavar="FILE", help="default: summary.json beside the predictions"
    )
    return parser


if __name__ == "__main__":
    main()
