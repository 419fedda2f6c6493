r"""What 10,000 unlabeled cases cost: preprocessing, the start of a training, and memory over its epochs.

Writes synthetic images into a new folder, plans, preprocesses, and starts a short training with nnU-Net's
commands. Printed are the seconds of preprocessing for each number of processes (from nothing each time), the
seconds until nothing is found to do, those from the start of the training's command to its first epoch, and
the memory of the training and all its processes at the end of every epoch.

Example:
    python -m benchmarks.many_unlabeled -o /tmp/many --cases 10000 --processes 1 2
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tqdm import tqdm

from benchmarks.measuring import print_machine
from nnunetv2_semiseg.commands.plugin import plugin_path
from nnunetv2_semiseg.data.raw.folders import UNLABELED_IMAGES

DATASET = "Dataset500_Phantom"
FOLDERS = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")
SETTINGS = ("iterations_per_epoch=20", "validation_iterations_per_epoch=1", "labeled_batch_size=2")
EPOCH_ENDS = re.compile(r"Epoch time")


def environment(output: Path) -> dict[str, str]:
    """Environment variables of nnU-Net: folders below ``output``, few processes, no compilation."""
    folders = {name: str(output / name) for name in FOLDERS}
    programs = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    return {
        **os.environ,
        **folders,
        "PATH": programs,
        "nnUNet_extTrainer": plugin_path(""),
        "nnUNet_compile": "f",
        "nnUNet_n_proc_DA": "2",
        "nnUNet_def_n_proc": "2",
    }


def run(command: list[str], variables: dict[str, str]) -> float:
    """Run a command to its end and give the seconds that it took.

    Raises:
        CalledProcessError: The command failed.
    """
    print("$ " + subprocess.list2cmdline(command), flush=True)
    start = time.perf_counter()
    subprocess.run(command, env=variables, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def write_dataset(output: Path, cases: int, size: int, variables: dict[str, str]) -> None:
    """A small labeled dataset whose unlabeled images are linked until there are enough of them."""
    program = str(Path(__file__).parents[1] / "dataset_conversion" / "Dataset500_Phantom.py")
    options = ["--num-train", "40", "--num-test", "1", "--num-labeled", "10", "--size", str(size)]
    run([sys.executable, program, *options, "--overwrite"], variables)
    folder = output / "nnUNet_raw" / DATASET / UNLABELED_IMAGES
    present = sorted(folder.iterdir())
    for number in tqdm(range(cases - len(present)), desc="Writing unlabeled images", unit="image"):
        os.link(present[number % len(present)], folder / f"more_{number:06d}_0000.png")


def preprocess(processes: int, variables: dict[str, str]) -> float:
    """Seconds that nnUNetv2_semiseg_preprocess takes."""
    command = ["nnUNetv2_semiseg_preprocess", "-d", "500", "-c", "2d_many", "-np", str(processes)]
    return run(command, variables)


def train(variables: dict[str, str]) -> tuple[float, list[float]]:
    """Seconds to the first epoch, and GB of all processes at the end of each epoch."""
    command = ["nnUNetv2_train", "500", "2d_many", "all", "-tr", "nnUNetTrainerMeanTeacher", "-device", "cpu"]
    print("$ " + subprocess.list2cmdline(command), flush=True)
    start, first, memory = time.perf_counter(), 0.0, []
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            if not first and "Epoch 0" in line:
                first = time.perf_counter() - start
            if EPOCH_ENDS.search(line):
                memory.append(_gigabytes_of_tree(process.pid))
    return first, memory


def _gigabytes_of_tree(root: int) -> float:
    """Proportional set size of a process and all below it, so that memory that they share counts once."""
    total = 0
    for pid in _tree(root):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 1024 / 1e9


def _tree(root: int) -> list[int]:
    children = Path(f"/proc/{root}/task/{root}/children")
    below = [int(child) for child in children.read_text().split()] if children.exists() else []
    return [root, *(pid for child in below for pid in _tree(child))]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", dest="output", type=Path, required=True, help="new folder for everything")
    parser.add_argument("--cases", type=int, default=10000, help="unlabeled cases (default: %(default)s)")
    parser.add_argument("--size", type=int, default=128, help="side in pixels (default: %(default)s)")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2], help="default: 1 2")
    parser.add_argument("--epochs", type=int, default=6, help="of 20 steps (default: %(default)s)")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True)
    arguments.device = "cpu"
    variables = environment(arguments.output)
    write_dataset(arguments.output, arguments.cases, arguments.size, variables)
    run(["nnUNetv2_plan_and_preprocess", "-d", "500", "-c", "2d", "-np", "2", "-npfp", "2"], variables)
    configure = ["nnUNetv2_semiseg_configure", "-d", "500", "-c", "2d", "--name", "2d_many"]
    run([*configure, *SETTINGS, "unlabeled_batch_size=2", f"epochs={arguments.epochs}"], variables)
    preprocessed = arguments.output / "nnUNet_preprocessed" / DATASET
    for processes in arguments.processes:
        shutil.rmtree(preprocessed / "nnUNetPlans_2d_unlabeled", ignore_errors=True)
        (preprocessed / "nnUNetPlans_2d_unlabeled.json").unlink(missing_ok=True)
        print(f"preprocessing with {processes} processes: {preprocess(processes, variables):.0f} s")
    print(f"preprocessing with nothing to do: {preprocess(1, variables):.1f} s")
    first, memory = train(variables)
    print(f"start of the training to its first epoch: {first:.1f} s")
    print("GB at the end of each epoch: " + ", ".join(f"{value:.2f}" for value in memory))
    print_machine(arguments, ("torch", "nnunetv2"))


if __name__ == "__main__":
    main()
