"""Measuring folders of predictions and comparing them: everything that goes into a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nnunetv2.configuration import default_num_processes

from nnunetv2_semiseg.core.errors import UnsupportedError, UserError
from nnunetv2_semiseg.data.merging.tasks import is_merged
from nnunetv2_semiseg.evaluation.measuring.cases import measure_cases
from nnunetv2_semiseg.evaluation.measuring.classes import foreground_classes
from nnunetv2_semiseg.evaluation.measuring.label_files import check_labels, match_cases
from nnunetv2_semiseg.evaluation.measuring.scores import Score
from nnunetv2_semiseg.evaluation.results.differences import paired_differences
from nnunetv2_semiseg.evaluation.results.report import Report
from nnunetv2_semiseg.evaluation.results.seeds import SeedResult, mean_over_seeds, seed_result
from nnunetv2_semiseg.evaluation.results.statistics import CONFIDENCE, RESAMPLES
from nnunetv2_semiseg.evaluation.results.summary import summarise


def evaluate(
    dataset: str,
    dataset_json: Mapping[str, Any],
    reference: Path,
    models: Mapping[str, Path | Sequence[Path]],
    *,
    common: bool = False,
    seed: int = 0,
    num_processes: int | None = None,
) -> Report:
    """Measure the predictions of one or several models and compare them.

    Args:
        dataset: Name of the dataset, for the report.
        dataset_json: Content of the dataset's dataset.json.
        reference: Folder with the true label maps.
        models: Folder with predicted label maps by name of the model, or a folder for each training of a
            model that was trained several times. The first model is the baseline.
        common: Measure the cases that all folders have, instead of refusing folders with other cases.
        seed: Seed of the bootstrap, at least 0.
        num_processes: Number of background processes; None: nnU-Net's default (``nnUNet_def_n_proc``, else
            8).

    Raises:
        UserFileError: A folder has no label maps, or lacks some.
        UnsupportedError: The dataset is a merged one.
        UserError: The folders have other cases or labels, a case has no domain, or a label map cannot be
            read or compared.
    """
    if is_merged(dataset_json):
        raise UnsupportedError(
            f"{dataset} is a merged dataset, whose cases are not annotated for all classes: use "
            "nnUNetv2_semiseg_evaluate_tasks"
        )
    trained = {name: [found] if isinstance(found, Path) else list(found) for name, found in models.items()}
    names = [name for name, folders in trained.items() for _ in folders]
    folders = [folder for of_model in trained.values() for folder in of_model]
    for folder in folders:
        check_labels(folder, dataset_json)
    matched = match_cases(reference, folders, dataset_json["file_ending"], common)
    measured = measure_cases(matched.cases, names, dataset_json, num_processes or default_num_processes)
    scores, seeds = _by_model(trained, measured.scores)
    return Report(
        dataset=dataset,
        reference=str(reference),
        models={name: str(of_model[0]) for name, of_model in trained.items()},
        classes=tuple(entry.name for entry in foreground_classes(dataset_json["labels"])),
        domains=tuple(sorted({score.domain for score in scores})),
        unit=measured.unit,
        seed=seed,
        resamples=RESAMPLES,
        confidence=CONFIDENCE,
        left_out=matched.left_out,
        scores=scores,
        summaries=tuple(summarise(scores)),
        comparisons=tuple(paired_differences(scores, list(models), seed)),
        seeds=seeds,
    )


def _by_model(
    trained: Mapping[str, Sequence[Path]], scores: Sequence[Score]
) -> tuple[tuple[Score, ...], dict[str, tuple[SeedResult, ...]]]:
    """Scores of each model, and results of each training of models with several.

    Args:
        trained: Prediction folders by name of the model, one for each training.
        scores: Scores of one training after the other, equally many of each.
    """
    count = len(scores) // sum(map(len, trained.values()))
    parts = (scores[start : start + count] for start in range(0, len(scores), count))
    joined: list[Score] = []
    seeds = {}
    for model, folders in trained.items():
        of_model = [next(parts) for _ in folders]
        if len(folders) == 1:
            joined += of_model[0]
            continue
        joined += mean_over_seeds(of_model)
        seeds[model] = tuple(
            seed_result(str(folder), part) for folder, part in zip(folders, of_model, strict=True)
        )
    return tuple(joined), seeds


def name_models(folders: Sequence[Path], names: Sequence[str] | None = None) -> dict[str, Path]:
    """Prediction folders by the names that they have in a report.

    Args:
        folders: Folders of predictions, of which there is at least one.
        names: A name for each folder; None: the folders' own names.

    Raises:
        UserError: There are more or fewer names than folders, or two names are equal.

    Examples:
        >>> list(name_models([Path("out/unet"), Path("out/fixmatch")]))
        ['unet', 'fixmatch']
    """
    if names is not None and len(names) != len(folders):
        raise UserError(
            f"{len(folders)} prediction folders have {len(names)} names: give each one by --names"
        )
    chosen = names or [folder.resolve().name for folder in folders]
    name, count = Counter(chosen).most_common(1)[0]
    if count > 1:
        raise UserError(f"{count} prediction folders are called '{name}': give each its own name by --names")
    return dict(zip(chosen, folders, strict=True))
