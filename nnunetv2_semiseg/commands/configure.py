"""The command ``nnUNetv2_semiseg_configure``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from nnunetv2.paths import nnUNet_preprocessed

from nnunetv2_semiseg.commands.datasets import dataset_name, read_json
from nnunetv2_semiseg.commands.errors import clean_exit
from nnunetv2_semiseg.config import SECTION, merge_nested
from nnunetv2_semiseg.methods.keys import key_lines
from nnunetv2_semiseg.methods.resolve import check_section


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
    file = Path(nnUNet_preprocessed) / name / f"{arguments.p}.json"
    settings = with_absolute_checkpoints(parse_settings(arguments.settings))
    plans = configured_plans(read_json(file, name), arguments.c, arguments.name, settings)
    temporary = file.with_suffix(".json.tmp")
    temporary.write_text(json.dumps(plans, indent=4))
    temporary.replace(file)
    print(f"{file}, configuration '{arguments.name}':")
    print(json.dumps(plans["configurations"][arguments.name], indent=4))


def configured_plans(
    plans: dict[str, Any], parent: str, name: str, settings: dict[str, Any]
) -> dict[str, Any]:
    """Plans with a configuration that inherits from another one and has hyper-parameters of its own.

    Args:
        plans: Content of a plans file.
        parent: Configuration to inherit from.
        name: Configuration to make, or to change if it exists.
        settings: Nested hyper-parameters.

    Returns:
        New plans; an existing configuration keeps what ``settings`` doesn't name.

    Raises:
        ValueError: Names don't fit together or a hyper-parameter is wrong.
    """
    configurations = plans["configurations"]
    if parent not in configurations:
        raise ValueError(
            f"configuration '{parent}' is not in the plans; they have: {', '.join(configurations)}"
        )
    existing = configurations.get(name, {"inherits_from": parent})
    if existing.get("inherits_from") != parent or name == parent:
        raise ValueError(
            f"configuration '{name}' exists and does not inherit from '{parent}': choose another --name "
            "(nnU-Net's own configurations lose such settings when the dataset is planned again)"
        )
    changed = {**existing, SECTION: merge_nested(existing.get(SECTION, {}), settings)}
    result = {**plans, "configurations": {**configurations, name: changed}}
    check_section(result, name)
    return result


def parse_settings(settings: list[str]) -> dict[str, Any]:
    """``["epochs=100", "synfoc.threshold=0.9"]`` as nested dictionaries.

    Raises:
        ValueError: A setting is not of the form ``key=value``, or its value is infinite or not a number.
    """
    parsed: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise ValueError(f"'{setting}' is not of the form key=value, as in epochs=100")
        try:
            value: Any = json.loads(text, parse_constant=_refuse_constant)
        except json.JSONDecodeError:
            value = text  # a plain word or a path
        for part in reversed(key.split(".")):
            value = {part: value}
        parsed = merge_nested(parsed, value)
    return parsed


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is no number that JSON has, and so none for plans")


def with_absolute_checkpoints(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with whole paths of checkpoints: a training is started from another folder.

    A shell doesn't expand ``~`` behind an equals sign.
    """
    whole: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            whole[key] = with_absolute_checkpoints(value)
        elif key == "checkpoint" and isinstance(value, str):
            whole[key] = str(Path(value).expanduser().resolve())
        else:
            whole[key] = value
    return whole


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Writes a configuration with hyper-parameters of its own into a dataset's plans file; "
        "train with it by its name in place of 2d. Called again it changes the same configuration.",
        epilog="example: nnUNetv2_semiseg_configure -d 502 -c 2d --name 2d_long epochs=100 "
        "synfoc.threshold=0.9    then: nnUNetv2_train 502 2d_long 0 -tr nnUNetTrainerSynFoC",
    )
    parser.add_argument("-d", metavar="DATASET", help="dataset: its number or DatasetNNN_Name")
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
