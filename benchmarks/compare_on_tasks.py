r"""Compare one model over several partially annotated datasets with one plain nnU-Net for each of them.

Trains VerSemi on a dataset that nnUNetv2_semiseg_merge_tasks has written, and the supervised trainer on each
of the datasets that it was merged of, with the same labeled cases, patch, batch and iterations. Predicts the
test images with all of them, and prints Dice of each structure, wall time and memory. VerSemi predicts
twice: all tasks at once, split back into the datasets, and with a model of a dataset's own tasks, which are
all that its plain nnU-Net knows. All datasets are planned and preprocessed by nnU-Net before and have one
file ending. Test labels are read once, at the end. Everything runs through command lines, and each is
printed.

Example, after merging Dataset521 and Dataset522 into Dataset520:
    for d in 520 521 522; do nnUNetv2_plan_and_preprocess -d $d -c 3d_fullres; done
    python -m benchmarks.compare_on_tasks -d 520 --iterations 600 --patch 16 64 64 --features 16 --device cpu
"""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

from nnunetv2.paths import nnUNet_raw, nnUNet_results

from benchmarks.comparison import BASELINE, comparison_parser, plans_file, write_configuration
from nnunetv2_semiseg.commands.errors import clean_exit
from nnunetv2_semiseg.commands.plugin import VARIABLE, plugin_path
from nnunetv2_semiseg.comparing.comparison import Comparison
from nnunetv2_semiseg.comparing.competitors import find_competitors
from nnunetv2_semiseg.comparing.devices import parse_devices
from nnunetv2_semiseg.comparing.flow import prepare, run
from nnunetv2_semiseg.comparing.jobs import Job
from nnunetv2_semiseg.comparing.settings import common_settings
from nnunetv2_semiseg.comparing.workers import run_jobs
from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.core.plans_file import read_planned, read_plans
from nnunetv2_semiseg.data.merging.tasks import read_source_endings, read_tasks
from nnunetv2_semiseg.data.raw.folders import dataset_name
from nnunetv2_semiseg.data.raw.reading import images_by_case, read_dataset_json
from nnunetv2_semiseg.evaluation.measuring.cases import measure_cases
from nnunetv2_semiseg.evaluation.measuring.label_files import match_cases
from nnunetv2_semiseg.evaluation.measuring.scores import CLASS_MEAN
from nnunetv2_semiseg.evaluation.results.costs import training_cost
from nnunetv2_semiseg.evaluation.results.history import read_trainings
from nnunetv2_semiseg.evaluation.results.summary import DOMAIN_MEAN, summarise

MERGED_TRAINER = "nnUNetTrainerVerSemi"
SEED = 0


@clean_exit
def main() -> None:
    """Train, predict, evaluate, print."""
    arguments = comparison_parser(__doc__, configuration="3d_fullres", batch=2).parse_args()
    os.environ[VARIABLE] = plugin_path(os.environ.get(VARIABLE, ""))
    merged = dataset_name(arguments.dataset)
    raw = Path(nnUNet_raw) / merged
    sources = list(read_source_endings(read_dataset_json(raw), raw / "dataset.json"))
    devices = parse_devices([arguments.device])
    own_tasks = {source: tasks_of(merged, source) for source in sources}
    trained = {}
    for dataset in (merged, *sources):
        trained[dataset] = train_and_predict(
            dataset, MERGED_TRAINER if dataset == merged else BASELINE, arguments
        )
    of_merged = trained.pop(merged)
    (competitor,) = of_merged.competitors
    columns: dict[str, Path] = {}
    jobs: list[Job] = []
    for model in competitor.models:
        of_all = of_merged.predictions(model, SEED)
        split, own = (of_all.with_name(f"{of_all.name}_{kind}") for kind in ("split", "own"))
        columns |= {model: split, f"{model}, own tasks": own}
        jobs.append(split_job(merged, of_all, split))
        for source in sources:
            jobs += own_task_jobs(of_merged, model, own_tasks[source], own / source, arguments)
    failures = run_jobs(jobs, devices, of_merged.folder / "logs", {}, "tasks")
    if failures:
        raise UserError(f"{'; '.join(map(str, failures))}. Mend the cause and give the same command again")
    print_dice(columns, trained)
    print_costs([of_merged, *trained.values()])


def split_job(merged: str, predictions: Path, split: Path) -> Job:
    """Lead predictions of all tasks back to the datasets of these tasks."""
    places = ("-i", str(predictions), "-o", str(split), "--overwrite")
    return Job(split.name, ("nnUNetv2_semiseg_split_tasks", "-d", merged, *places))


