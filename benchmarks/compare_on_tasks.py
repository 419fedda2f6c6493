r"""Compare one model over several partially annotated datasets with one plain nnU-Net for each of them.

Trains VerSemi on a dataset that nnUNetv2_semiseg_merge_tasks has written, and the supervised trainer on
each of the datasets that it was merged of, with the same labeled cases, patch, batch and iterations. Predicts
the test images with all of them, splits VerSemi's predictions back into the datasets, and prints Dice of each
structure, wall time and memory. All datasets are planned and preprocessed by nnU-Net before. Test labels are
read once, at the end. Everything runs through command lines, and each is printed.

Example, after merging Dataset521 and Dataset522 into Dataset520:
    for d in 520 521 522; do nnUNetv2_plan_and_preprocess -d $d -c 3d_fullres; done
    python benchmarks/compare_on_tasks.py -d 520 --iterations 600 --patch 16 64 64 --features 16 --device cpu
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from comparison import (
    BASELINE,
    Cost,
    comparison_parser,
    predict,
    predictions_folder,
    run,
    train,
    training_history,
    write_configuration,
)
from nnunetv2.paths import nnUNet_raw

from nnunetv2_semiseg.commands.datasets import dataset_name, read_json
from nnunetv2_semiseg.commands.errors import clean_exit
from nnunetv2_semiseg.evaluation.dice import per_domain_dice
from nnunetv2_semiseg.tasks import read_source_endings

MERGED_MODELS = ("nnUNetTrainerVerSemi", "nnUNetTrainerVerSemiEMA")


@clean_exit
def main() -> None:
    """Train, predict, split back, evaluate, print."""
    arguments = comparison_parser(__doc__, configuration="3d_fullres", batch=2).parse_args()
    merged = dataset_name(arguments.dataset)
    file = Path(nnUNet_raw) / merged / "dataset.json"
    sources = list(read_source_endings(read_json(file, merged), file))
    costs = {}
    for dataset in (merged, *sources):
        write_configuration(dataset, arguments)
        trainer = MERGED_MODELS[0] if dataset == merged else BASELINE
        costs[dataset] = train(dataset, trainer, arguments)
        for model in MERGED_MODELS if dataset == merged else [BASELINE]:
            predict(dataset, model, arguments)
    for model in MERGED_MODELS:
        folder = predictions_folder(merged, model, arguments)
        split = ["nnUNetv2_semiseg_split_tasks", "-d", merged, "-i", str(folder), "-o", f"{folder}_split"]
        run([*split, "--overwrite"])
    print_dice(merged, sources, arguments)
    print_costs(merged, costs, arguments)


def print_dice(merged: str, sources: list[str], arguments: Namespace) -> None:
    """A table of mean Dice over all test cases: a row for each structure, a column for each model."""
    print(f"\n| structure | plain nnU-Net | {' | '.join(MERGED_MODELS)} |\n|---|---|---|---|")
    for source in sources:
        folders = [predictions_folder(source, BASELINE, arguments)]
        for model in MERGED_MODELS:
            split = predictions_folder(merged, model, arguments)
            folders.append(split.with_name(f"{split.name}_split") / source)
        raw = Path(nnUNet_raw) / source
        dataset_json = read_json(raw / "dataset.json", source)
        results = [list(per_domain_dice(f, raw / "labelsTs", dataset_json).values()) for f in folders]
        for name, label in dataset_json["labels"].items():
            if label:
                means = (
                    " / ".join(f"{domain.dice[label]:.3f}" for domain in by_domain) for by_domain in results
                )
                print(f"| {source}: {name} | {' | '.join(means)} |")


def print_costs(merged: str, costs: dict[str, Cost], arguments: Namespace) -> None:
    """Wall time and memory of each training with its validation, and what VerSemi logged."""
    print()
    for dataset, cost in costs.items():
        print(f"{dataset}: {cost.seconds / 60:.1f} minutes, {cost.memory:.2f} GiB")
    for key, values in training_history(merged, MERGED_MODELS[0], arguments).items():
        print(f"  {key}: {' '.join(f'{value:.3g}' for value in values)}")


if __name__ == "__main__":
    main()
