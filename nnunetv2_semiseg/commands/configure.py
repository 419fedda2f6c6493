"""The command ``nnUNetv2_semiseg_configure``."""

from __future__ import annotations

import argparse
import json

from nnunetv2_semiseg.commands.errors import clean_exit
from nnunetv2_semiseg.core.plans_file import only_writer, read_plans, write_plans
from nnunetv2_semiseg.data.raw.folders import dataset_name, preprocessed_folder
from nnunetv2_semiseg.methods.settings import (
    configured_plans,
    key_lines,
    parse_settings,
    with_absolute_checkpoints,
)


@clean_exit
def main() -> None:
    """Write a configuration with hyper-parameters into a plans file."""
    parser = _parser()
    arguments = parser.parse_args()
    if arguments.keys:
        print("\n".join(key_lines()))
        return
    missing = [flag for flag in ("-d", "-c", "--name") if getattr(arguments, flag.strip("-")) is None]
    if missing or not arguments.settings:
        parser.error(f"{', '.join(missing) or 'KEY=VALUE'} missing; --keys shows what can be set")
    name = dataset_name(arguments.d)
    file = preprocessed_folder() / name / f"{arguments.p}.json"
    settings = with_absolute_checkpoints(parse_settings(arguments.settings))
    read_plans(file)  # says what to do where there is none, and so no place for a lock
    with only_writer(file):
        plans = configured_plans(read_plans(file), arguments.c, arguments.name, settings)
        write_plans(file, plans)
    print(f"{file}, configuration '{arguments.name}':")
    print(json.dumps(plans["configurations"][arguments.name], indent=4))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Writes a configuration with hyper-parameters of its own into a dataset's plans file; "
        "train with it by its name in place of 2d. Called again it changes the same configuration.",
        epilog="example: nnUNetv2_semiseg_configure -d 502 -c 2d --name 2d_long epochs=100 "
        "synfoc.threshold=0.9    then: nnUNetv2_train 502 2d_long 0 -tr nnUNetTrainerSynFoC",
    )
    parser.add_argument("-d", metavar="DATASET", help="id or name of the dataset")
    parser.add_argument("-c", metavar="CONFIGURATION", help="configuration to inherit from, such as 2d")
    parser.add_argument("-p", metavar="PLANS", default="nnUNetPlans", help="plans; default: nnUNetPlans")
    parser.add_argument("--name", help="name of the configuration to write")
    parser.add_argument("--keys", action="store_true", help="show all keys with their defaults and exit")
    parser.add_argument(
        "settings", nargs="*", metavar="KEY=VALUE", help="hyper-parameters; values as in JSON"
    )
    return parser


if __name__ == "__main__":
    main()
