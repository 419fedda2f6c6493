r"""Generated images of several domains: SYNTHETIC data for demonstrations and tests, not of patients.

A body with two labeled organs among unlabeled distractors. Domains A, B, C (and D) share the anatomy and
differ in contrast, noise, blur and bias field; the first images of one domain are labeled. Labels: 1 large
organ, 2 small organ.

Example, 300 images in a few seconds:
    python dataset_conversion/Dataset500_Phantom.py --labeled-domain A --num-labeled 10
"""

from __future__ import annotations

import argparse

from nnunetv2_semiseg.commands.arguments import add_overwrite_argument
from nnunetv2_semiseg.commands.errors import clean_exit
from nnunetv2_semiseg.data.conversion.phantom import PhantomOptions, write_phantom_dataset
from nnunetv2_semiseg.data.raw.folders import raw_folder

DEFAULTS = PhantomOptions()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )

    def number(option: str, name: str, default: int, text: str) -> None:
        parser.add_argument(option, dest=name, type=int, default=default, help=f"{text}; default {default}")

    number("--num-domains", "domains", DEFAULTS.domains, "number of domains")
    number("--num-train", "train", DEFAULTS.train, "training images of each domain")
    number("--num-test", "test", DEFAULTS.test, "test images of each domain")
    number("--num-labeled", "labeled", DEFAULTS.labeled, "labeled images, the first of the labeled domain")
    parser.add_argument("--labeled-domain", default=DEFAULTS.labeled_domain, help="A (default), B, ...")
    number("--dimension", "dimension", DEFAULTS.dimension, "2 for png images, 3 for .nii.gz volumes")
    number("--size", "size", DEFAULTS.size, "width in pixels; volumes have half as many slices")
    number("--seed", "seed", DEFAULTS.seed, "of everything random")
    number("-d", "dataset_id", 500, "dataset id")
    add_overwrite_argument(parser, "the dataset")
    return parser


@clean_exit
def main() -> None:
    """Generate the dataset that the command line describes."""
    arguments = vars(_parser().parse_args())
    dataset_id, overwrite = arguments.pop("dataset_id"), arguments.pop("overwrite")
    configuration = "2d" if arguments["dimension"] == 2 else "3d_fullres"
    folder = write_phantom_dataset(
        raw_folder(), dataset_id, "Phantom", PhantomOptions(**arguments), overwrite
    )
    print(f"Wrote {folder}. Next: nnUNetv2_plan_and_preprocess -d {dataset_id} -c {configuration}")


if __name__ == "__main__":
    main()
