"""A whole semi-supervised training on SYNTHETIC images: ``python -m demo``.

Generates images of three domains, one of them with ten labels, trains nnU-Net on the labeled images and
SynFoC on all of them, predicts the test images, ensembles, and writes a table and a picture. Everything runs
through the command lines that a person would type; they are shown. All files are below one folder.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.commands import FOLDERS, Shell, demo_variables
from demo.figure import Row, draw, read_png
from demo.report import format_table
from nnunetv2_semiseg.core.launcher import CommandFailedError, say
from nnunetv2_semiseg.data.raw.reading import read_dataset_json
from nnunetv2_semiseg.evaluation import evaluate
from nnunetv2_semiseg.evaluation.measuring.scores import CLASS_MEAN, Score

ROOT = Path(__file__).resolve().parents[1]
MARKER = ".made_by_the_demo"
"""A folder with this file may be deleted by the next run."""

DATASET_ID, DATASET = 500, "Dataset500_Phantom"
LABELED_DOMAIN = "A"
SUPERVISED, SYNFOC, FOUNDATION = (
    "nnUNetTrainerSupervised",
    "nnUNetTrainerSynFoC",
    "nnUNetTrainerSynFoCFoundation",
)
MODELS = {"nnU-Net": SUPERVISED, "SynFoC, U-Net": SYNFOC, "SynFoC, foundation": FOUNDATION}
ENSEMBLE = "SynFoC, ensemble"


@dataclass(frozen=True)
class Extent:
    """How much is generated and trained."""

    train: int
    test: int
    epochs: int
    iterations: int


FULL = Extent(train=80, test=20, epochs=10, iterations=70)
QUICK = Extent(train=12, test=2, epochs=1, iterations=2)


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--output", type=Path, default=ROOT / "demo_output", help="folder for all files; default demo_output"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="two iterations only, to see that all runs; the table means nothing",
    )
    arguments = parser.parse_args()
    start = time.monotonic()
    try:
        run_demo(arguments.output.resolve(), QUICK if arguments.quick else FULL)
    except CommandFailedError as error:
        sys.exit(f"{''.join(error.tail)}error: {error}")
    except ValueError as error:
        sys.exit(f"error: {error}")
    minutes = (time.monotonic() - start) / 60
    say(f"The demo took {minutes:.1f} minutes, and {cpu_minutes():.1f} minutes of the processors' time.")


def cpu_minutes() -> float:
    """Processor time of all commands so far; on a busy machine it says more than the clock."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) / 60


def run_demo(output: Path, extent: Extent) -> None:
    """All steps, from nothing to the picture.

    Args:
        output: Folder for all files; a former demo's is deleted first.
        extent: How much to do.

    Raises:
        CommandFailedError: A command failed.
        ValueError: The folder has content that is not the demo's.
    """
    prepare_folder(output)
    shell = Shell(output / "logs", demo_variables(output))
    shell.show_variables()
    make_data(shell, extent)
    train(shell, extent)
    predictions = predict(shell, output)
    report(output, predictions)


def prepare_folder(output: Path) -> None:
    """Make an empty folder, in place of what a former demo left."""
    if output.exists():
        if any(output.iterdir()) and not (output / MARKER).is_file():
            raise ValueError(f"{output} exists and was not made by the demo; name another folder by --output")
        shutil.rmtree(output)
    for name in (*FOLDERS, "logs"):
        (output / name).mkdir(parents=True)
    (output / MARKER).touch()


def make_data(shell: Shell, extent: Extent) -> None:
    """Generate, plan, preprocess."""
    say("\n--- 1. SYNTHETIC data: three domains, labels in one of them")
    shell.run(
        "python", ROOT / "dataset_conversion" / "Dataset500_Phantom.py", "--labeled-domain", LABELED_DOMAIN,
        "--num-labeled", 10, "--num-train", extent.train, "--num-test", extent.test, "--size", 64,
    )  # fmt: skip
    shell.run(
        "nnUNetv2_plan_and_preprocess", "-d", DATASET_ID, "-c", "2d", "--verify_dataset_integrity",
        "-np", 2, "-npfp", 2,
    )  # fmt: skip
    shell.run("nnUNetv2_semiseg_preprocess", "-d", DATASET_ID, "-c", "2d", "-np", 2)


