r"""Compare trainers with plain nnU-Net on one dataset, domain by domain, with a small patch and network.

Writes a configuration with that patch and network, and leaves the rest to nnUNetv2_semiseg_compare: training
under the same conditions, prediction of the test images with every network and their ensemble, and a report.
The dataset is any that a converter has written and nnU-Net has planned and preprocessed. The same command
goes on where it was interrupted.

Example, on white blood cells, 20 labeled smears and no labels of single cells:
    python dataset_conversion/Dataset506_WBC.py -i wbc --labeled-domain domain2 --num-labeled 20 --size 128
    nnUNetv2_plan_and_preprocess -d 506 -c 2d
    python -m benchmarks.compare_on_domains -d 506 --iterations 600 --patch 128 --batch 8 --features 16 \
        --device cpu synfoc.foundation.architecture=vit_small synfoc.foundation.random_weights=true \
        synfoc.foundation.image_size=256
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from nnunetv2.paths import nnUNet_results

from benchmarks.comparison import BASELINE, comparison_parser, write_configuration
from nnunetv2_semiseg.commands import compare
from nnunetv2_semiseg.commands.errors import clean_exit
from nnunetv2_semiseg.data.raw.folders import dataset_name


@clean_exit
def main() -> None:
    """Write the configuration, and compare in it."""
    arguments = _parsed()
    dataset = dataset_name(arguments.dataset)
    write_configuration(dataset, arguments)
    report = Path(nnUNet_results) / dataset / "comparisons" / f"{arguments.name}_report"
    which = ["-d", dataset, "-c", arguments.name, "-f", "all", "--trainers", *arguments.trainers]
    how = ["--iterations", str(arguments.iterations), "--seeds", str(arguments.seeds)]
    where = ["--devices", arguments.device, "-o", str(report), "--overwrite", "--ensemble"]
    sys.argv = [compare.PROGRAM, *which, *how, *where]
    compare.main()


def _parsed() -> argparse.Namespace:
    """The command line; settings may follow --trainers, whose list has no end of its own."""
    arguments = _parser().parse_args()
    names = arguments.trainers
    arguments.settings += [name for name in names if "=" in name]
    arguments.trainers = [name for name in names if "=" not in name]
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser = comparison_parser(__doc__, configuration="2d", batch=8)
    parser.add_argument(
        "--trainers", nargs="+", default=[BASELINE, "nnUNetTrainerSynFoC"], help="default: %(default)s"
    )
    return parser


if __name__ == "__main__":
    main()
