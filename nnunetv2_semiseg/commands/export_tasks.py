"""The command ``nnUNetv2_semiseg_export_tasks``."""

from __future__ import annotations

import argparse

from nnunetv2_semiseg.commands.arguments import (
    add_dataset_argument,
    add_folder_argument,
    add_overwrite_argument,
)
from nnunetv2_semiseg.commands.errors import clean_exit
from nnunetv2_semiseg.data.raw.folders import dataset_name, results_folder
from nnunetv2_semiseg.trainers.export_tasks import export_tasks


@clean_exit
def main() -> None:
    """Write a model folder that answers some tasks of a trained model."""
    arguments = _parser().parse_args()
    dataset = dataset_name(arguments.dataset)
    model = f"{arguments.trainer}__{arguments.plans}__{arguments.configuration}"
    folder = results_folder() / dataset / model
    table = export_tasks(folder, arguments.folds, arguments.tasks, arguments.output, arguments.overwrite)
    for task in table.tasks:
        print(f"label {task.label}: {task.name}")
    print(f"Wrote {arguments.output}. Next: nnUNetv2_predict_from_modelfolder -m {arguments.output}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Writes a model folder of nnU-Net that answers some tasks of a model that was trained on "
        "a merged dataset. Its labels are 1, 2, ... in the order of --tasks; its weights are the model's. "
        "Where other tasks would have been more probable, these tasks or background are predicted.",
        epilog="example: nnUNetv2_semiseg_export_tasks -d 510 -c 3d_fullres -f 0 --tasks pancreas spleen "
        "-o pancreas_and_spleen",
    )
    add_dataset_argument(parser, "the merged dataset")
    parser.add_argument(
        "-c",
        dest="configuration",
        default="3d_fullres",
        metavar="CONFIGURATION",
        help="as it was trained in; default: 3d_fullres",
    )
    parser.add_argument(
        "-tr", dest="trainer", default="nnUNetTrainerVerSemi", help="default: nnUNetTrainerVerSemi"
    )
    parser.add_argument("-p", dest="plans", default="nnUNetPlans", help="default: nnUNetPlans")
    parser.add_argument(
        "-f", dest="folds", nargs="+", default=list("01234"), metavar="FOLD", help="default: 0 1 2 3 4"
    )
    parser.add_argument("--tasks", nargs="+", required=True, metavar="TASK", help="names of the tasks")
    add_folder_argument(parser, "-o", "output", "model folder to write")
    add_overwrite_argument(parser, "the folder")
    return parser


if __name__ == "__main__":
    main()
