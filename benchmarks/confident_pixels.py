r"""How right a trained model is where it is sure, on the unlabeled images whose truth somebody kept aside.

A semi-supervised method learns from pixels of unlabeled images on which a network is confident. On a dataset
that was fully annotated and only made semi-supervised by a converter, this program looks at how many pixels
those are and how many of them are right. It predicts the unlabeled images with nnU-Net's own command and
compares with the truth; nothing of it goes back into a training.

Example, after `compare_on_domains.py` on white blood cells; the truth is the same files with all labels:
    python dataset_conversion/Dataset506_WBC.py -i wbc --labeled-domain domain1 --num-labeled 240 -d 516
    python dataset_conversion/Dataset506_WBC.py -i wbc --labeled-domain domain2 --num-labeled 80 -d 517
    python -m benchmarks.confident_pixels -d 506 --truth 516 517 --device cpu \
        --trainers nnUNetTrainerSupervised nnUNetTrainerFixMatch
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.imageio.reader_writer_registry import determine_reader_writer_from_dataset_json
from nnunetv2.paths import nnUNet_raw, nnUNet_results
from numpy.typing import NDArray
from tqdm import tqdm

from nnunetv2_semiseg.commands.errors import clean_exit
from nnunetv2_semiseg.data.raw.folders import UNLABELED_IMAGES, dataset_name
from nnunetv2_semiseg.data.raw.reading import read_dataset_json


@dataclass
class Tally:
    """Pixels of one domain.

    Attributes:
        pixels: Number of all pixels.
        sure: Number of pixels whose highest probability is above the threshold.
        right: Number of sure pixels whose class is the true one.
        by_class: Number of sure pixels that are predicted as a class, and of the right ones among them.
    """

    pixels: int = 0
    sure: int = 0
    right: int = 0
    by_class: dict[int, tuple[int, int]] = field(default_factory=dict)

    def add(self, probabilities: NDArray[Any], truth: NDArray[Any], threshold: float) -> None:
        """Count one case: ``C x S`` probabilities and ``S`` true labels."""
        labels, sure = probabilities.argmax(0), probabilities.max(0) > threshold
        right = sure & (labels == truth)
        self.pixels += truth.size
        self.sure += int(sure.sum())
        self.right += int(right.sum())
        for label in range(len(probabilities)):
            chosen, correct = self.by_class.get(label, (0, 0))
            of_class = labels == label
            self.by_class[label] = (
                chosen + int((sure & of_class).sum()),
                correct + int((right & of_class).sum()),
            )


@clean_exit
def main() -> None:
    """Predict, count, print."""
    arguments = _parser().parse_args()
    dataset = dataset_name(arguments.dataset)
    truth = true_labels([dataset_name(source) for source in arguments.truth])
    dataset_json = read_dataset_json(Path(nnUNet_raw) / dataset)
    names = list(dataset_json["labels"])
    print(f"share of pixels above {arguments.threshold} | right among them | the same by predicted class")
    for trainer in arguments.trainers:
        folder = predict(dataset, trainer, arguments)
        for domain, tally in count(folder, truth, dataset_json, arguments.threshold).items():
            classes = ", ".join(
                f"{names[label]} {right / max(sure, 1):.4f}"
                for label, (sure, right) in tally.by_class.items()
            )
            shares = f"{tally.sure / tally.pixels:.4f} | {tally.right / max(tally.sure, 1):.4f}"
            print(f"{trainer} on {domain}: {shares} | {classes}")


def true_labels(datasets: Sequence[str]) -> dict[str, Path]:
    """Label files by case of all given datasets."""
    return {
        file.name.split(".")[0]: file
        for dataset in datasets
        for file in sorted((Path(nnUNet_raw) / dataset / "labelsTr").iterdir())
    }


def predict(dataset: str, trainer: str, arguments: argparse.Namespace) -> Path:
    """Predict the unlabeled images with probabilities, without mirroring, as a teacher sees them."""
    images = Path(nnUNet_raw) / dataset / UNLABELED_IMAGES
    output = Path(nnUNet_results) / dataset / f"predictions_{arguments.name}" / f"unlabeled_{trainer}"
    with tempfile.TemporaryDirectory() as chosen:
        for case in case_names(images)[:: arguments.every]:
            for file in images.glob(f"{case}_[0-9][0-9][0-9][0-9].*"):
                (Path(chosen) / file.name).symlink_to(file)
        command = ["nnUNetv2_predict", "-i", chosen, "-o", str(output), "-d", arguments.dataset]
        command += ["-c", arguments.name, "-f", "all", "-tr", trainer, "-device", arguments.device]
        command += ["--save_probabilities", "--disable_tta"]
        print(f"$ {subprocess.list2cmdline(command)}", flush=True)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return output


def case_names(images: Path) -> list[str]:
    """Sorted names of the cases in a folder of images with channel numbers."""
    return sorted({file.name.split(".")[0][: -len("_0000")] for file in images.iterdir()})


def count(
    folder: Path, truth: dict[str, Path], dataset_json: dict[str, Any], threshold: float
) -> dict[str, Tally]:
    """Tallies by domain of all predicted cases whose truth is known."""
    domains = dataset_json.get("domains", {})
    reader = determine_reader_writer_from_dataset_json(dataset_json, str(next(iter(truth.values()))))()
    tallies: dict[str, Tally] = {}
    for file in tqdm(sorted(folder.glob("*.npz")), desc="cases", leave=False):
        if file.stem not in truth:
            continue
        labels = reader.read_seg(str(truth[file.stem]))[0][0]
        probabilities = np.load(file)["probabilities"]
        tally = tallies.setdefault(domains.get(file.stem, "all"), Tally())
        tally.add(probabilities.reshape(len(probabilities), *labels.shape), labels, threshold)
    return tallies


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-d", dest="dataset", required=True, help="dataset: its number or DatasetNNN_Name")
    parser.add_argument(
        "--truth", nargs="+", required=True, help="datasets whose labelsTr have the unlabeled images' labels"
    )
    parser.add_argument("--trainers", nargs="+", required=True, help="trained with fold all")
    parser.add_argument("--name", default="2d_compare", help="configuration; default 2d_compare")
    parser.add_argument("--every", type=int, default=1, help="take every n-th image only; default all")
    parser.add_argument("--threshold", type=float, default=0.95, help="default 0.95")
    parser.add_argument("--device", default="cuda", help="cuda (default) or cpu")
    return parser


if __name__ == "__main__":
    main()
