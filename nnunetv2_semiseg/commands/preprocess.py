"""The command ``nnUNetv2_semiseg_preprocess``."""

from __future__ import annotations

import argparse
from typing import Any

from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunetv2_semiseg.commands.arguments import add_dataset_argument, add_processes_argument
from nnunetv2_semiseg.commands.errors import clean_exit
from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.core.plans_file import read_planned, read_plans
from nnunetv2_semiseg.data.raw.folders import dataset_name, preprocessed_folder
from nnunetv2_semiseg.data.unlabeled.preprocessing import preprocess_unlabeled

DEFAULT_CONFIGURATIONS = ("2d", "3d_fullres")
"""nnU-Net's configurations without a cascade; plans of 2D images have only the first."""


@clean_exit
def main() -> None:
    """Preprocess the unlabeled images of a dataset."""
    arguments = _parser().parse_args()
    name = dataset_name(arguments.dataset)
    folder = preprocessed_folder() / name
    plans_manager = PlansManager(read_plans(folder / f"{arguments.plans}.json"))
    dataset_json = read_planned(folder / "dataset.json")
    for configuration in _configurations(arguments.configurations, plans_manager):
        print(f"{name}, configuration {configuration}")
        preprocess_unlabeled(
            name,
            plans_manager,
            plans_manager.get_configuration(configuration),
            dataset_json,
            arguments.num_processes,
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Preprocess the unlabeled images of a dataset (nnUNet_raw/DatasetNNN_Name/imagesUn) with "
        "the plans of its labeled ones. A training does this by itself; on a cluster it is better done once, "
        "before. Only images that are new or changed are preprocessed.",
        epilog="example: nnUNetv2_semiseg_preprocess -d 502 -c 2d 3d_fullres -np 4",
    )
    add_dataset_argument(parser, "the dataset")
    parser.add_argument(
        "-c",
        dest="configurations",
        nargs="+",
        metavar="CONFIGURATION",
        help=f"configurations; default: {' and '.join(DEFAULT_CONFIGURATIONS)} where the plans have them",
    )
    parser.add_argument("-p", dest="plans", default="nnUNetPlans", help="plans; default: nnUNetPlans")
    add_processes_argument(parser, "preprocess")
    return parser


def _configurations(wanted: list[str] | None, plans_manager: Any) -> list[str]:
    available = plans_manager.available_configurations
    unknown = [name for name in wanted or () if name not in available]
    if unknown:
        raise UserError(f"configuration {unknown[0]} is not in the plans; they have: {', '.join(available)}")
    return wanted or [name for name in DEFAULT_CONFIGURATIONS if name in available]


if __name__ == "__main__":
    main()
