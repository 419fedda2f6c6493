r"""Prostate in T2 weighted MRI of six sites: RUNMC, BMC, I2CVB, UCL, BIDMC, HK.

Data: the multi-site collection of MS-Net and SAML (Liu et al., "MS-Net: Multi-Site Network for Improving
Prostate Segmentation with Heterogeneous MRI Data", IEEE TMI 2020; "Shape-aware Meta-learning for Generalizing
Prostate MRI Segmentation to Unseen Domains", MICCAI 2020; https://liuquande.github.io/SAML). It was made from
NCI-ISBI 2013, I2CVB and PROMISE12, whose terms apply.

Expected below the input folder, one of
- slices: SITE/{train,test}/{image,mask}/NAME.png; values of a mask: 0 prostate, 255 background;
- volumes: SITE/NAME.nii.gz with SITE/NAME_segmentation.nii.gz (also _Segmentation), or both in SITE/train and
  SITE/test; values of a mask: 0 background, 1 and 2 prostate. Without the folders train and test, the last 20
  % of each site by name are test data. Volumes stay volumes, to be trained in the 2d configuration, and
  cannot be resized here.

Label written: 1 prostate. An image without a mask is used as unlabeled and never chosen as labeled; among the
test data it is an error.

Example, the setting of SynFoC:
    python dataset_conversion/Dataset502_Prostate.py -i ProstateSlice \
        --labeled-domain RUNMC --num-labeled 20 --size 384
"""

from __future__ import annotations

from pathlib import Path

from nnunetv2_semiseg.commands.conversion import run_converter
from nnunetv2_semiseg.data.conversion.png_releases import PngLayout, grey
from nnunetv2_semiseg.data.conversion.release import ConversionOptions, Release, convert_release
from nnunetv2_semiseg.data.conversion.volume_releases import VolumeLayout

RELEASE = Release(
    name="Prostate",
    layouts=(
        PngLayout(mode="L", codes={grey(255): 0, grey(0): 1}),
        VolumeLayout(label_suffix="_segmentation", codes={0: 0, 1: 1, 2: 1}),
    ),
    channel_names=("MRI",),
    labels=("background", "prostate"),
    reference="Liu et al., IEEE TMI 2020 (MS-Net) and MICCAI 2020 (SAML); NCI-ISBI 2013, I2CVB, PROMISE12",
    license="see the terms of NCI-ISBI 2013, I2CVB and PROMISE12",
)


def convert(options: ConversionOptions, raw_folder: Path) -> Path:
    """Write the dataset; see `convert_release` for arguments and errors."""
    return convert_release(RELEASE, options, raw_folder)


if __name__ == "__main__":
    run_converter(convert, 502, __doc__)
