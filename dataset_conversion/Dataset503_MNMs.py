r"""Left ventricle, myocardium and right ventricle in cardiac cine MRI of four vendors.

Data: M&Ms (Campello et al., "Multi-Centre, Multi-Vendor and Multi-Disease Cardiac Segmentation: The M&Ms
Challenge", IEEE TMI 2021; https://www.ub.edu/mnms). Available there after registration, under the terms
stated there.

Expected below the input folder, one of
- slices: VENDOR/{train,test}/{image,mask}/NAME.png; a mask is RGB and has 255 in the red channel for the left
  ventricle, in the green one for the myocardium, in the blue one for the right ventricle, and black
  elsewhere;
- volumes: VENDOR/NAME.nii.gz with VENDOR/NAME_gt.nii.gz (M&Ms' own ID_sa.nii.gz and ID_sa_gt.nii.gz), or both
  in VENDOR/train and VENDOR/test; values of a mask: 0 background, 1 left ventricle, 2 myocardium, 3 right
  ventricle. Every file is ONE time frame with three dimensions: of M&Ms' 4D files, write the end-diastolic
  and end-systolic frames to files of their own first, and sort the patients into folders by the vendor given
  in the challenge's csv file. Without the folders train and test, the last 20 % of each vendor by name are
  test data. Volumes stay volumes, to be trained in the 2d configuration, and cannot be resized here.

Labels written: 1 left ventricle, 2 myocardium, 3 right ventricle. An image without a mask is used as
unlabeled and never chosen as labeled; among the test data it is an error.

Example, the setting of SynFoC:
    python dataset_conversion/Dataset503_MNMs.py -i mnms \
        --labeled-domain vendorA --num-labeled 5 --size 288
"""

from __future__ import annotations

from pathlib import Path

from nnunetv2_semiseg.commands.conversion import run_converter
from nnunetv2_semiseg.data.conversion.png_releases import PngLayout, grey
from nnunetv2_semiseg.data.conversion.release import ConversionOptions, Release, convert_release
from nnunetv2_semiseg.data.conversion.volume_releases import VolumeLayout

RELEASE = Release(
    name="MNMs",
    layouts=(
        PngLayout(mode="L", codes={grey(0): 0, (255, 0, 0): 1, (0, 255, 0): 2, (0, 0, 255): 3}),
        VolumeLayout(label_suffix="_gt", codes={0: 0, 1: 1, 2: 2, 3: 3}),
    ),
    channel_names=("MRI",),
    labels=("background", "left ventricle", "myocardium", "right ventricle"),
    reference="Campello et al., IEEE TMI 2021; https://www.ub.edu/mnms",
    license="see https://www.ub.edu/mnms",
)


def convert(options: ConversionOptions, raw_folder: Path) -> Path:
    """Write the dataset; see `convert_release` for arguments and errors."""
    return convert_release(RELEASE, options, raw_folder)


if __name__ == "__main__":
    run_converter(convert, 503, __doc__)