def tasks_of(merged: str, source: str) -> list[str]:
    """Names of the tasks of a dataset, in the order of its labels.

    Raises:
        UserError: Not all structures of the dataset are tasks, so that a model of these has other labels.
    """
    raw = Path(nnUNet_raw) / merged
    table = read_tasks(read_dataset_json(raw), raw / "dataset.json")
    tasks = sorted(
        (task for task in table.tasks if task.source == source), key=lambda task: task.source_label
    )
    if [task.source_label for task in tasks] != list(range(1, len(tasks) + 1)):
        raise UserError(f"not all structures of {source} are in {merged}: merge it with all of them")
    return [task.name for task in tasks]


def own_task_jobs(
    of_merged: Comparison, model: str, tasks: list[str], folder: Path, arguments: Namespace
) -> list[Job]:
    """Make a model of one dataset's tasks and predict its test images into a folder named like it."""
    trainer = of_merged.competitors[0].models[model]
    name = folder.parent.name
    limited = folder.parent.with_name(f"{name}_models") / folder.name
    # fmt: off
    export = (
        "nnUNetv2_semiseg_export_tasks", "-d", of_merged.dataset, "-c", of_merged.configurations[SEED],
        "-tr", trainer, "-f", "all", "--tasks", *tasks, "-o", str(limited),
        "--overwrite",
    )
    predict = (
        "nnUNetv2_predict_from_modelfolder", "-m", str(limited), "-f", "all", "-device", arguments.device,
        "-i", str(Path(nnUNet_raw) / folder.name / "imagesTs"), "-o", str(folder),
    )
    # fmt: on
    return [
        Job(f"{kind}_{name}_{folder.name}", words)
        for kind, words in (("export", export), ("predict", predict))
    ]


def train_and_predict(dataset: str, trainer: str, arguments: Namespace) -> Comparison:
    """One trainer on one dataset, as far as that is not done yet; where its files lie."""
    write_configuration(dataset, arguments)
    raw, file = Path(nnUNet_raw) / dataset, plans_file(dataset)
    plans, dataset_json = read_plans(file), read_dataset_json(raw)
    competitors = find_competitors([trainer])
    comparison = Comparison(
        raw=raw,
        dataset_json=dataset_json,
        plans_name="nnUNetPlans",
        parent=arguments.name,
        name=f"{arguments.name}_compare",
        folds=("all",),
        competitors=competitors,
        settings=common_settings(plans, arguments.name, competitors, arguments.iterations, {}),
        seeds=(SEED,),
        results=Path(nnUNet_results) / dataset,
    )
    images = images_by_case(raw / "imagesTs", dataset_json["file_ending"])
    of_trainings = read_planned(file.with_name("dataset.json"))
    prepared = prepare(comparison, file, plans, of_trainings, images, arguments.device)
    run(prepared, parse_devices([arguments.device]), {})
    return comparison


def print_dice(folders: dict[str, Path], sources: dict[str, Comparison]) -> None:
    """A table of mean Dice over all test cases: a row for each structure, a column for each model.

    Args:
        folders: Predictions of VerSemi by the column's title, a folder in them for each dataset.
        sources: The training of each dataset that it was merged of.
    """
    models = ["plain nnU-Net", *folders]
    print(f"\n| structure | {' | '.join(models)} |\n|---|{'---|' * len(models)}")
    for source, comparison in sources.items():
        plain = comparison.predictions(comparison.competitors[0].name, SEED)
        predictions = [plain, *(folder / source for folder in folders.values())]
        dataset_json = comparison.dataset_json
        # not `evaluate`: it refuses predictions beside which the labels of a model of tasks have other names
        matched = match_cases(comparison.raw / "labelsTs", predictions, dataset_json["file_ending"])
        rows: dict[str, dict[str, list[str]]] = {}
        for summary in summarise(measure_cases(matched.cases, models, dataset_json, 1).scores):
            if summary.label != CLASS_MEAN and summary.domain != DOMAIN_MEAN:
                row = rows.setdefault(summary.label, {model: [] for model in models})
                row[summary.model].append(f"{summary.values['dice'].mean:.3f}")
        for name, row in rows.items():
            print(f"| {source}: {name} | {' | '.join(map(' / '.join, row.values()))} |")


def print_costs(trained: list[Comparison]) -> None:
    """Hours and memory of each training."""
    print()
    for comparison in trained:
        trainer = comparison.competitors[0].trainer.__name__
        cost = training_cost([read_trainings(comparison.model_folder(trainer, SEED))])
        print(f"{comparison.dataset}: {60 * cost.hours:.1f} minutes, {cost.process:.2f} GiB")


if __name__ == "__main__":
    main()
