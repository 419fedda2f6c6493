"""The command ``nnUNetv2_semiseg_preprocess``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from nnunetv2.paths import nnUNet_preprocessed
from nnunetv2.utilities.dataset_name_id_conversion import maybe_convert_to_dataset_name
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunetv2_semiseg.commands.errors import clean_exit
from nnunetv2_semiseg.data.unlabeled import preprocess_unlabeled

DEFAULT_CONFIGURATIONS = ("2d", "3d_fullres")
"""Those of nnU-Net that need no cascade; a dataset of 2D images has the first one only."""


@clean_exit
def main() -> None:
    """Preprocess the unlabeled images of a dataset."""
    arguments = _parser().parse_args()
    dataset_name = _dataset_name(arguments.dataset)
    folder = Path(nnUNet_preprocessed) / dataset_name
    plans_manager = PlansManager(_read_json(folder / f"{arguments.plans}.json", dataset_name))
    dataset_json = _read_json(folder / "dataset.json", dataset_name)
    for configuration in _configurations(arguments.configurations, plans_manager):
        print(f"{dataset_name}, configuration {configuration}")
        preprocess_unlabeled(
            dataset_name,
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
    parser.add_argument("-d", dest="dataset", required=True, help="dataset: its number or DatasetNNN_Name")
    parser.add_argument(
        "-c",
        dest="configurations",
        nargs="+",
        help=f"configurations; default: {' and '.join(DEFAULT_CONFIGURATIONS)} where the plans have them",
    )
    parser.add_argument("-p", dest="plans", default="nnUNetPlans", help="plans; default: nnUNetPlans")
    parser.add_argument(
        "-np",
        dest="num_processes",
        type=_positive,
        help="background processes; default: nnUNet_def_n_proc, else 8",
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def _dataset_name(dataset: str) -> str:
    try:
        return str(maybe_convert_to_dataset_name(dataset))
    except RuntimeError as error:  # nnU-Net's way of saying that there is none, or more than one
        raise ValueError(f"dataset {dataset}: {error}") from None


def _read_json(file: Path, dataset_name: str) -> dict[str, Any]:
    if not file.is_file():
        raise FileNotFoundError(
            f"{file} does not exist: run nnUNetv2_plan_and_preprocess for {dataset_name} first"
        )
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def _configurations(wanted: list[str] | None, plans_manager: Any) -> list[str]:
    available = plans_manager.available_configurations
    unknown = [name for name in wanted or () if name not in available]
    if unknown:
        raise ValueError(f"configuration {unknown[0]} is not in the plans; they have: {', '.join(available)}")
    return wanted or [name for name in DEFAULT_CONFIGURATIONS if name in available]


if __name__ == "__main__":
    main()
