"""Results that exist already: finished trainings, and predictions that are up to date."""

from __future__ import annotations

import textwrap
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunetv2_semiseg.comparing.comparison import Comparison
from nnunetv2_semiseg.comparing.competitors import Competitor
from nnunetv2_semiseg.core.config import SECTION, TrainingConfig, config_values, merged_section, parse_config
from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.core.files import read_json
from nnunetv2_semiseg.methods.settings import resolve_config, setting_words, training_values

OF_THE_DATASET = ("channel_names", "labels", "numTraining", "file_ending")
"""Keys of dataset.json that a training depends on."""

NOT_COMPARED = ("configurations", "continue_training")
"""Keys of plans that are compared in another way, or not at all."""

REMEDY = "delete its folder to train anew, or choose another --name"
"""What to do about a damaged model folder."""

ANEW = "choose another --name, or delete that folder to train anew"
"""What to do about a model folder of other conditions."""

LONGEST_VALUE = 60
"""Number of letters that a message shows of a value."""


def check_models(
    comparison: Comparison, plans: Mapping[str, Any], dataset_json: Mapping[str, Any], preprocessed: Path
) -> None:
    """Refuse to go on with trainings that began under other conditions.

    Args:
        comparison: The comparison.
        plans: Content of the plans file, with the configurations of the comparison.
        dataset_json: Content of the preprocessed dataset's dataset.json.
        preprocessed: Folder of the preprocessed dataset.

    Raises:
        UserError: A model folder has other plans or other data.
    """
    for competitor, seed in comparison.trainings:
        configuration = comparison.configurations[seed]
        folder = comparison.model_folder(competitor.trainer.__name__, seed)
        if not (folder / "plans.json").is_file():
            continue
        was, data = (read_json(folder / name, REMEDY) for name in ("plans.json", "dataset.json"))
        if configuration not in was.get("configurations", {}):
            raise UserError(f"{folder / 'plans.json'} lacks the configuration '{configuration}': {REMEDY}")
        then = _conditions(competitor, was, configuration, data)
        now = _conditions(competitor, dict(plans), configuration, dataset_json)
        changed = [key for key in sorted(then.keys() | now.keys()) if then.get(key) != now.get(key)]
        if changed:
            key = changed[0]
            values = (textwrap.shorten(str(content.get(key)), LONGEST_VALUE) for content in (then, now))
            raise UserError(f"{folder} was trained with another {key} ({', now '.join(values)}): {ANEW}")
        if not _same_images(folder, preprocessed):
            raise UserError(f"{folder} was trained on other labeled images: {ANEW}")


def is_trained(comparison: Comparison, competitor: Competitor, seed: int, fold: str) -> bool:
    """Whether a training is finished and all of its networks have a final checkpoint.

    Raises:
        UserError: A checkpoint is damaged.
    """
    folders = [
        comparison.model_folder(trainer, seed) / f"fold_{fold}" for trainer in competitor.models.values()
    ]
    for file in (file for folder in folders for file in sorted(folder.glob("checkpoint_*.pth"))):
        if not zipfile.is_zipfile(file):
            raise UserError(
                f"{file} is damaged, as after a kill or on a full disk: delete it, and the training goes on "
                "from another checkpoint of that folder or, without one, starts anew"
            )
    return all((folder / "checkpoint_final.pth").is_file() for folder in folders)


def is_predicted(
    folder: Path, cases: Collection[str], endings: Sequence[str], sources: Sequence[Path]
) -> bool:
    """Whether a folder has the predictions of all cases, none older than the files that they were made of.

    Args:
        folder: Folder of the predictions.
        cases: Names of the cases, besides which there must be no others.
        endings: Endings of the files of each case, that of label maps first.
        sources: Checkpoints and images that predictions are made of.
    """
    files = [folder / f"{case}{ending}" for case in cases for ending in endings]
    if not all(file.is_file() for file in (*files, *sources)):
        return False
    if {file.name for file in folder.glob(f"*{endings[0]}")} != {f"{case}{endings[0]}" for case in cases}:
        return False
    return min(_time(file) for file in files) >= max(_time(file) for file in sources)


def _same_images(folder: Path, preprocessed: Path) -> bool:
    """Whether the dataset's fingerprint is that in the model folder, where nnU-Net puts it."""
    files = [parent / "dataset_fingerprint.json" for parent in (folder, preprocessed)]
    if not all(file.is_file() for file in files):
        return True
    then, now = (read_json(file, REMEDY) for file in files)
    return bool(then == now)


def _conditions(
    competitor: Competitor, plans: dict[str, Any], configuration: str, dataset_json: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything that a training depends on, by its name in messages."""
    resolved = dict(PlansManager(plans).get_configuration(configuration).configuration)
    resolved.pop(SECTION, None)
    settings = dict(word.split("=", 1) for word in setting_words(_settings(competitor, plans, configuration)))
    return {
        **{key: value for key, value in plans.items() if key not in NOT_COMPARED},
        **resolved,
        **{f"{SECTION}.{key}": value for key, value in settings.items()},
        **{key: dataset_json.get(key) for key in OF_THE_DATASET},
    }


def _settings(competitor: Competitor, plans: Mapping[str, Any], configuration: str) -> dict[str, Any]:
    """Hyper-parameters of a configuration, with defaults."""
    if competitor.method is not None:
        return resolve_config(plans, configuration, competitor.method).section(competitor.method.key)
    values = training_values(merged_section(plans, configuration))
    return config_values(parse_config(TrainingConfig, values, f"configuration '{configuration}'"))


def _time(file: Path) -> int:
    return file.stat().st_mtime_ns