def train(shell: Shell, extent: Extent) -> None:
    """Train nnU-Net and SynFoC, with equal iterations and labeled samples."""
    say("\n--- 2. One configuration for both trainings: a small network, a short training")
    shell.run("python", "-m", "demo.small_network", "-d", DATASET_ID, "-c", "2d", "--name", "2d_small")
    shell.run(
        "nnUNetv2_semiseg_configure", "-d", DATASET_ID, "-c", "2d_small", "--name", "2d_demo",
        f"epochs={extent.epochs}", f"iterations_per_epoch={extent.iterations}",
        "validation_iterations_per_epoch=2", "labeled_batch_size=4", "unlabeled_batch_size=4", "seed=1",
        "synfoc.foundation.architecture=vit_small", "synfoc.foundation.random_weights=true",
        "synfoc.foundation.image_size=128", "synfoc.foundation_learning_rate=0.003",
    )  # fmt: skip
    say("\n--- 3. Training: nnU-Net on the labeled images, SynFoC on labeled and unlabeled ones")
    for trainer in (SUPERVISED, SYNFOC):
        # loading in the training's own process makes the demo reproducible; planning needs another value.
        # Each process that writes predictions imports torch for longer than it writes these few images.
        shell.run(
            "nnUNetv2_train", DATASET_ID, "2d_demo", 0, "-tr", trainer, "-device", "cpu",
            nnUNet_n_proc_DA="0", nnUNet_def_n_proc="1",
        )  # fmt: skip


def predict(shell: Shell, output: Path) -> dict[str, Path]:
    """Predict the test images with every model; their folders by the model's name."""
    say("\n--- 4. Prediction and ensemble")
    folders = {name: output / "predictions" / trainer for name, trainer in MODELS.items()}
    for name, trainer in MODELS.items():
        shell.run(
            "nnUNetv2_predict", "-i", output / "nnUNet_raw" / DATASET / "imagesTs", "-o", folders[name],
            "-d", DATASET_ID, "-c", "2d_demo", "-f", 0, "-tr", trainer, "--save_probabilities",
            "-npp", 0, "-nps", 0, "-device", "cpu",
        )  # fmt: skip
    folders[ENSEMBLE] = output / "predictions" / "ensemble"
    members = [folders[name] for name, trainer in MODELS.items() if trainer != SUPERVISED]
    shell.run("nnUNetv2_ensemble", "-i", *members, "-o", folders[ENSEMBLE], "-np", 1)
    return folders


def report(output: Path, predictions: dict[str, Path]) -> None:
    """Write and print the table, and draw the picture."""
    raw = output / "nnUNet_raw" / DATASET
    dataset_json = read_dataset_json(raw)
    found = evaluate(DATASET, dataset_json, raw / "labelsTs", predictions, num_processes=1)
    text = format_table(found.summaries, LABELED_DOMAIN)
    (output / "table.txt").write_text(text)
    draw(rows(raw, predictions, found.scores), dataset_json["labels"], output / "demo.png")
    say(f"\n--- 5. Result\n\n{text}\nTable: {output / 'table.txt'}\nPicture: {output / 'demo.png'}")


def rows(raw: Path, predictions: dict[str, Path], scores: Sequence[Score]) -> list[Row]:
    """The first test image of each domain: chosen by name, not by result."""
    means = [score for score in scores if score.label == CLASS_MEAN]
    dice = {(score.model, score.case): score.values["dice"] for score in means}
    cases: dict[str, str] = {}
    for score in sorted(means, key=lambda score: score.case):
        cases.setdefault(score.domain, score.case)
    return [
        Row(
            title=f"domain {domain}\n{'labeled' if domain == LABELED_DOMAIN else 'unlabeled only'}",
            image=read_png(raw / "imagesTs" / f"{case}_0000.png"),
            truth=read_png(raw / "labelsTs" / f"{case}.png"),
            predictions={model: read_png(folder / f"{case}.png") for model, folder in predictions.items()},
            scores={model: f"{100 * dice[model, case]:.0f}" for model in predictions},
        )
        for domain, case in sorted(cases.items())
    ]


if __name__ == "__main__":
    main()
