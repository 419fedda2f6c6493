"""The command ``nnUNetv2_semiseg_evaluate``."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from nnunetv2_semiseg.commands.arguments import (
    add_dataset_argument,
    add_overwrite_argument,
    add_processes_argument,
    natural,
)
from nnunetv2_semiseg.commands.errors import clean_exit
from nnunetv2_semiseg.core.errors import UserError, UserFileError
from nnunetv2_semiseg.data.raw.folders import find_raw_dataset
from nnunetv2_semiseg.data.raw.reading import read_dataset_json
from nnunetv2_semiseg.evaluation.measuring.domains import unused_domains
from nnunetv2_semiseg.evaluation.measuring.measures import MEASURES
from nnunetv2_semiseg.evaluation.prediction_folders import evaluate, name_models
from nnunetv2_semiseg.evaluation.results.costs import training_cost
from nnunetv2_semiseg.evaluation.results.history import FoldHistory, read_trainings
from nnunetv2_semiseg.evaluation.writing.folder import PAGE, check_output, write_report
from nnunetv2_semiseg.evaluation.writing.markdown import means_markdown, table_markdown
from nnunetv2_semiseg.evaluation.writing.page.page import PageSources, report_page
from nnunetv2_semiseg.evaluation.writing.tables import counts_table

NO_MODEL = "-"
"""Stands in place of a model folder for a prediction without one, such as that of an ensemble."""


@clean_exit
def main() -> None:
    """Measure predictions by class and domain, and compare models."""
    arguments = _parser().parse_args()
    check_output(arguments.output, arguments.overwrite)  # before the long work
    dataset = find_raw_dataset(arguments.dataset)
    models = name_models(arguments.predictions, arguments.names)
    sources = PageSources(
        dataset_json=read_dataset_json(dataset),
        images=_images(dataset, arguments.images),
        trainings=_trainings(list(models), arguments.models),
    )
    measured = evaluate(
        dataset.name,
        sources.dataset_json,
        arguments.reference or _test_labels(dataset),
        models,
        common=arguments.common_cases,
        seed=arguments.seed,
        num_processes=arguments.num_processes,
    )
    costs = {model: training_cost([folds]) for model, folds in sources.trainings.items()}
    report = dataclasses.replace(measured, costs=costs)
    if report.left_out:
        print(f"{len(report.left_out)} cases are not in all folders and left out", file=sys.stderr)
    if unused := unused_domains([score.case for score in report.scores], sources.dataset_json):
        print(unused, file=sys.stderr)
    write_report(report, arguments.output, arguments.overwrite, report_page(report, sources))
    means = [means_markdown(report, measure) for measure in MEASURES]
    print("\n".join([*means, table_markdown(counts_table(report))]))
    print(f"Wrote {arguments.output / PAGE}, with Markdown, JSON and CSV beside it")


def _test_labels(dataset: Path) -> Path:
    folder = dataset / "labelsTs"
    if not folder.is_dir():
        raise UserFileError(f"{folder} does not exist: name the folder with the true labels by -r")
    return folder


def _images(dataset: Path, named: Path | None) -> Path:
    """Folder of the images. If the usual folder is missing, the page says so."""
    if named is not None and not named.is_dir():
        raise UserFileError(f"{named} is not a folder: name the folder with the images of the cases by -i")
    return named or dataset / "imagesTs"


def _trainings(models: Sequence[str], folders: Sequence[str] | None) -> dict[str, list[FoldHistory]]:
    """Histories of the trainings by model, which are read before the long work."""
    if folders is None:
        return {}
    if len(folders) != len(models):
        raise UserError(
            f"{len(models)} prediction folders have {len(folders)} model folders: name one for each by "
            f"--models, or {NO_MODEL} where there is none"
        )
    return {
        model: read_trainings(Path(folder))
        for model, folder in zip(models, folders, strict=True)
        if folder != NO_MODEL
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Measures predictions: Dice, Jaccard, HD95 and ASD of each case, class and domain, with "
        "means and standard deviations. Empty predictions and references are counted apart. Of several "
        "prediction folders, each is compared with the first, case by case: interval of the difference "
        "(bootstrap, or Student's t of fewer than 20 cases) and Wilcoxon test. Writes a folder with a page "
        "for any browser, Markdown, JSON and CSV.",
        epilog="example: nnUNetv2_semiseg_evaluate -d 502 -p baseline unet ensemble -o report",
    )
    add = parser.add_argument
    add_dataset_argument(parser, "the dataset")
    add(
        "-p", dest="predictions", nargs="+", type=Path, required=True, metavar="FOLDER",
        help="folders with predicted label maps; the others are compared with the first",
    )  # fmt: skip
    add("--names", nargs="+", metavar="NAME", help="what to call them; default: the names of the folders")
    add(
        "-r", dest="reference", type=Path, metavar="FOLDER",
        help="true label maps; default: labelsTs of the dataset",
    )  # fmt: skip
    _add_page_arguments(parser)
    add("-o", dest="output", type=Path, required=True, metavar="FOLDER", help="folder for the report")
    add(
        "--common-cases", action="store_true",
        help="measure the cases that all folders have; by default, other cases are refused",
    )  # fmt: skip
    add("--seed", type=natural, default=0, help="of the bootstrap; default: 0")
    add_processes_argument(parser, "measure")
    add_overwrite_argument(parser, "the report")
    return parser


def _add_page_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the page shows beside the measures."""
    add = parser.add_argument
    add(
        "-i", dest="images", type=Path, metavar="FOLDER",
        help="images of the cases, for pictures; default: imagesTs of the dataset",
    )  # fmt: skip
    add(
        "--models", nargs="+", metavar="FOLDER",
        help="model folder of each prediction folder, in their order, for training curves, hours and memory; "
        f"{NO_MODEL} where there is none; default: none of these",
    )  # fmt: skip


if __name__ == "__main__":
    main()
